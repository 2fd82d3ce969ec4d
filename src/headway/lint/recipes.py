"""The safe way for each hazard, with the user's own names."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from headway.lint.deeds import Kind
from headway.lint.names import Name, quoted
from headway.lint.pen import listed, schema_of, text
from headway.lint.schema import default_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.lint import deeds
    from headway.lint.deeds import Constraint
    from headway.lint.pen import Pen

_BATCH = 5_000  # rows: a second or less of row locks on ordinary hardware
_KEPT = 58  # bytes of a name, so that a hash of four and what joins it make 63
_INDEX = re.compile(r"\bINDEX\b(?!\s+CONCURRENTLY\b)", re.IGNORECASE)


def create_index(pen: Pen, deed: deeds.CreateIndex, sql: str) -> str:
    """CREATE INDEX CONCURRENTLY."""
    made = without_if_not_exists(_INDEX.sub("INDEX CONCURRENTLY", sql, count=1))
    call = []
    if deed.plain and deed.name is not None:
        call = [index_call(deed.name.name, deed.table, deed.columns, unique=deed.unique)]
    return pen.online(made, calls=call)


def index_call(name: str, table: Name, columns: Sequence[str], *, unique: bool) -> str:
    """Alembic's operation that builds an index concurrently."""
    also = ", unique=True" if unique else ""
    said = f"{text(name)}, {text(table.name)}, {listed(columns)}{also}{schema_of(table)}"
    return f"op.create_index({said}, postgresql_concurrently=True)"


def without_if_not_exists(sql: str) -> str:
    """A statement that fails where the object is there already."""
    return re.sub(r"\s+IF\s+NOT\s+EXISTS\b", "", sql, count=1, flags=re.IGNORECASE)


def index_each_partition(pen: Pen, deed: deeds.CreateIndex) -> str:
    """An index of a partitioned table, one partition after the other."""
    name = deed.name.name if deed.name else f"ix_{deed.table.name}"
    columns = ", ".join(map(quoted, deed.columns)) or "…"
    unique = "UNIQUE " if deed.unique else ""
    first = pen.run(f"CREATE {unique}INDEX {quoted(name)} ON ONLY {deed.table.sql} ({columns})")
    part = f"{deed.table.name}_part"
    each = pen.online(
        f"CREATE {unique}INDEX CONCURRENTLY {quoted(f'{part}_ix')} ON {quoted(part)} ({columns})"
    )
    attach = pen.run(f"ALTER INDEX {quoted(name)} ATTACH PARTITION {quoted(f'{part}_ix')}")
    return f"{first}\n\n{pen.remark('then for each partition:')}\n{each}\n{attach}"


def drop_index(pen: Pen, name: Name, table: Name | None) -> str:
    """DROP INDEX CONCURRENTLY."""
    where = f", table_name={text(table.name)}" if table else ""
    call = f"op.drop_index({text(name.name)}{where}{schema_of(name)}, postgresql_concurrently=True)"
    return pen.online(f"DROP INDEX CONCURRENTLY {name.sql}", calls=[call])


def add_check(pen: Pen, table: Name, made: Constraint) -> str:
    """A CHECK that is validated later."""
    name = made.name or default_name(table, made)
    condition = made.condition.text if made.condition else ""
    first = (
        f"op.create_check_constraint({text(name)}, {text(table.name)}, {text(condition)}{schema_of(table)}, "
        "postgresql_not_valid=True)"
        if pen.python
        else f"ALTER TABLE {table.sql} ADD CONSTRAINT {quoted(name)} {made.text} NOT VALID;"
    )
    return pen.second(first, pen.validated(table, name))


