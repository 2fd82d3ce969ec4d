"""Columns: types, collations and where values come from, compared as PostgreSQL spells them.

Registered between a user's own comparison (``compare_type``, ``compare_server_default``), which Alembic asks
first, and Alembic's. What is emitted is what Alembic emits: ``modify_type`` and ``modify_server_default`` of
its AlterColumnOp. A change of kind, to or from a computed, identity or serial column, is left to
:mod:`headway.autogenerate.generation`, for one operation cannot say it.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, Any

from alembic.util import PriorityDispatchResult
from sqlalchemy import Computed, DefaultClause, Identity
from sqlalchemy.exc import CompileError

from headway.autogenerate.comparison import comparison_of
from headway.autogenerate.defaults_by_text import DefaultsByText, expression_of
from headway.autogenerate.identities import same_identity
from headway.autogenerate.rereading import same_expression_when_read_again

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import AlterColumnOp
    from sqlalchemy import Column

    from headway import catalogue
    from headway.autogenerate.comparison import Comparison, TableKey

_logger = logging.getLogger(__name__)

CONTINUE, STOP = PriorityDispatchResult.CONTINUE, PriorityDispatchResult.STOP


class Source(Enum):
    """Where a column's values come from when a statement gives none."""

    DEFAULT = "default"
    """An expression, or NULL without one."""
    SERIAL = "serial"
    IDENTITY = "identity"
    COMPUTED = "computed"


def source_of(column: catalogue.Column) -> Source:
    """Where the values of a column come from."""
    if column.generated:
        return Source.COMPUTED
    if column.identity:
        return Source.IDENTITY
    return Source.SERIAL if column.serial else Source.DEFAULT


def compare_type(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    _inspected: Column[Any],
    modelled: Column[Any],
) -> PriorityDispatchResult:
    """Types with all their modifiers, and collations."""
    comparison = comparison_of(context)
    both = comparison.columns((schema, table), name) if comparison else None
    if both is None:
        return CONTINUE
    actual, wanted = both
    if actual.type != wanted.type or actual.collation != wanted.collation:
        alter.modify_type = modelled.type
        _logger.info("%s.%s is %s, and %s in the models", table, name, actual.type, wanted.type)
    return STOP


def compare_default(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    inspected: Column[Any],
    modelled: Column[Any],
) -> PriorityDispatchResult:
    """Server defaults, and whether a column is computed, an identity or a serial."""
    if not context.migration_context.opts.get("compare_server_default", False):
        return CONTINUE  # Alembic asks only when it sees a default; a serial's it does not
    comparison = comparison_of(context)
    both = comparison.columns((schema, table), name) if comparison else None
    _note_autoincrement(alter, modelled)
    if comparison is None or both is None:
        return _compare_by_text(context, alter, inspected, modelled)
    if not isinstance(modelled.server_default, DefaultClause | Computed | Identity | None):
        return STOP  # FetchedValue: the model says that there is something, and not what
    actual, wanted = both
    sources = (source_of(actual), source_of(wanted))
    if sources == (Source.DEFAULT, Source.DEFAULT):
        if actual.default != wanted.default and ((schema, table), name) not in comparison.equal_defaults:
            alter.modify_server_default = modelled.server_default
            _logger.info(
                "%s.%s has default %s, and %s in the models", table, name, actual.default, wanted.default
            )
    elif _regenerated(actual, wanted) and not _same_again(context, comparison, (schema, table), both):
        comparison.regenerated.setdefault((schema, table), []).append((inspected, modelled))
    return STOP


def _regenerated(actual: catalogue.Column, wanted: catalogue.Column) -> bool:
    sources = {source_of(actual), source_of(wanted)}
    if sources == {Source.IDENTITY}:
        return not same_identity(actual, wanted)
    if sources == {Source.COMPUTED}:
        return (actual.generated, actual.expression) != (wanted.generated, wanted.expression)
    if sources == {Source.SERIAL, Source.DEFAULT}:
        # A sequence that nobody owns, or another column's, serves as well.
        return not any(
            "nextval(" in (column.default or "") for column in (actual, wanted) if not column.serial
        )
    return len(sources) > 1


def _same_again(
    context: AutogenContext,
    comparison: Comparison,
    key: TableKey,
    both: tuple[catalogue.Column, catalogue.Column],
) -> bool:
    return (
        context.connection is not None
        and both[0].generated == both[1].generated != ""
        and same_expression_when_read_again(context.connection, comparison.pairs[key].spelled.table, *both)
    )


def _note_autoincrement(alter: AlterColumnOp, modelled: Column[Any]) -> None:
    """What Alembic notes for the file after its comparisons, which do not come to it."""
    if modelled.table.autoincrement_column is modelled or modelled.autoincrement is True:
        alter.kw["autoincrement"] = True
    elif modelled.autoincrement is False:
        alter.kw["autoincrement"] = False


def _compare_by_text(
    context: AutogenContext, alter: AlterColumnOp, inspected: Column[Any], modelled: Column[Any]
) -> PriorityDispatchResult:
    defaults = (inspected.server_default, modelled.server_default)
    if context.connection is None or not all(isinstance(found, DefaultClause | None) for found in defaults):
        return CONTINUE
    # The default of a SERIAL is the sequence that PostgreSQL made for it.
    if modelled.primary_key and modelled is modelled.table.autoincrement_column:
        return STOP
    try:
        one, other = (expression_of(context.dialect, column) for column in (inspected, modelled))
    except CompileError:
        return CONTINUE
    if DefaultsByText(context.connection).differ(one, other, inspected.type, modelled.type):
        alter.modify_server_default = modelled.server_default
    return STOP
