"""What a downgrade destroys is told before it runs, however the revision writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from commandline import CommandLine
from headway import Direction, Migrator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import ProjectFolder
    from headway import Loss

pytestmark = pytest.mark.asyncio


async def _losses(project: ProjectFolder, url: str, downgrade: str, *setup: str) -> tuple[Loss, ...]:
    """What the downgrade of a revision would destroy on a database on which ``setup`` was run."""
    project.revision("r1", downgrade=downgrade)
    migrator = Migrator(project.ini, url=url)
    await migrator.upgrade()
    with psycopg.connect(url) as connection:
        for statement in setup:
            connection.execute(statement.encode())
    return await migrator.losses(await migrator.plan("base", direction=Direction.DOWNGRADE))


def _executing(sql: str) -> str:
    return f"op.execute({sql!r})"


@pytest.mark.parametrize(
    ("downgrade", "expected"),
    [
        ("op.drop_table('a')", [("table", "a")]),
        ("op.drop_table('a', schema='s')", [("table", "s.a")]),
        ("op.drop_column('a', 'n', schema='s')", [("column", "s.a.n")]),
        ("with op.batch_alter_table('a') as b: b.drop_column('n')", [("column", "a.n")]),
        ("op.drop_column('A b', 'N.m')", [("column", '"A b"."N.m"')]),
        ("op.execute(sa.delete(sa.table('a')))", [("statement", "DELETE FROM a")]),
        (
            "op.alter_column('a', 'n', existing_type=sa.Numeric(10, 2), type_=sa.Integer, schema='s')",
            [("type", "s.a.n from NUMERIC(10, 2) to INTEGER, which may round or cut its values")],
        ),
        ("op.get_context().impl.execute('DROP TABLE a')", [("table", "a")]),
        ("op.get_bind().execute(sa.text('DELETE FROM a'))", [("statement", "DELETE FROM a")]),
    ],
)
async def test_an_operation_that_destroys_data_is_a_loss(
    project: ProjectFolder, database_url: str, downgrade: str, expected: Sequence[tuple[str, str]]
) -> None:
    losses = await _losses(project, database_url, downgrade)
    assert [(loss.kind, loss.what) for loss in losses] == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("drop table if exists a, s . b cascade", [("table", "a"), ("table", "s.b")]),
        ("ALTER TABLE a DROP m", [("column", "a.m")]),
        (
            "ALTER TABLE IF EXISTS ONLY s.a ADD x int CHECK (x IN (1, 2)), DROP COLUMN IF EXISTS m, DROP n",
            [("column", "s.a.m"), ("column", "s.a.n")],
        ),
        ("/* why /* nested */ */ ALTER TABLE a -- DROP x\n DROP m", [("column", "a.m")]),
        ("SELECT 1; DROP TABLE a; SELECT 2", [("table", "a")]),
        ("INSERT INTO a VALUES ('it''s; ', E'\\'; ', $x$ ' $x$); DROP TABLE b", [("table", "b")]),
        ('DROP TABLE "semi;colon"', [("table", '"semi;colon"')]),
    ],
)
async def test_tables_and_columns_are_named_when_the_sql_is_text(
    project: ProjectFolder, database_url: str, sql: str, expected: Sequence[tuple[str, str]]
) -> None:
    losses = await _losses(project, database_url, _executing(sql))
    assert [(loss.kind, loss.what) for loss in losses] == expected


@pytest.mark.parametrize(
    "sql",
    [
        "TRUNCATE a",
        "DELETE FROM a WHERE n = 'x'",
        "UPDATE a SET n = 'x'",
        "WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone",
        "WITH x AS (SELECT 1) UPDATE a SET n = 'x'",
        "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 'x'",
        "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
        "DROP OWNED BY someone",
        "DROP EXTENSION IF EXISTS vector CASCADE",
        "DROP SCHEMA s",
        "DROP TYPE mood",
        "DROP DOMAIN positive",
        "DROP MATERIALIZED VIEW totals",
        "DROP SEQUENCE numbers",
        "DROP VIEW v CASCADE",
        "ALTER TYPE pair DROP ATTRIBUTE second",
    ],
)
@pytest.mark.sampled(2)
async def test_a_statement_that_takes_data_away_is_a_loss(
    project: ProjectFolder, database_url: str, sql: str
) -> None:
    (loss,) = await _losses(project, database_url, _executing(sql))
    assert (loss.kind, loss.what, loss.rows) == ("statement", sql, None)


@pytest.mark.parametrize(
    ("downgrade", "reason"),
    [
        (_executing("DO $$ BEGIN DROP TABLE a; END $$"), "a DO block cannot be looked into: DO $$ BEGIN"),
        (_executing("CALL clean_up(1)"), "clean_up cannot be looked into"),
        (_executing("SELECT s.clean_up('a')"), "s.clean_up() cannot be looked into"),
        (_executing("SELECT s.setval('a')"), "s.setval() cannot be looked into"),
        (
            "op.get_bind().execute(sa.text('SELECT 1')).scalar()",
            "downgrade() reads data (AttributeError",
        ),
        ("raise NotImplementedError", "downgrade() raises NotImplementedError"),
    ],
)
async def test_what_cannot_be_looked_into_is_said_to_be_unknown(
    project: ProjectFolder, database_url: str, downgrade: str, reason: str
) -> None:
    (loss,) = await _losses(project, database_url, downgrade)
    assert loss.kind == "unknown"
    assert loss.what.startswith(reason)


async def test_what_was_seen_before_a_revision_reads_data_is_told_too(
    project: ProjectFolder, database_url: str
) -> None:
    losses = await _losses(
        project, database_url, "op.drop_table('a')\nop.get_bind().execute(sa.text('SELECT 1')).all()"
    )
    assert [loss.kind for loss in losses] == ["table", "unknown"]


@pytest.mark.parametrize(
    "downgrade",
    [
        "op.drop_index('i', 'a')",
        "op.drop_constraint('c', 'a')",
        "op.alter_column('a', 'n', nullable=True, server_default=None)",
        "op.alter_column('a', 'n', existing_type=sa.Integer(), type_=sa.Text)",
        "op.drop_table_comment('a')",
        "with op.batch_alter_table('a') as b:\n    b.drop_constraint('c')\n    b.drop_index('i')",
        *map(
            _executing,
            [
                "ALTER TABLE a DROP CONSTRAINT c CASCADE, ALTER n DROP NOT NULL, ALTER COLUMN n DROP DEFAULT",
                "DROP INDEX CONCURRENTLY i",
                "DROP VIEW v",
                "DROP FUNCTION f(integer)",
                "DROP TRIGGER t ON a CASCADE",
                "DROP EXTENSION vector",
                "COMMENT ON TABLE a IS 'DROP TABLE a; TRUNCATE a'",
                "INSERT INTO a VALUES ($$DELETE FROM a; DROP TABLE a$$) -- ; DROP TABLE a",
                "INSERT INTO a (n) VALUES (1) ON CONFLICT DO NOTHING",
                "/* ; DROP TABLE a; */ SELECT 1",
                "CREATE TABLE b (id int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE)",
                "CREATE TRIGGER t AFTER UPDATE OR DELETE OR TRUNCATE ON a EXECUTE FUNCTION f()",
                "GRANT SELECT, UPDATE, DELETE, TRUNCATE ON a TO someone",
                "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM a; DROP TABLE a $$",
                "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM a; TRUNCATE a; END; SELECT 1",
                "SELECT count(*) FROM a WHERE n IN (1, 2) AND m::numeric(7, 2) > 0 FOR UPDATE",
                "SELECT setval('s', coalesce(max(id), 1)) FROM a",
                (
                    "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence('a', 'n'), "
                    "CAST(pg_catalog.max(n) AS bigint)) FROM a HAVING pg_catalog.max(n) >= 1"
                ),
                'SELECT "pg_catalog" . "setval" (\'s\', 1)',
                "WITH x AS (SELECT 1) INSERT INTO a (n) SELECT * FROM x",
            ],
        ),
    ],
)
@pytest.mark.sampled(3)
async def test_what_takes_no_data_away_is_no_loss(
    project: ProjectFolder, database_url: str, downgrade: str
) -> None:
    assert await _losses(project, database_url, downgrade) == ()


async def test_rows_and_sizes_are_told_of_tables_with_names_that_need_quotes(
    project: ProjectFolder, database_url: str
) -> None:
    losses = await _losses(
        project,
        database_url,
        "op.drop_table('per % cent: \"x\".y', schema='Odd.s')\n"
        "op.drop_column('plain', 'N.m')\n"
        "op.execute('DROP TABLE PLAIN')\n"
        "op.drop_table('absent')",
        'CREATE SCHEMA "Odd.s"',
        'CREATE TABLE "Odd.s"."per % cent: ""x"".y" AS SELECT generate_series(1, 3)',
        'CREATE TABLE plain AS SELECT generate_series(1, 2) AS "N.m"',
    )
    assert [(loss.what, loss.rows) for loss in losses] == [
        ('"Odd.s"."per % cent: ""x"".y"', 3),
        ('plain."N.m"', 2),
        ("PLAIN", 2),
        ("absent", None),
    ]


async def test_rows_that_may_not_be_read_are_not_told_and_the_rest_is(
    project: ProjectFolder, database_url: str
) -> None:
    losses = await _losses(
        project,
        database_url,
        "op.drop_table('v')\nop.drop_table('a')",
        "CREATE TABLE a AS SELECT 0 AS n",
        "CREATE VIEW v AS SELECT n FROM a WHERE 1 / n > 0",
    )
    assert [(loss.what, loss.rows) for loss in losses] == [("v", None), ("a", 1)]


@pytest.mark.parametrize(
    "downgrade",
    [
        "with op.batch_alter_table('a') as b: b.drop_column('n')",
        _executing("ALTER TABLE a DROP n"),
        _executing("UPDATE a SET n = 0"),
        _executing("DO $$ BEGIN EXECUTE 'TRUNCATE a'; END $$"),
    ],
)
async def test_the_command_refuses_to_destroy_unasked_and_nothing_is_lost(
    project: ProjectFolder, database_url: str, downgrade: str
) -> None:
    await _losses(project, database_url, downgrade, "CREATE TABLE a AS SELECT 1 AS n")
    done = CommandLine(project.root, database_url)("downgrade", "base")
    assert done.returncode == 3
    assert "this destroys data:" in done.stderr
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT n FROM a").fetchall() == [(1,)]