def add_foreign_key(pen: Pen, table: Name, made: Constraint) -> str:
    """A foreign key that is validated later."""
    name = made.name or default_name(table, made)
    theirs = made.refers or Name("")
    first = (
        f"op.create_foreign_key({text(name)}, {text(table.name)}, {text(theirs.name)}, "
        f"{listed(made.columns)}, "
        f"{listed(made.refers_columns or ('id',))}{schema_of(table, 'source_schema')}"
        f"{schema_of(theirs, 'referent_schema')}, postgresql_not_valid=True)"
        if pen.python
        else f"ALTER TABLE {table.sql} ADD CONSTRAINT {quoted(name)} {made.text} NOT VALID;"
    )
    return pen.second(first, pen.validated(table, name))


def key_using_index(pen: Pen, table: Name, made: Constraint) -> str:
    """A UNIQUE or PRIMARY KEY constraint upon an index that was built concurrently."""
    name = made.name or default_name(table, made)
    columns = ", ".join(map(quoted, made.columns))
    build = pen.online(
        f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(name)} ON {table.sql} ({columns})",
        calls=[index_call(name, table, made.columns, unique=True)],
    )
    needs = "" if made.kind is Kind.UNIQUE else f"{pen.remark('its columns must be NOT NULL by then')}\n"
    add = pen.run(
        f"ALTER TABLE {table.sql} ADD CONSTRAINT {quoted(name)} {made.kind.value} USING INDEX {quoted(name)}"
    )
    return pen.second(build, needs + add)


def set_not_null(pen: Pen, table: Name, column: str) -> str:
    """SET NOT NULL that need not read the table under its lock."""
    proof = quoted(f"{table.name}_{column}_not_null")
    alter = f"ALTER TABLE {table.sql}"
    return pen.stepwise(
        f"{alter} ADD CONSTRAINT {proof} CHECK ({quoted(column)} IS NOT NULL) NOT VALID",
        f"{alter} VALIDATE CONSTRAINT {proof}",
        f"{alter} ALTER COLUMN {quoted(column)} SET NOT NULL",
        f"{alter} DROP CONSTRAINT {proof}",
        calls=[f"headway.op.set_not_null({text(table.name)}, {text(column)}{schema_of(table)})"],
        imports="import headway.op",
    )


def batches(pen: Pen, statement: str) -> str:
    """A change of rows, some at a time; ``statement`` ends before its limit."""
    some = f"{statement} LIMIT {_BATCH})"
    if not pen.python:
        return f"{pen.remark('again and again, each time by itself, until no row is changed:')}\n{some};"
    return pen.stepwise(
        calls=[f"while op.get_bind().execute(sa.text({text(some)})).rowcount:", "    pass"],
        imports="import sqlalchemy as sa",
    )


def fill(pen: Pen, table: Name, column: str, value: str) -> str:
    """A column filled some rows at a time."""
    return batches(
        pen,
        f"UPDATE {table.sql} SET {quoted(column)} = {value} WHERE ctid IN "
        f"(SELECT ctid FROM {table.sql} WHERE {quoted(column)} IS NULL",
    )


def add_column_plain(pen: Pen, table: Name, column: deeds.Column) -> str:
    """The same column with nothing that has to be computed or checked."""
    return pen.run(f"ALTER TABLE {table.sql} ADD COLUMN {quoted(column.name)} {_plain(column)}")


def _plain(column: deeds.Column) -> str:
    spelled = {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}
    return spelled.get(column.type.text, column.type.text)


def add_column_with_default(pen: Pen, table: Name, column: deeds.Column) -> str:
    """A volatile default, for new rows first and for the old ones in batches."""
    value = column.default.text if column.default else f"nextval('{table.name}_{column.name}_seq')"
    default = pen.run(f"ALTER TABLE {table.sql} ALTER COLUMN {quoted(column.name)} SET DEFAULT {value}")
    first = f"{add_column_plain(pen, table, column)}\n{default}"
    if column.default is None:
        sequence = f"CREATE SEQUENCE {quoted(f'{table.name}_{column.name}_seq')}"
        first = f"{pen.run(sequence)}\n{first}"
    return pen.second(first, fill(pen, table, column.name, value))


