"""Changes of what something else depends on: the files run, both ways, and nothing upon it is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import Migrator, StepFailedError
from round_trip import catalogue

if TYPE_CHECKING:
    from typing import LiteralString

    from conftest import ProjectFolder

HEAD = """
import sqlalchemy as sa
metadata = sa.MetaData({metadata})
def table(name, *items, **options):
    sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), *items, **options)
"""
BEFORE = """
table("labelled", sa.Column("s", sa.Enum("a", "b", name="grown")),
    sa.CheckConstraint("s <> 'a'", name="ck"), sa.CheckConstraint("s <> 'a'", name="stays"),
    sa.Index("ix", "s", postgresql_where=sa.text("s = 'a'")),
    sa.Index("ix_stays", "id", postgresql_where=sa.text("s = 'a'")))
table("shrinking", sa.Column("s", sa.Enum("a", "b", "c", name="shrunk")),
    sa.Column("n", sa.Integer, sa.Computed("CASE WHEN s = 'a' THEN 1 END", persisted=True)),
    sa.CheckConstraint("s <> 'a'", name="still"),
    sa.Index("still_ix", "id", postgresql_where=sa.text("s = 'a'")))
table("typed", sa.Column("s", sa.Text, server_default="a"), sa.CheckConstraint("s <> 'b'", name="not_b"),
    sa.Index("typed_ix", "id", postgresql_where=sa.text("s = 'a'")))
table("keys", sa.Column("x", sa.Integer, nullable=False, autoincrement=False),
    sa.Column("code", sa.Integer), sa.UniqueConstraint("code", name="uq_code"))
table("pointing", sa.Column("key", sa.ForeignKey("keys.id")), sa.Column("code", sa.ForeignKey("keys.code")))
table("computed", sa.Column("a", sa.Integer),
    sa.Column("b", sa.Integer, sa.Computed("a * 2", persisted=True), sa.ForeignKey("labelled.id"),
        index=True, unique=True, comment="it's :b"))
table("plain", sa.Column("a", sa.Integer),
    sa.Column("b", sa.Integer, sa.Computed("a * 2", persisted=True), sa.ForeignKey("labelled.id"),
        index=True, comment="it's :b"),
    sa.CheckConstraint("b > 0", name="positive"), sa.UniqueConstraint("b", name="uq_b"))
table("quick", prefixes=["UNLOGGED"])
sa.Table("parts", metadata, sa.Column("at", sa.Date, primary_key=True), postgresql_partition_by="RANGE (at)")
"""
AFTER = """
table("labelled", sa.Column("s", sa.Enum("a", "b", "c", name="grown")),
    sa.CheckConstraint("s <> 'c'::grown", name="ck"), sa.CheckConstraint("s <> 'a'", name="stays"),
    sa.Index("ix", "s", postgresql_where=sa.text("s = 'c'")),
    sa.Index("ix_stays", "id", postgresql_where=sa.text("s = 'a'")))
table("shrinking", sa.Column("s", sa.Enum("a", "b", name="shrunk")),
    sa.Column("n", sa.Integer, sa.Computed("CASE WHEN s = 'a' THEN 1 END", persisted=True)),
    sa.CheckConstraint("s <> 'a'", name="still"),
    sa.Index("still_ix", "id", postgresql_where=sa.text("s = 'a'")))
table("typed", sa.Column("s", sa.Enum("a", "b", name="Of Words"), server_default="a"),
    sa.CheckConstraint("s <> 'b'", name="not_b"),
    sa.Index("typed_ix", "id", postgresql_where=sa.text("s = 'a'")))
