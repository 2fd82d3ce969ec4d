"""Operations told thing by thing, without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import MigrateOperation, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql as pg

from headway.alembic_bridge.differing import described
from headway.autogenerate.statements import StatementsOp
from headway.results import Change, Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

T = sa.Table(
    "t",
    sa.MetaData(schema="s"),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("a", sa.Integer),
    sa.Column("r", pg.INT4RANGE),
    sa.PrimaryKeyConstraint("id", name="pk"),
    sa.UniqueConstraint("a", name="uq"),
    sa.CheckConstraint("a > 0", name="ck"),
    pg.ExcludeConstraint(("r", "&&"), name="ex"),
    sa.ForeignKeyConstraint(["a"], ["s.t.id"], name="fk"),
    sa.Index("ix", "a"),
    comment="said",
)

ADDED, CHANGED, REMOVED = Change.ADDED, Change.CHANGED, Change.REMOVED


def parts(class_: type[Any]) -> Any:
    return next(constraint for constraint in T.constraints if isinstance(constraint, class_))


def operations() -> Iterator[tuple[MigrateOperation, tuple[Change, str, str | None]]]:
    """An operation of each class that a comparison makes, with its change, kind and name."""
    index = next(iter(T.indexes))
    yield ops.CreateTableOp.from_table(T), (ADDED, "table", None)
    yield ops.DropTableOp.from_table(T), (REMOVED, "table", None)
    yield ops.AddColumnOp.from_column(T.c.a), (ADDED, "column", "a")
    yield ops.DropColumnOp.from_column_and_tablename("s", "t", T.c.a), (REMOVED, "column", "a")
    yield ops.AlterColumnOp("t", "a", schema="s", modify_nullable=False), (CHANGED, "column", "a")
    yield ops.CreateIndexOp.from_index(index), (ADDED, "index", "ix")
    yield ops.DropIndexOp.from_index(index), (REMOVED, "index", "ix")
    for class_, made, kind in (
        (sa.PrimaryKeyConstraint, ops.CreatePrimaryKeyOp, "primary key"),
        (sa.UniqueConstraint, ops.CreateUniqueConstraintOp, "unique constraint"),
        (sa.CheckConstraint, ops.CreateCheckConstraintOp, "check constraint"),
        (sa.ForeignKeyConstraint, ops.CreateForeignKeyOp, "foreign key"),
        (pg.ExcludeConstraint, CreateExcludeConstraintOp, "exclusion constraint"),
    ):
        constraint = parts(class_)
        yield made.from_constraint(constraint), (ADDED, kind, constraint.name)
        yield ops.DropConstraintOp.from_constraint(constraint), (REMOVED, kind, constraint.name)
    nothing_known = ops.DropConstraintOp("ck", "t", type_="check", schema="s")
    yield nothing_known, (REMOVED, "check constraint", "ck")
    yield ops.CreateTableCommentOp("t", "said", schema="s"), (ADDED, "comment", None)
    yield ops.DropTableCommentOp("t", existing_comment="said", schema="s"), (REMOVED, "comment", None)
    statements = StatementsOp("t", "a", schema="s", what="a", statements=("SELECT 1",), undo=())
    yield statements, (CHANGED, "statements", None)


@pytest.mark.parametrize(
    ("operation", "told"),
    [pytest.param(*case, id=f"{type(case[0]).__name__} {case[1][1]}") for case in operations()],
)
def test_an_operation_of_each_class_is_told(
    operation: MigrateOperation, told: tuple[Change, str, str | None]
) -> None:
    context = MigrationContext.configure(dialect_name="postgresql")
    [found] = described(ops.UpgradeOps([ops.ModifyTableOps("t", [operation], schema="s")]), context)
    assert isinstance(found, Difference)
    assert (found.change, found.kind, found.name) == told
    assert (found.schema, found.table) == ("s", "t")
