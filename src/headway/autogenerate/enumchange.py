"""Labels that leave an enum type: not past rows that hold them, and with what is upon the type around it.

alembic-postgresql-enum makes the type anew and casts every column. PostgreSQL does not let it where a CHECK,
an exclusion, or the expression or predicate of an index uses the type.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alembic.operations import MigrateOperation, Operations, ops

from headway.autogenerate.destructions import dotted
from headway.autogenerate.literals import default_sql, literal
from headway.autogenerate.ordering import key_of
from headway.autogenerate.statements import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Dialect

    from headway.autogenerate.facts import Dependent, Facts
    from headway.autogenerate.operations import RefuseRowsOp


class EnumLabelsOp(MigrateOperation):
    """A change of labels with what must be done before and after it.

    It is known by the attributes of alembic-postgresql-enum's operation, as that one is.

    Args:
        operation: of alembic-postgresql-enum.
        guards: that stop where rows hold a label that goes.
        dependents: what uses the type in the database before the upgrade.
        elsewhere: the names of those that the same direction of the revision drops or makes by itself.
    """

    operation_name = "change_enum_variants"

    def __init__(
        self,
        operation: Any,
        guards: Sequence[RefuseRowsOp],
        dependents: Sequence[Dependent],
        elsewhere: frozenset[str],
    ) -> None:
        self.operation = operation
        self.schema, self.name = operation.schema, operation.name
        self.old_values, self.new_values = operation.old_values, operation.new_values
        self.guards = guards
        self._dependents = dependents
        self.elsewhere = elsewhere

    @property
    def parts(self) -> Iterator[MigrateOperation]:
        """All of it, in order."""
        around = [found for found in self._dependents if found.name not in self.elsewhere]
        yield from self.guards
        yield from (_executed(found.drop) for found in around)
        self.operation.indexes_to_recreate = []
        yield self.operation
        yield from (_executed(found.create) for found in around)

    @property
    def remarks(self) -> tuple[str, ...]:
        """That it may be one label renamed."""
        pairs = [(old, new) for old, new in zip(self.old_values, self.new_values, strict=False) if old != new]
        if len(self.old_values) != len(self.new_values) or len(pairs) != 1:
            return ()
        old, new = map(literal, pairs[0])
        change = f"ALTER TYPE {self.name} RENAME VALUE {old} TO {new}"
        return (f"Or was {old} renamed to {new}? {change}, in place of this, keeps the rows that hold it.",)

    def to_diff_tuple(self) -> Any:
        """As ``alembic check`` shows it."""
        return self.operation.to_diff_tuple()


def _executed(statement: str) -> ops.ExecuteSQLOp:
    return ops.ExecuteSQLOp(escaped(statement))


def labels_changed(
    operation: Any, among: Sequence[MigrateOperation], facts: Facts, guard: Callable[..., RefuseRowsOp]
) -> EnumLabelsOp:
    """A change of an enum's labels that stops at rows which hold one that goes.

    Args:
        operation: alembic-postgresql-enum's.
        among: all operations of its direction.
        facts: of the database.
        guard: what stops at rows.
    """
    usual = facts.dialect.default_schema_name
    gone = [label for label in operation.old_values if label not in operation.new_values]
    shown = ", ".join(map(repr, gone))
    guards = [
        guard(
            column.table_name,
            because=f"{dotted(column.table_name, column.column_name)} holds {shown}, which enum "
            f"{operation.name} is to have no longer: change or delete those rows first.",
            where=_condition(column, gone, facts.dialect),
            schema=None if column.table_schema == usual else column.table_schema,
        )
        for column in operation.affected_columns
        if gone
    ]
    _give_defaults(operation, among, usual)
    dependents = facts.upon_enum(operation.schema or usual or "public", operation.name)
    return EnumLabelsOp(operation, guards, dependents, _handled(among))


def _give_defaults(operation: Any, among: Sequence[MigrateOperation], usual: str | None) -> None:
    """Tell a change of labels the default that each of its columns is to have after it."""
    after = {
        (key_of(other), other.column_name): default_sql(other.modify_server_default)
        for other in among
        if isinstance(other, ops.AlterColumnOp) and other.modify_server_default is not False
    }
    operation.affected_columns = [
        replace(
            column,
            existing_server_default=after.get(
                (
                    (None if column.table_schema == usual else column.table_schema, column.table_name),
                    column.column_name,
                ),
                default_sql(column.existing_server_default),
            ),
        )
        for column in operation.affected_columns
    ]


def _handled(among: Sequence[MigrateOperation]) -> frozenset[str]:
    """The constraints and indexes that operations drop or make by themselves."""
    return frozenset(
        str(name)
        for operation in among
        for attribute in ("constraint_name", "index_name")
        if (name := getattr(operation, attribute, None))
    )


def _condition(column: Any, labels: Sequence[str], dialect: Dialect) -> str:
    """Which rows hold one of some labels, in a column or in an array."""
    quoted = dialect.identifier_preparer.quote(column.column_name)
    listed = ", ".join(map(literal, labels))
    if column.column_type.name == "ARRAY":
        return f"{quoted}::text[] && ARRAY[{listed}]"
    return f"{quoted}::text IN ({listed})"


@Operations.implementation_for(EnumLabelsOp)
def _run(operations: Operations, operation: EnumLabelsOp) -> None:
    for part in operation.parts:
        operations.invoke(part)
