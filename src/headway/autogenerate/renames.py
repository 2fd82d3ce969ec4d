"""Columns and tables that were probably renamed: one gone, one come, and of one type."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic.operations import ops

from headway.autogenerate.destructions import dotted
from headway.autogenerate.ordering import key_of
from headway.errors import ConfigurationError
from headway.results import Rename

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import sqlalchemy as sa
    from alembic.operations import MigrateOperation

    from headway.autogenerate.ordering import TableKey

OPTION = "headway_renames"
"""Under this name the options of a migration context hold the `Decisions` on renames."""


@dataclass(slots=True)
class Decisions:
    """What was decided on renames, and what could not be.

    Attributes:
        taken: those to write as renames; ``None`` when nobody was asked, and every probable one is flagged.
        open: the probable ones that were flagged; filled in while the files are made.
    """

    taken: tuple[Rename, ...] | None = None
    open: list[Rename] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A column that went and one that came."""

    gone: ops.DropColumnOp
    come: ops.AddColumnOp

    @property
    def rename(self) -> Rename:
        table = key_of(self.gone)
        return Rename(dotted(*table, self.gone.column_name), dotted(*table, self.come.column.name))


def probable(operations: Sequence[MigrateOperation], sql_of: Callable[[Any], str]) -> tuple[Rename, ...]:
    """The renames of columns that operations, flat ones, may mean; empty as a rule.

    Where several columns of one type went or came in a table, nobody can tell which is which, and none is
    named.
    """
    return tuple(pair.rename for pair in _pairs(operations) if _alike(pair, operations, sql_of))


def probable_tables(
    operations: Sequence[MigrateOperation], sql_of: Callable[[Any], str]
) -> tuple[Rename, ...]:
    """Tables that are gone while one with the same columns, and no other, has come to their schema."""
    gone = [_shape(operation, sql_of) for operation in operations if _is(operation, ops.DropTableOp)]
    come = [_shape(operation, sql_of) for operation in operations if _is(operation, ops.CreateTableOp)]
    return tuple(
        Rename(dotted(schema, old), dotted(schema, new))
        for schema, old, columns in gone
        for other, new, wanted in come
        if (schema, columns) == (other, wanted)
        and [columns for *_, columns in gone].count(columns) == 1
        and [columns for *_, columns in come].count(columns) == 1
    )


def _is(operation: MigrateOperation, class_: type[MigrateOperation]) -> bool:
    return isinstance(operation, class_)


def _shape(
    operation: Any, sql_of: Callable[[Any], str]
) -> tuple[str | None, str, frozenset[tuple[str, str]]]:
    columns = operation.to_table().columns
    return operation.schema, operation.table_name, frozenset((str(c.name), sql_of(c.type)) for c in columns)


def _alike(pair: _Pair, operations: Sequence[MigrateOperation], sql_of: Callable[[Any], str]) -> bool:
    """Whether the two are of one type, and the only ones of it that went from and came to their table."""
    type_ = sql_of(pair.come.column.type)
    rivals = [other for other in _pairs(operations) if key_of(other.gone) == key_of(pair.gone)]
    gone = {other.gone.column_name for other in rivals if sql_of(other.gone.to_column().type) == type_}
    come = {other.come.column.name for other in rivals if sql_of(other.come.column.type) == type_}
    return gone == {pair.gone.column_name} and come == {pair.come.column.name}


def _pairs(operations: Iterable[MigrateOperation]) -> list[_Pair]:
    gone: dict[TableKey, list[ops.DropColumnOp]] = defaultdict(list)
    come: dict[TableKey, list[ops.AddColumnOp]] = defaultdict(list)
    for operation in operations:
        if isinstance(operation, ops.DropColumnOp):
            gone[key_of(operation)].append(operation)
        elif isinstance(operation, ops.AddColumnOp):
            come[key_of(operation)].append(operation)
    return [
        _Pair(left, right)
        for table, columns in gone.items()
        for left in columns
        for right in come.get(table, ())
        if not _generated(left.to_column()) and not _generated(right.column)
    ]


def _generated(column: sa.Column[Any]) -> bool:
    return column.computed is not None or column.identity is not None


