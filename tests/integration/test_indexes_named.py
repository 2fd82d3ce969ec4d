"""No step succeeds over an index that it names and that is not what it asked for."""

from __future__ import annotations

import itertools

import psycopg
import pytest

from conftest import ProjectFolder  # noqa: TC001  # pytest reads the annotations of fixtures
from headway import Migrator, State, StepFailedError

pytestmark = pytest.mark.asyncio

AUTOCOMMIT = (
    "with op.get_context().autocommit_block():\n"
    "    op.create_index('ix', 't', ['v'], if_not_exists=True, postgresql_concurrently=True)"
)
IN_DO = "op.execute('DO $$ BEGIN CREATE INDEX IF NOT EXISTS ix ON t (v); END $$')"
IN_EXECUTE = "op.execute('DO $$ BEGIN EXECUTE $q$create index if not exists ix on t(v)$q$; END $$')"
HANDLED = (
    "op.execute('DO $$ BEGIN CREATE INDEX ix ON t (v); EXCEPTION WHEN duplicate_table THEN NULL; END $$')"
)
SWALLOWED = (
    "try:\n"
    "    with op.get_bind().begin_nested():\n"
    "        op.create_index('ix', 't', ['v'])\n"
    "except sa.exc.ProgrammingError:\n"
    "    pass"
)
BY_ALEMBIC = "op.create_index('ix', 't', ['v'], if_not_exists=True)"
COMMENTED = "op.execute('-- why\\nCREATE /* how */ INDEX IF NOT EXISTS ix ON ONLY t (v)')"
SEEN = "seen = \"SELECT 1 FROM pg_index WHERE indexrelid = 'ix'::regclass AND NOT indisvalid\""
CONTENT_WITH_ANYTHING = [AUTOCOMMIT, BY_ALEMBIC, IN_DO, IN_EXECUTE, COMMENTED]


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def invalid(url: str, name: str, table: str = "t") -> None:
    """An index whose build failed: there are two equal values."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(url, f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} (v)")


async def at_r1(project: ProjectFolder, url: str) -> Migrator:
    project.revision("r1", upgrade="op.execute('CREATE TABLE t AS SELECT 1 AS v FROM generate_series(1, 2)')")
    migrator = Migrator(project.ini, url=url)
    await migrator.upgrade()
    return migrator


def versions(url: str) -> list[object]:
    return [row[0] for row in query(url, "SELECT version_num FROM alembic_version")]


@pytest.mark.parametrize(
    ("body", "transactional"),
    [
        *itertools.product([*CONTENT_WITH_ANYTHING, HANDLED], [True, False]),
        (SWALLOWED, True),  # a savepoint is no part of a revision that is not transactional
    ],
)
@pytest.mark.sampled(3)
async def test_a_step_that_is_content_with_an_invalid_index_fails_until_the_index_is_gone(
    project: ProjectFolder, database_url: str, body: str, *, transactional: bool
) -> None:
    migrator = await at_r1(project, database_url)
    invalid(database_url, "ix")
    path = project.revision("r2", "r1", upgrade=body)
    path.write_text(path.read_text().replace("down_rev", f"transactional = {transactional}\ndown_rev"))
    for _ in range(2):
        with pytest.raises(StepFailedError, match=r"public\.ix of public\.t is INVALID") as caught:
            await migrator.upgrade()
        assert "DROP INDEX CONCURRENTLY public.ix" in str(caught.value.hint)
        assert versions(database_url) == ["r1"]
        assert query(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [
            (False,)
        ]
    execute(database_url, "DROP INDEX CONCURRENTLY public.ix")
    await migrator.upgrade()
    assert (await migrator.status()).state is State.AT_HEAD
    assert query(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [
        (True,)
    ]


@pytest.mark.parametrize("body", CONTENT_WITH_ANYTHING)
@pytest.mark.parametrize("transactional", [True, False])
@pytest.mark.sampled(3)
async def test_a_step_that_is_content_with_another_tables_index_fails(
    project: ProjectFolder, database_url: str, body: str, *, transactional: bool
) -> None:
    migrator = await at_r1(project, database_url)
    execute(database_url, "CREATE TABLE o (v int)", "CREATE INDEX ix ON o (v)")
    path = project.revision("r2", "r1", upgrade=body)
    path.write_text(path.read_text().replace("down_rev", f"transactional = {transactional}\ndown_rev"))
    for _ in range(2):
        with pytest.raises(StepFailedError, match=r"ix is an index of public\.o, not of t"):
            await migrator.upgrade()
    assert versions(database_url) == ["r1"]


async def test_a_table_does_not_pass_for_an_index_of_its_name(
    project: ProjectFolder, database_url: str
) -> None:
    migrator = await at_r1(project, database_url)
    execute(database_url, "CREATE TABLE ix ()")
    project.revision("r2", "r1", upgrade=BY_ALEMBIC)
    with pytest.raises(StepFailedError, match="ix is no index"):
        await migrator.upgrade()


@pytest.mark.parametrize(
    ("created", "named"),
    [
        ('"Mixed Case"', '"Mixed Case"'),
        ('"do""uble"', '"do""uble"'),
        ("Folded", "FOLDED"),
        ("i" * 70, "i" * 70),
        ("ü" * 40, "ü" * 40),
    ],
)
@pytest.mark.parametrize("inside", ["{}", "DO $$ BEGIN {}; END $$"])
@pytest.mark.sampled(3)
async def test_names_are_read_as_the_server_reads_them(
    project: ProjectFolder, database_url: str, created: str, named: str, inside: str
) -> None:
    migrator = await at_r1(project, database_url)
    execute(
        database_url,
        'CREATE SCHEMA "S x"',
        'CREATE TABLE "S x"."T" AS SELECT 1 AS v FROM generate_series(1, 2)',
    )
    invalid(database_url, created, '"S x"."T"')
    statement = inside.format(f'CREATE INDEX IF NOT EXISTS {named} ON ONLY "S x"."T" (v)')
    project.revision("r2", "r1", upgrade=f"op.execute({statement!r})")
    with pytest.raises(StepFailedError, match="is INVALID"):
        await migrator.upgrade()


async def test_what_is_invalid_by_design_or_elsewhere_stops_nobody(
    project: ProjectFolder, database_url: str
) -> None:
    migrator = await at_r1(project, database_url)
    execute(
        database_url,
        "CREATE SCHEMA tenant",
        "CREATE TABLE tenant.t AS SELECT 1 AS v FROM generate_series(1, 2)",
        "CREATE TABLE p (v int) PARTITION BY LIST (v)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
    )
    invalid(database_url, "ix", "tenant.t")  # a tenant's of the same name
    invalid(database_url, "other")  # one that the step does not name
    project.revision(
        "r2",
        "r1",
        upgrade=f"{BY_ALEMBIC}\n{IN_DO}\n"
        "op.execute('CREATE INDEX IF NOT EXISTS ip ON ONLY p (v)')\n"  # to be completed by ATTACH PARTITION
        "op.execute('DO $$ BEGIN CREATE INDEX ip2 ON ONLY p (v); END $$')\n"
        "op.execute('DO $$ BEGIN IF false THEN CREATE INDEX IF NOT EXISTS never ON t (v); END IF; END $$')",
    )
    await migrator.upgrade()
    assert versions(database_url) == ["r2"]


async def test_an_invalid_index_may_be_looked_for_and_replaced(
    project: ProjectFolder, database_url: str
) -> None:
    migrator = await at_r1(project, database_url)
    invalid(database_url, "ix")
    project.revision(
        "r2",
        "r1",
        upgrade=f"{SEEN}\n"
        f"if op.get_bind().execute(sa.text(seen)).scalar():\n    op.drop_index('ix', 't')\n{BY_ALEMBIC}",
    )
    await migrator.upgrade()
    assert versions(database_url) == ["r2"]
