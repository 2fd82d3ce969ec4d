"""Changes of where a column's values come from, which Alembic warns about, ignores or writes wrongly.

What is emitted, into the table's ModifyTableOps:

- another expression: ``SET EXPRESSION`` (PostgreSQL 17; 18 for a virtual column) as a StatementsOp, else a
  DropColumnOp and an AddColumnOp of the whole column, with no AlterColumnOp for it beside them;
- a column that is computed no longer: ``DROP EXPRESSION`` as a StatementsOp, which keeps its values, and then
  its default; a virtual one has none to keep and is dropped and added;
- one that is computed now: a DropColumnOp and an AddColumnOp;
- a serial of another type: ``ALTER SEQUENCE … AS`` beside the AlterColumnOp, or a bigint's counter would end
  where an integer's does;
- other options of an identity: one StatementsOp that sets those;
- identity, serial and default, in any change: one operation that takes the old away, and one that sets the
  new (AlterColumnOp of ``server_default`` for a default, StatementsOp for the others) and moves the counter
  to the last of the values that are there. They depend on their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from alembic.util import PriorityDispatchResult

from headway.autogenerate.columns import Source, source_of
from headway.autogenerate.comparison import comparison_of
from headway.autogenerate.definitions import columns_in
from headway.autogenerate.identities import COUNTABLE, identity_change, identity_sql
from headway.autogenerate.modelenums import enum_in
from headway.autogenerate.statements import StatementsOp, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy import Column, Table

    from headway import catalogue
    from headway.autogenerate.comparison import Comparison, Pair, TableKey

_SET_EXPRESSION = {"s": (17,), "v": (18,)}
"""The releases that change the expression of a stored column, and of a virtual one (their notes)."""


def compare_generation(
    context: AutogenContext,
    modify: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    inspected_table: Table | None,
    modelled_table: Table | None,
) -> PriorityDispatchResult:
    """Emit what the comparison of columns left to this one."""
    comparison = comparison_of(context)
    key = (schema, name)
    if comparison is None or inspected_table is None or modelled_table is None:
        return PriorityDispatchResult.CONTINUE
    changed = {
        inspected.name: (inspected, modelled) for inspected, modelled in comparison.regenerated.pop(key, [])
    }
    standing = _standing_on(comparison, key, _retyped(comparison, modify, modelled_table))
    changed |= {column: (inspected_table.c[column], modelled_table.c[column]) for column in standing}
    for inspected, modelled in changed.values():
        both = comparison.columns(key, inspected.name)
        if both is None:
            continue
        change = Change(context, schema, name, inspected, modelled, *both, anew=inspected.name in standing)
        found = list(change.operations())
        if any(_replaces(operation) for operation in found):
            comparison.replaced.setdefault(key, set()).add(inspected.name)
        if any(isinstance(operation, ops.DropColumnOp) for operation in found):
            modify.ops = [operation for operation in modify.ops if not _alters(operation, inspected.name)]
        modify.ops.extend(found)
    if pair := comparison.pairs.get(key):
        modify.ops.extend(_sequences_of_other_types(context, schema, name, pair))
    return PriorityDispatchResult.CONTINUE


def _sequences_of_other_types(
    context: AutogenContext, schema: str | None, table: str, pair: Pair
) -> Iterator[StatementsOp]:
    quote = context.dialect.identifier_preparer.quote
    for column in pair.actual.columns:
        _, wanted = pair.column(column.name) or (column, column)
        types = {column.type, wanted.type}
        if column.serial and wanted.serial and len(types) > 1 and types <= COUNTABLE.keys():
            sequence = escaped(".".join(map(quote, column.serial)))
            yield StatementsOp(
                table,
                column.name,
                schema=schema,
                what=f"sequence of {column.name}: {column.type} to {wanted.type}",
                statements=(f"ALTER SEQUENCE {sequence} AS {wanted.type}",),
                undo=(f"ALTER SEQUENCE {sequence} AS {column.type}",),
            )


def _retyped(comparison: Comparison, modify: ops.ModifyTableOps, modelled: Table) -> frozenset[str]:
    """The columns whose type changes, those of an enum that loses labels among them."""
    retyped = {
        operation.column_name
        for operation in modify.ops
        if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None
    }
    for column in modelled.columns:
        enum = enum_in(column.type)
        types = comparison.actual.enums.values() if enum else ()
        retyped |= {
            column.name
            for found in types
            if enum and found.name == enum.name and set(found.labels) - set(enum.enums)
        }
    return frozenset(retyped)


def _standing_on(comparison: Comparison, key: TableKey, retyped: frozenset[str]) -> frozenset[str]:
    """The computed columns that use one of ``retyped``: PostgreSQL changes no type under them."""
    pair = comparison.pairs.get(key)
    return frozenset(
        column.name
        for column in (pair.actual.columns if pair and retyped else ())
        if pair
        and (both := pair.column(column.name))
        and all(side.generated for side in both)
        and retyped & columns_in(pair.actual, (), column.expression or "")
    )


def _replaces(operation: MigrateOperation) -> bool:
    """Whether a column is dropped and added, now or by the way back."""
    return isinstance(operation, ops.DropColumnOp) or (
        isinstance(operation, StatementsOp) and operation.reverse().replaces
    )


def _alters(operation: MigrateOperation, column: str) -> bool:
    return isinstance(operation, ops.AlterColumnOp) and operation.column_name == column


class Change:
    """One column's change of source.

    Args:
        context: Alembic's.
        schema: of the table, as Alembic has it.
        table: its name.
        inspected: the column in the database, as Alembic has it.
        modelled: the column of the models.
        actual: the former as PostgreSQL spells it.
        wanted: the latter.
        anew: its expression cannot stay where it is, even when it does not change.
    """

    def __init__(
        self,
        context: AutogenContext,
        schema: str | None,
        table: str,
        inspected: Column[Any],
        modelled: Column[Any],
        actual: catalogue.Column,
        wanted: catalogue.Column,
        *,
        anew: bool = False,
    ) -> None:
        self._anew = anew
        self._version = context.dialect.server_version_info or ()
        self._schema, self._table = schema, table
        self._inspected, self._modelled = inspected, modelled
        self._actual, self._wanted = actual, wanted
        preparer = context.dialect.identifier_preparer
        self._of = preparer.format_table(inspected.table)
        self._at = preparer.quote(actual.name)
        self._quote = preparer.quote

    def operations(self) -> Iterator[MigrateOperation]:
        """What makes the database's column the model's."""
        before, after = source_of(self._actual), source_of(self._wanted)
        if before is after is Source.IDENTITY:
            yield self._identity_options()
        elif after is Source.COMPUTED:
            if self._may_set_expression():
                yield self._set_expression()
            else:
                yield from self._replace()
        elif before is Source.COMPUTED and self._actual.generated == "v":
            yield from self._replace()
        else:
            yield from self._leave(before)
            yield from self._enter(after)

    def _may_set_expression(self) -> bool:
        kind = self._actual.generated
        since = _SET_EXPRESSION.get(kind)
        same = (kind, self._actual.type) == (self._wanted.generated, self._wanted.type)
        return not self._anew and since is not None and same and self._version >= since

    def _set_expression(self) -> StatementsOp:
        change = f"ALTER TABLE {self._of} ALTER COLUMN {self._at} SET EXPRESSION AS"
        return self._statements(
            f"expression of {self._actual.name}: {self._actual.expression} to {self._wanted.expression}",
            (f"{change} ({self._wanted.expression})",),
            (f"{change} ({self._actual.expression})",),
        )

    def _replace(self) -> Iterator[MigrateOperation]:
        place = (self._schema, self._table)
        yield ops.DropColumnOp.from_column_and_tablename(*place, self._inspected)
        yield ops.AddColumnOp.from_column_and_tablename(*place, self._modelled)

    def _leave(self, source: Source) -> Iterator[MigrateOperation]:
        if source is Source.COMPUTED:
            yield self._drop_expression()
        elif source is Source.SERIAL:
            yield self._serial(self._actual.type, come=False)
        elif source is Source.IDENTITY:
            yield self._identity(self._actual, come=False)
            if self._wanted.nullable:  # which Alembic leaves out when a column is or was an identity
                yield self._alter(existing_nullable=False, modify_nullable=True)
        elif self._actual.default is not None:
            yield self._default(self._inspected.server_default, None)

    def _enter(self, source: Source) -> Iterator[MigrateOperation]:
        if source is Source.SERIAL:
            yield self._serial(self._wanted.type, come=True)
        elif source is Source.IDENTITY:
            if self._actual.nullable:
                yield self._alter(existing_nullable=True, modify_nullable=False)
            yield self._identity(self._wanted, come=True)
        elif self._wanted.default is not None:
            yield self._default(None, self._modelled.server_default)

    def _default(self, before: Any, after: Any) -> ops.AlterColumnOp:
        return self._alter(
            existing_server_default=before,
            modify_server_default=after,
            existing_nullable=self._actual.nullable,
        )

    def _alter(self, **change: Any) -> ops.AlterColumnOp:
        return ops.AlterColumnOp(
            self._table,
            self._actual.name,
            schema=self._schema,
            existing_type=self._inspected.type,
            **change,
        )

    def _drop_expression(self) -> StatementsOp:
        # There is no way back but a new column: nothing makes an existing one computed.
        column = f"ALTER TABLE {self._of}"
        comment = (self._actual.comment or "").replace("'", "''")
        said = (f"COMMENT ON COLUMN {self._of}.{self._at} IS '{comment}'",) if comment else ()
        return self._statements(
            f"expression of {self._actual.name}: {self._actual.expression} to none",
            (f"{column} ALTER COLUMN {self._at} DROP EXPRESSION",),
            (
                f"{column} DROP COLUMN {self._at}",
                f"{column} ADD COLUMN {self._at} {self._actual.type} "
                f"GENERATED ALWAYS AS ({self._actual.expression}) STORED"
                + ("" if self._actual.nullable else " NOT NULL"),
                *said,
            ),
        )

    def _serial(self, type_: str, *, come: bool) -> StatementsOp:
        """The sequence that the column owns, as ``SERIAL`` makes it: it comes, or goes."""
        column = self._actual
        schema = self._quote(self._schema) + "." if self._schema else ""
        name = column.serial[1] if column.serial else f"{self._table}_{column.name}_seq"
        sequence = schema + self._quote(name)
        default = f"ALTER TABLE {self._of} ALTER COLUMN {self._at}"
        literal = sequence.replace("'", "''")
        make = (
            f"CREATE SEQUENCE {sequence} AS {_counting(type_)} OWNED BY {self._of}.{self._at}",
            f"{default} SET DEFAULT pg_catalog.nextval('{literal}')",
            self._counted(),
        )
        drop = (f"{default} DROP DEFAULT", f"DROP SEQUENCE {sequence}")
        what = f"sequence of {column.name}"
        return (
            self._statements(f"{what}: none to {name}", make, drop)
            if come
            else self._statements(f"{what}: {name} to none", drop, make)
        )

    def _identity(self, column: catalogue.Column, *, come: bool) -> StatementsOp:
        """``GENERATED … AS IDENTITY`` as ``column`` has it: it comes, or goes."""
        change = f"ALTER TABLE {self._of} ALTER COLUMN {self._at}"
        spelled = identity_sql(column)
        make = (f"{change} ADD {spelled}", self._counted(column.identity))
        drop = (f"{change} DROP IDENTITY",)
        what = f"identity of {column.name}"
        return (
            self._statements(f"{what}: none to {spelled}", make, drop)
            if come
            else self._statements(f"{what}: {spelled} to none", drop, make)
        )

    def _identity_options(self) -> StatementsOp:
        return self._statements(
            f"identity of {self._actual.name}: {identity_sql(self._actual)} to {identity_sql(self._wanted)}",
            self._options_set(self._actual, self._wanted),
            self._options_set(self._wanted, self._actual),
        )

    def _options_set(self, before: catalogue.Column, after: catalogue.Column) -> tuple[str, ...]:
        change, restarts = identity_change(before, after)
        set_ = f"ALTER TABLE {self._of} ALTER COLUMN {self._at} {change}"
        return (set_, self._counted(after.identity)) if restarts else (set_,)

    def _counted(self, identity: catalogue.Identity | None = None) -> str:
        """Move the counter, which is at its start, to the last value that is there, if it is beyond that."""
        start, increment = (identity.start, identity.increment) if identity else (1, 1)
        table, column = (text.replace("'", "''") for text in (self._of, self._actual.name))
        last = f"pg_catalog.{'max' if increment > 0 else 'min'}({self._at})"
        return (
            f"SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence('{table}', '{column}'), "  # noqa: S608  # quoted; for the file
            f"CAST({last} AS bigint)) FROM {self._of} HAVING {last} {'>=' if increment > 0 else '<='} {start}"
        )

    def _statements(self, what: str, statements: tuple[str, ...], undo: tuple[str, ...]) -> StatementsOp:
        return StatementsOp(
            self._table,
            self._actual.name,
            schema=self._schema,
            what=what,
            statements=tuple(map(escaped, statements)),
            undo=tuple(map(escaped, undo)),
        )


def _counting(type_: str) -> str:
    return type_ if type_ in COUNTABLE else "bigint"