def renamed(
    up: list[MigrateOperation],
    down: list[MigrateOperation],
    renames: Iterable[Rename],
    sql_of: Callable[[Any], str],
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    """Both directions with columns renamed in place of dropped and added.

    Raises:
        ConfigurationError: the models and the database do not differ by such a rename.
    """
    for rename in renames:
        back = Rename(rename.new, rename.old)
        up, down = _with(up, rename, sql_of), _with(down, back, sql_of)
    return up, down


def _with(
    operations: list[MigrateOperation], rename: Rename, sql_of: Callable[[Any], str]
) -> list[MigrateOperation]:
    pair = next((pair for pair in _pairs(operations) if pair.rename == rename), None)
    if pair is None:
        known = ", ".join(str(pair.rename) for pair in _pairs(operations))
        raise ConfigurationError(
            "--rename",
            f"{rename}: it is not so that the first went from the models and the second came to them"
            + (f"; that can be said of {known}" if known else ""),
            example="--rename users.mail=users.email",
        )
    kept = [operation for operation in operations if operation not in (pair.gone, pair.come)]
    return [*_Followed(pair).of(kept), *_as_rename(pair, sql_of)]


def _as_rename(pair: _Pair, sql_of: Callable[[Any], str]) -> list[MigrateOperation]:
    """The rename, and what differs between the columns besides their names."""
    old, new = pair.gone.to_column(), pair.come.column
    table, schema = pair.gone.table_name, pair.gone.schema
    there: dict[str, Any] = {
        "schema": schema,
        "existing_type": old.type,
        "existing_nullable": old.nullable,
        "existing_server_default": old.server_default,
        "existing_comment": old.comment,
    }
    changes: list[dict[str, Any]] = []
    if sql_of(old.type) != sql_of(new.type):
        changes.append({"modify_type": new.type})
    if old.nullable is not new.nullable:
        changes.append({"modify_nullable": new.nullable})
    if old.server_default is not None or new.server_default is not None:
        changes.append({"modify_server_default": new.server_default})
    if old.comment != new.comment:
        changes.append({"modify_comment": new.comment})
    return [
        ops.AlterColumnOp(table, old.name, modify_name=new.name, **there),
        *(ops.AlterColumnOp(table, new.name, **there, **change) for change in changes),
    ]


class _Followed:
    """What PostgreSQL renames along with a column: keys and indexes that keep their own names."""

    def __init__(self, pair: _Pair) -> None:
        self._table = key_of(pair.gone)
        self._names = {str(pair.gone.column_name): str(pair.come.column.name)}

    def of(self, operations: list[MigrateOperation]) -> list[MigrateOperation]:
        """The operations without those that would drop something to make it again as it is."""
        drops = {self._signature(_undone(made), self._names): made for made in operations if _drops(made)}
        creates = {self._signature(made, {}): made for made in operations if not _drops(made)}
        both = (drops.keys() & creates.keys()) - {None}
        needless = [*(drops[signature] for signature in both), *(creates[signature] for signature in both)]
        return [operation for operation in operations if operation not in needless]

    def _signature(self, operation: MigrateOperation | None, names: dict[str, str]) -> Any:
        """What an operation makes, as its columns will be called; ``None`` when it is no key or index."""
        if isinstance(operation, ops.CreateIndexOp) and key_of(operation) == self._table:
            index = operation.to_index()
            columns = _called(index.expressions, names)
            options = sorted((name, str(value)) for name, value in index.dialect_kwargs.items())
            said = tuple(option for option in options if option[1] not in _NOTHING)
            return ("index", str(operation.index_name), columns, bool(index.unique), said)
        if isinstance(operation, ops.CreateForeignKeyOp):
            return self._of_reference(operation, names)
        if isinstance(operation, ops.CreatePrimaryKeyOp | ops.CreateUniqueConstraintOp):
            if key_of(operation) != self._table:
                return None
            columns = _called(operation.columns, names)
            return (type(operation).__name__, str(operation.constraint_name), columns)
        return None

    def _of_reference(self, operation: ops.CreateForeignKeyOp, names: dict[str, str]) -> Any:
        source = (operation.kw.get("source_schema"), str(operation.source_table))
        target = (operation.kw.get("referent_schema"), str(operation.referent_table))
        rules = [
            operation.kw.get(rule) for rule in ("onupdate", "ondelete", "deferrable", "initially", "match")
        ]
        return (
            source,
            str(operation.constraint_name),
            _called(operation.local_cols, names if source == self._table else {}),
            target,
            _called(operation.remote_cols, names if target == self._table else {}),
            *rules,
        )


_RULES = ("onupdate", "ondelete", "deferrable", "initially", "match")
_NOTHING = frozenset({"None", "False", "()", "[]", "{}"})


def _drops(operation: MigrateOperation) -> bool:
    return isinstance(operation, ops.DropIndexOp | ops.DropConstraintOp)


def _undone(operation: Any) -> MigrateOperation | None:
    """What made that which an operation drops; ``None`` when that is not known."""
    try:
        made: MigrateOperation = operation.reverse()
    except ValueError:
        return None
    return made


def _called(columns: Iterable[Any], names: dict[str, str]) -> tuple[str, ...]:
    found = [str(getattr(column, "name", column)) for column in columns]
    return tuple(names.get(name, name) for name in found)
