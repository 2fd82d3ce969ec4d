"""Sequences that columns of the models take values from, and that the database lacks.

Alembic compares none. What SERIAL and identity columns own comes with them; this is about
``Column(..., Sequence("name"))`` and ``server_default=Sequence("name").next_value()``. A sequence that no
model holds any more stays: nobody knows who else takes numbers from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Sequence, text
from sqlalchemy.schema import CreateSequence, DropSequence
from sqlalchemy.sql.functions import next_value

from headway.autogenerate.statements import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from sqlalchemy import Table
    from sqlalchemy.engine import Dialect

_MISSING = text("""
    SELECT asked.name FROM pg_catalog.unnest(CAST(:names AS text[])) AS asked (name)
    WHERE pg_catalog.to_regclass(asked.name) IS NULL
""")


class CreateSequenceOp(MigrateOperation):
    """CREATE SEQUENCE; ``sequence`` is SQLAlchemy's."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.name = str(sequence.name)
        self.schema = sequence.schema

    def reverse(self) -> DropSequenceOp:
        """The operation that undoes it."""
        return DropSequenceOp(self.sequence)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("add_sequence", self.schema, self.name)

    def statement(self, dialect: Dialect) -> str:
        """The SQL, on one line."""
        return _on_one_line(CreateSequence(self.sequence).compile(dialect=dialect))


class DropSequenceOp(MigrateOperation):
    """DROP SEQUENCE; ``sequence`` is SQLAlchemy's."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.name = str(sequence.name)
        self.schema = sequence.schema

    def reverse(self) -> CreateSequenceOp:
        """The operation that undoes it."""
        return CreateSequenceOp(self.sequence)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("remove_sequence", self.schema, self.name)

    def statement(self, dialect: Dialect) -> str:
        """The SQL, on one line."""
        return _on_one_line(DropSequence(self.sequence).compile(dialect=dialect))


def compare_sequences(context: AutogenContext, upgrade: UpgradeOps) -> None:
    """Have the sequences made that are missing; nothing is asked of the server when no column names one."""
    wanted = {
        context.dialect.identifier_preparer.format_sequence(sequence): sequence
        for table in context.sorted_tables
        if context.run_object_filters(table, table.name, "table", False, None)  # noqa: FBT003  # Alembic's
        for sequence in _sequences(table)
    }
    if wanted and context.connection is not None:
        rows = context.connection.execute(_MISSING, {"names": [*wanted]}).scalars()
        upgrade.ops.extend(CreateSequenceOp(wanted[name]) for name in rows)


def _sequences(table: Table) -> Iterator[Sequence]:
    for column in table.columns:
        default = getattr(column.server_default, "arg", None)
        found = default.sequence if isinstance(default, next_value) else column.default
        # PostgreSQL has SERIAL: SQLAlchemy makes no optional sequence there.
        if isinstance(found, Sequence) and not found.optional:
            yield found


def _on_one_line(compiled: object) -> str:
    return " ".join(str(compiled).split())


@Operations.implementation_for(CreateSequenceOp)
@Operations.implementation_for(DropSequenceOp)
def _run(operations: Operations, operation: CreateSequenceOp | DropSequenceOp) -> None:
    operations.execute(escaped(operation.statement(operations.migration_context.dialect)))


@renderers.dispatch_for(CreateSequenceOp)
@renderers.dispatch_for(DropSequenceOp)
def _render(context: AutogenContext, operation: CreateSequenceOp | DropSequenceOp) -> str:
    prefix = context.opts.get("alembic_module_prefix") or "op."
    return f"{prefix}execute({escaped(operation.statement(context.dialect))!r})"