def add_identity(pen: Pen, table: Name, column: deeds.Column) -> str:
    """An identity column: an ordinary one with a sequence first, and made what it is to be at the end."""
    bare = f"{table.name}_{column.name}_fill"
    sequence, value = quoted(bare), f"nextval('{quoted(bare)}')"
    alter = f"ALTER TABLE {table.sql} ALTER COLUMN {quoted(column.name)}"
    begun = pen.run(f"CREATE SEQUENCE {sequence}")
    default = pen.run(f"{alter} SET DEFAULT {value}")
    first = f"{begun}\n{add_column_plain(pen, table, column)}\n{default}"
    own = f"pg_get_serial_sequence('{table.sql}', '{column.name}')"
    last = pen.run(
        f"{alter} DROP DEFAULT",
        f"{alter} ADD GENERATED BY DEFAULT AS IDENTITY",
        f"SELECT setval({own}, {value})",
        f"DROP SEQUENCE {sequence}",
    )
    return (
        f"{pen.second(first, fill(pen, table, column.name, value))}\n\n{pen.remark('in a third one:')}\n"
        f"{set_not_null(pen, table, column.name)}\n\n{pen.remark('and in a last one:')}\n{last}"
    )


def change_type(pen: Pen, table: Name, column: str, type_: str) -> str:
    """A second column of the new type that takes the place of the first."""
    new = f"{column}_new"
    first = pen.run(f"ALTER TABLE {table.sql} ADD COLUMN {quoted(new)} {type_}")
    said = pen.remark(f"let the application write {column} and {new}; then, in a second revision:")
    filled = fill(pen, table, new, f"{quoted(column)}::{type_}")
    last = pen.remark(f"let the application read {new} alone, and drop {column} in a later revision")
    return f"{first}\n\n{said}\n{filled}\n\n{last}"


def attach(pen: Pen, partition: Name) -> str:
    """A CHECK that proves the bounds, validated beforehand."""
    proof = f"{partition.name}_bounds"
    alter = f"ALTER TABLE {partition.sql}"
    first = pen.run(f"{alter} ADD CONSTRAINT {quoted(proof)} CHECK (… the partition's bounds …) NOT VALID")
    then = pen.validated(partition, proof)
    last = pen.remark("ATTACH PARTITION in a third revision need not read it; drop the CHECK afterwards")
    return f"{pen.second(first, then)}\n\n{last}"


def partition(pen: Pen, parent: Name, name: Name) -> str:
    """A partition made apart and attached."""
    return (
        pen.run(f"CREATE TABLE {name.sql} (LIKE {parent.sql} INCLUDING ALL)")
        + "\n"
        + pen.run(f"ALTER TABLE {parent.sql} ATTACH PARTITION {name.sql} FOR VALUES …")
    )


def detach(pen: Pen, parent: Name, partition_: Name) -> str:
    """DETACH PARTITION CONCURRENTLY."""
    return pen.online(f"ALTER TABLE {parent.sql} DETACH PARTITION {partition_.sql} CONCURRENTLY")


def alone(pen: Pen, what: str) -> str:
    """A revision that does one thing, and soon gives up waiting."""
    if not pen.python:
        return f"-- headway: lock_timeout=200ms\n-- in a revision of its own:\n{what};"
    return f'# a revision of its own:\nlock_timeout = "200ms"\n\n\ndef upgrade() -> None:\n    {_call(what)}'


def _call(what: str) -> str:
    return f"op.execute({text(what)})"


def allow(pen: Pen, rule: str, reason: str) -> str:
    """The comment that lets a rule pass."""
    return pen.remark(f"headway: allow {rule}: {reason}")


def shortened(name: str) -> str:
    """A name that fits, told apart from others by a hash, as SQLAlchemy shortens its own."""
    mark = hashlib.sha256(name.encode()).hexdigest()[:4]
    return f"{name.encode()[:_KEPT].decode(errors='ignore')}_{mark}"