table("keys", sa.Column("x", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("code", sa.Integer), sa.UniqueConstraint("id", name="uq_id"),
    sa.UniqueConstraint("code", name="uq_code", postgresql_nulls_not_distinct=True))
table("pointing", sa.Column("key", sa.ForeignKey("keys.id")), sa.Column("code", sa.ForeignKey("keys.code")))
table("computed", sa.Column("a", sa.BigInteger),
    sa.Column("b", sa.Integer, sa.Computed("a * 2", persisted=True), sa.ForeignKey("labelled.id"),
        index=True, unique=True, comment="it's :b"))
table("plain", sa.Column("a", sa.Integer),
    sa.Column("b", sa.Integer, sa.ForeignKey("labelled.id"), index=True, comment="it's :b"),
    sa.CheckConstraint("b > 0", name="positive"), sa.UniqueConstraint("b", name="uq_b"))
"""
ROWS = """
INSERT INTO labelled (id, s) VALUES (4, 'b');
INSERT INTO shrinking (s) VALUES ('b');
INSERT INTO typed (s) VALUES ('a');
INSERT INTO keys (x, code) VALUES (1, 5);
INSERT INTO pointing (key, code) VALUES (1, 5);
INSERT INTO computed (a) VALUES (2);
INSERT INTO plain (a) VALUES (2);
"""


def _migrator(project: ProjectFolder, url: str, body: str, metadata: str = "") -> Migrator:
    """A migrator of its own for each set of models: one reads them once."""
    project.env("metadata", HEAD.format(metadata=metadata) + body)
    return Migrator(project.ini, url=url)


async def _first(migrator: Migrator, url: str, rows: LiteralString) -> str:
    """The first revision, applied, and rows; returns where to go back to."""
    async with migrator:
        await migrator.revision("first", autogenerate=True)
    async with migrator:
        await migrator.upgrade()
        [head] = await migrator.current()
    with psycopg.connect(url) as connection:
        connection.execute(rows)
    return head.revision


@pytest.mark.asyncio
async def test_what_depends_on_a_change_is_there_after_it_and_after_the_way_back(
    project: ProjectFolder, database_url: str
) -> None:
    first = await _first(_migrator(project, database_url, BEFORE), database_url, ROWS)
    before = catalogue(database_url)
    async with _migrator(project, database_url, AFTER) as migrator:
        assert (await migrator.revision("second", autogenerate=True)).paths
    async with _migrator(project, database_url, AFTER) as migrator:
        await migrator.upgrade()
        assert (await migrator.check()).differences == ()
        after = catalogue(database_url)
        with psycopg.connect(database_url) as connection:
            query = "SELECT b FROM computed UNION ALL SELECT b FROM plain"
            assert connection.execute(query).fetchall() == [(4,), (4,)]
        await migrator.downgrade(first)
        assert catalogue(database_url) == before
        await migrator.upgrade()
        assert catalogue(database_url) == after


LABELLED = """
labels = sa.Enum({}, name="e")
table("t", sa.Column("s", labels), sa.Column("ss", sa.ARRAY(labels)))
"""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("column", "rows"),
    [("s", "INSERT INTO t (s) VALUES ('b')"), ("ss", "INSERT INTO t (ss) VALUES ('{b}')")],
)
async def test_a_label_does_not_go_while_a_row_holds_it(
    project: ProjectFolder, database_url: str, column: str, rows: LiteralString
) -> None:
    await _first(_migrator(project, database_url, LABELLED.format('"a", "b"')), database_url, rows)
    migrator = _migrator(project, database_url, LABELLED.format('"a", "d"'))
    report = await migrator.revision("second", autogenerate=True)
    assert "Or was 'b' renamed to 'd'?" in report.paths[0].read_text()
    with pytest.raises(StepFailedError, match=rf"t\.{column} holds 'b'"):
        await _migrator(project, database_url, LABELLED.format('"a", "d"')).upgrade()


NAMING_ITS_SCHEMA = """
table("p")
key = sa.ForeignKey("public.p.id", {}, initially="DEFERRED", deferrable=True)
table("c", sa.Column("p", sa.Integer, key))
"""


@pytest.mark.asyncio
async def test_foreign_keys_of_models_that_name_the_default_schema_are_no_difference(
    project: ProjectFolder, database_url: str
) -> None:
    def models(action: str) -> Migrator:
        return _migrator(project, database_url, NAMING_ITS_SCHEMA.format(action), "schema='public'")

    await _first(models("ondelete='CASCADE'"), database_url, "")
    assert (await models("ondelete='CASCADE'").check()).differences == ()
    report = await models("ondelete='SET NULL'").revision("other", autogenerate=True)
    assert "ondelete='SET NULL'" in report.paths[0].read_text()
