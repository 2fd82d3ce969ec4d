"""Enum types: by alembic-postgresql-enum where it is installed, and never passed over where it is not.

Importing that package is what makes it work: it hangs itself onto Alembic's comparison, and its operations
onto ``op``, for the files that it writes. Where it is missing, an enum that differs becomes an
:class:`EnumDifferenceOp`, which ``check`` reports and a file refuses to run past, and a warning names the
package.

Put right here is that the package (1.11) drops every type that no model declares, those of extensions too,
and those of a table that is not compared (``include_object``, or another tool's). What it writes is put right
by :mod:`headway.autogenerate.enumtext`.
"""

from __future__ import annotations

import copy
import logging
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, ops

from headway.autogenerate.enumtext import statements
from headway.autogenerate.modelenums import enum_in, enums_of
from headway.autogenerate.statements import escaped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Column

    from headway import catalogue
    from headway.autogenerate.comparison import Comparison
    from headway.catalogue import Name

_logger = logging.getLogger(__name__)

PACKAGE = "alembic_postgresql_enum"
HINT = "Install alembic-postgresql-enum (headway finds it by itself), then generate the revision again."


def activate() -> bool:
    """Import alembic-postgresql-enum, which makes it work; false when it is not installed."""
    try:
        import_module(PACKAGE)
    except ImportError as error:
        if error.name != PACKAGE:
            raise
        return False
    return True


class EnumDifferenceOp(MigrateOperation):
    """An enum type that differs, where nothing is installed that could write the change.

    Args:
        name: of the type.
        schema: its schema.
        old: the labels in the database; ``None`` when the type is not there.
        new: the labels in the models.
    """

    def __init__(
        self, name: str, *, schema: str | None, old: tuple[str, ...] | None, new: tuple[str, ...] | None
    ) -> None:
        self.name = name
        self.schema = schema
        self.old = old
        self.new = new

    def reverse(self) -> EnumDifferenceOp:
        """The same the other way round."""
        return EnumDifferenceOp(self.name, schema=self.schema, old=self.new, new=self.old)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """As ``alembic check`` shows it."""
        return ("change_enum", self.name, self.schema, self.old, self.new)

    def __str__(self) -> str:
        old, new = (", ".join(map(repr, labels)) if labels else "none" for labels in (self.old, self.new))
        return f"enum {self.name}: {old} to {new}"


class EnumTypeOp(MigrateOperation):
    """CREATE TYPE or DROP TYPE, under the names by which alembic-postgresql-enum's operations are known.

    Args:
        name: of the type.
        schema: its schema.
        enum_values: its labels.
        come: whether it is made.
    """

    def __init__(self, name: str, *, schema: str, enum_values: tuple[str, ...], come: bool) -> None:
        self.name = name
        self.schema = schema
        self.enum_values = enum_values
        self.operation_name = "create_enum" if come else "drop_enum"

    def reverse(self) -> EnumTypeOp:
        """The same the other way round."""
        come = self.operation_name == "drop_enum"
        return EnumTypeOp(self.name, schema=self.schema, enum_values=self.enum_values, come=come)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """As ``alembic check`` shows it."""
        return (self.operation_name, self.name, self.schema, self.enum_values)


@renderers.dispatch_for(EnumTypeOp)
def _render_type(context: AutogenContext, operation: EnumTypeOp) -> list[str]:
    prefix = context.opts.get("alembic_module_prefix") or "op."
    sent = statements(operation, context) or []
    return [f"{prefix}execute({escaped(statement)!r})" for statement in sent]


@renderers.dispatch_for(EnumDifferenceOp)
def _render(_: AutogenContext, operation: EnumDifferenceOp) -> list[str]:
    return [f"raise NotImplementedError({f'{operation}. {HINT}'!r})"]


