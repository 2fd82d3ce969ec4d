"""An operation that is SQL in both directions: for what Alembic has no operation for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations

from headway.autogenerate.literals import literal

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import AddColumnOp
    from sqlalchemy.engine import Dialect

# What SQLAlchemy's text() takes for a parameter (sqlalchemy.sql.elements.TextClause).
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")


_DROP_COLUMN = re.compile(r"\AALTER TABLE .* DROP COLUMN ")


def escaped(statement: str) -> str:
    """A statement as ``op.execute`` takes it: no colon in it begins a parameter."""
    return _PARAMETER.sub(r"\\:", statement)


class StatementsOp(MigrateOperation):
    """Statements that belong together, with those that undo them.

    In a file it is one ``op.execute`` for each (asyncpg takes one at a time); the file needs nothing of ours.

    Args:
        table_name: the table that they change.
        column_name: the column of it.
        schema: of the table.
        what: the change in words, for ``check``: "SET EXPRESSION of …".
        statements: in order.
        undo: in order, too.
    """

    def __init__(
        self,
        table_name: str,
        column_name: str,
        *,
        schema: str | None,
        what: str,
        statements: tuple[str, ...],
        undo: tuple[str, ...],
    ) -> None:
        self.table_name = table_name
        self.column_name = column_name
        self.schema = schema
        self.what = what
        self.statements = statements
        self.undo = undo

    @property
    def replaces(self) -> bool:
        """Whether the column is dropped, to be added anew."""
        return any(_DROP_COLUMN.search(statement) for statement in self.statements)

    def reverse(self) -> StatementsOp:
        """The same the other way round."""
        return StatementsOp(
            self.table_name,
            self.column_name,
            schema=self.schema,
            what=f"undo: {self.what}",
            statements=self.undo,
            undo=self.statements,
        )

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """As ``check`` shows it."""
        return ("change", self.what, self.schema, self.table_name, self.column_name)


def serial_column(operation: AddColumnOp, specification: str, dialect: Dialect) -> StatementsOp:
    """What adds a column with the sequence that ``SERIAL`` makes.

    Args:
        operation: Alembic's, which would add it without.
        specification: the column as CREATE TABLE has it.
        dialect: PostgreSQL's.
    """
    column, schema = operation.column, operation.schema
    quote = dialect.identifier_preparer.quote
    table = ".".join(quote(name) for name in (schema, operation.table_name) if name)
    statements = [f"ALTER TABLE {table} ADD COLUMN {specification}"]
    if column.comment is not None:
        statements.append(f"COMMENT ON COLUMN {table}.{quote(column.name)} IS {literal(column.comment)}")
    return StatementsOp(
        operation.table_name,
        column.name,
        schema=schema,
        what=f"serial column {column.name}",
        statements=tuple(map(escaped, statements)),
        undo=(escaped(f"ALTER TABLE {table} DROP COLUMN {quote(column.name)}"),),
    )


@Operations.implementation_for(StatementsOp)
def _run(operations: Operations, operation: StatementsOp) -> None:
    for statement in operation.statements:
        operations.execute(statement)


@renderers.dispatch_for(StatementsOp)
def _render(context: AutogenContext, operation: StatementsOp) -> list[str]:
    prefix = context.opts.get("alembic_module_prefix") or "op."
    return [f"{prefix}execute({statement!r})" for statement in operation.statements]