def compare_without_package(context: AutogenContext, comparison: Comparison, found: ops.UpgradeOps) -> None:
    """Emit an operation for every enum that needs one, and warn."""
    default = context.dialect.default_schema_name or "public"
    models = {
        (enum.schema, enum.name): enum for enum in enums_of(context.table_key_to_table.values(), default)
    }
    differing: list[MigrateOperation] = []
    for key, enum in models.items():
        actual = comparison.actual.enums.get(key)
        shown = None if enum.schema == default else enum.schema
        if actual is None and any(
            (t.schema or default, t.name) in comparison.actual.tables for t in enum.tables
        ):
            differing.append(EnumDifferenceOp(enum.name, schema=shown, old=None, new=enum.labels))
        elif actual is None:
            _logger.warning("A downgrade will leave enum %s behind. %s", enum.name, HINT)
        elif actual.labels != enum.labels:
            differing.append(EnumDifferenceOp(enum.name, schema=shown, old=actual.labels, new=enum.labels))
    for operation in differing:
        _logger.warning("%s. %s", operation, HINT)
    gone = [enum for key, enum in comparison.actual.enums.items() if key not in models]
    unused = unused_enums(comparison, found, gone, default)
    found.ops[:0] = differing
    found.ops.extend(
        EnumTypeOp(enum.name, schema=enum.schema, enum_values=enum.labels, come=False) for enum in unused
    )


def unused_enums(
    comparison: Comparison, found: ops.UpgradeOps, enums: Iterable[catalogue.EnumType], default: str
) -> list[catalogue.EnumType]:
    """Those of ``enums`` that are no extension's and that no column has once ``found`` is done."""
    gone = set(_columns_gone(found.ops, default))
    used = {
        column.type.removesuffix("[]")
        for (schema, name), table in comparison.actual.tables.items()
        for column in table.columns
        if not gone & {(schema, name, None), (schema, name, column.name)}
    }
    used.update(
        column.type.removesuffix("[]")
        for outline in comparison.alike.values()
        for column in outline.columns.values()
    )
    return [enum for enum in enums if enum.extension is None and enum.type not in used]


def _columns_gone(
    operations: Collection[MigrateOperation], default: str
) -> Iterator[tuple[str, str, str | None]]:
    """The columns that lose their type: schema, table and column, ``None`` for all of a table's."""
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            yield from _columns_gone(operation.ops, default)
        elif isinstance(operation, ops.DropTableOp):
            yield (operation.schema or default, operation.table_name, None)
        elif isinstance(operation, ops.DropColumnOp) or (
            isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None
        ):
            yield (operation.schema or default, operation.table_name, operation.column_name)


def keep_what_is_used(context: AutogenContext, comparison: Comparison, found: ops.UpgradeOps) -> None:
    """Take back the drops of enums that are an extension's or that a table still uses."""
    default = context.dialect.default_schema_name or "public"
    every = comparison.actual.enums.values()
    unused = {(enum.schema, enum.name) for enum in unused_enums(comparison, found, every, default)}
    found.ops[:] = [
        operation
        for operation in found.ops
        if getattr(operation, "operation_name", None) != "drop_enum"
        or (getattr(operation, "schema", None) or default, getattr(operation, "name", None)) in unused
    ]


def compare_with_package(
    context: AutogenContext,
    found: ops.UpgradeOps,
    schemas: Collection[str | None],
    same: Collection[Name] = (),
) -> None:
    """Call alembic-postgresql-enum where Alembic does not.

    It asks the server about every column that is an enum; of those in ``same``, which have the labels that
    the database has, one column each is as good as all.
    """
    shown = copy.copy(context)
    shown.metadata = _naming_once(context, same)
    sys.modules[f"{PACKAGE}.compare_dispatch"].compare_enums(shown, found, schemas)


def _naming_once(context: AutogenContext, enums: Collection[Name]) -> Any:
    default = context.dialect.default_schema_name or "public"
    named: set[Name] = set()

    def is_first(column: Column[Any]) -> bool:
        enum = enum_in(column.type)
        name = (enum.schema or default, str(enum.name)) if enum else None
        again = name in named
        named.update({name} & {*enums} if name else ())
        return not again

    tables = {
        key: SimpleNamespace(schema=table.schema, name=table.name, columns=[*filter(is_first, table.columns)])
        for key, table in context.table_key_to_table.items()
    }
    return SimpleNamespace(tables=tables)
