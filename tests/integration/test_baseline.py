"""``headway baseline`` writes what a database holds, proves it by replay, and puts only that on record."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from commandline import CommandLine
from conftest import ProjectFolder
from headway import BaselineReport, DatabaseError, DatabaseURL, Migrator, RefusedError, embedded, load_project
from headway.catalogue import read_catalogue, read_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

SCHEMAS = Path(__file__).parents[1] / "schemas"
_KEPT = ("alembic_version", "migration_history", "schema_migrations")
# A dump begins and ends with a key that is made up for it.
_KEY = re.compile(r"^\\(?:un)?restrict .*$", re.MULTILINE)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def run_sql(url: str, script: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script.encode())


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row[0] if row else None


def dump(url: str) -> str:
    whole = DatabaseURL.parse(url)
    secret = whole.password.get_secret_value() if whole.password else ""
    skipped = [f"--exclude-table=public.{name}" for name in _KEPT]
    done = subprocess.run(
        [
            str(embedded.locate().bin / "pg_dump"),
            *("--schema-only", "--no-owner", *skipped),
            dataclasses.replace(whole, password=None).render(),
        ],
        env={**os.environ, "PGPASSWORD": secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return _KEY.sub("", done.stdout)


async def written(project: ProjectFolder, url: str, scratch: str, **how: object) -> BaselineReport:
    async with Migrator(load_project(project.ini), url=url) as migrator:
        return await migrator.baseline(scratch=scratch, **how)  # type: ignore[arg-type]  # as they are given


@pytest.mark.parametrize("kind", ["alembic", "sql"])
async def test_every_kind_of_thing_is_made_again_exactly_and_taken_back(
    kind: str, tmp_path: Path, database_urls: Sequence[str], server_url: str
) -> None:
    live, other = database_urls[:2]
    run_sql(live, (SCHEMAS / "every_kind.sql").read_text(encoding="utf-8"))
    expected, empty = dump(live), dump(other)
    ini = ProjectFolder(tmp_path).ini
    project = load_project(directory=tmp_path / "sql") if kind == "sql" else load_project(ini)

    async with Migrator(project, url=live) as migrator:
        report = await migrator.baseline(scratch=server_url)

    assert report.proven, (report.failure, *map(str, (*report.differences, *report.left)))
    assert report.stamped
    assert report.unspoken == ()
    assert len(report.paths) == (2 if kind == "sql" else 1)
    assert ask(live, "SELECT version_num FROM alembic_version") == report.revision
    assert ask(live, "SELECT count(*) FROM migration_history") == 1
    assert dump(live) == expected
    async with Migrator(project, url=other) as migrator:
        await migrator.upgrade()
        assert dump(other) == expected
        await migrator.downgrade("base")
    assert dump(other) == empty


@pytest.mark.vector
async def test_what_newer_versions_have_is_made_again_exactly(
    project: ProjectFolder, database_urls: Sequence[str], server_url: str
) -> None:
    live, other = database_urls[:2]
    if int(str(ask(live, "SHOW server_version_num"))) < 180000:
        pytest.skip("needs PostgreSQL 18")
    run_sql(live, (SCHEMAS / "newer_kinds.sql").read_text(encoding="utf-8"))

    report = await written(project, live, server_url)

    assert report.proven, (report.failure, *map(str, (*report.differences, *report.left)))
    async with Migrator(load_project(project.ini), url=other) as migrator:
        await migrator.upgrade()
    assert dump(other) == dump(live)
    text = report.paths[0].read_text(encoding="utf-8")
    assert "import pgvector.sqlalchemy\n" in text
    assert "sa.Column('embedding', pgvector.sqlalchemy.VECTOR(3), nullable=True)" in text


async def test_common_kinds_are_alembics_operations(
    project: ProjectFolder, database_url: str, server_url: str
) -> None:
    run_sql(
        database_url,
        """CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE TABLE users (id serial PRIMARY KEY, name varchar(40) UNIQUE, mood mood, seen timestamptz
            DEFAULT now(), CONSTRAINT named CHECK (name <> ''));
        COMMENT ON TABLE users IS 'who';
        CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tags text[],
            by integer REFERENCES users ON DELETE CASCADE);
        CREATE INDEX by_user ON orders (by) WHERE by > 1;""",
    )

    report = await written(project, database_url, server_url, rev_id="first", stamp=False)

    assert report.proven
    assert not report.stamped
    assert ask(database_url, "SELECT to_regclass('alembic_version')::text") is None
    assert ask(database_url, "SELECT to_regclass('migration_history')::text") is None
    text = report.paths[0].read_text(encoding="utf-8")
    assert "revision: str = 'first'" in text
    assert re.findall(r"op\.(\w+)\(", text.split("def downgrade")[0].replace("op.f(", "")) == [
        *("execute", "create_table", "create_table", "create_index", "create_foreign_key"),
    ]
    for line in (
        """sa.Column('id', sa.Integer(), nullable=False),""",
        """postgresql.ENUM('good', 'bad', name='mood', create_type=False)""",
        """sa.Column('seen', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=True),""",
        """sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),""",
        """sa.UniqueConstraint('name', name=op.f('users_name_key')),""",
        """ondelete='CASCADE',""",
        """comment='who',""",
        """postgresql_where=sa.text('(by > 1)')""",
    ):
        assert line in text


async def test_what_cannot_be_written_is_named_and_where_the_rest_needs_it_nothing_is_stamped(
    project: ProjectFolder, database_url: str, server_url: str
) -> None:
    run_sql(
        database_url,
        """CREATE TABLE things (id integer);
        GRANT SELECT ON things TO PUBLIC;
        CREATE AGGREGATE product(integer) (SFUNC = int4mul, STYPE = integer);
        CREATE VIEW total AS SELECT product(id) FROM things;""",
    )

    report = await written(project, database_url, server_url)

    assert report.unspoken == (
        "aggregate public.product(integer)",
        "privileges on table public.things",
    )
    assert report.failure is not None
    assert "product(integer) does not exist" in report.failure
    assert not report.stamped
    assert "# - aggregate public.product(integer)\n" in report.paths[0].read_text(encoding="utf-8")
    assert ask(database_url, "SELECT to_regclass('alembic_version')::text") is None


async def test_only_the_schemas_asked_for_are_written(
    project: ProjectFolder, database_url: str, server_url: str
) -> None:
    run_sql(
        database_url,
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA c; CREATE TABLE a.one (); CREATE TABLE b.two (); "
        "CREATE TABLE c.three (); CREATE TABLE four ()",
    )
    report = await written(project, database_url, server_url, schemas=["a", "c"])
    assert report.proven
    text = report.paths[0].read_text(encoding="utf-8")
    assert ("'one'" in text, "two" in text, "'three'" in text, "four" in text) == (True, False, True, False)


async def test_an_empty_database_has_no_baseline(project: ProjectFolder, database_url: str) -> None:
    async with Migrator(load_project(project.ini), url=database_url) as migrator:
        report = await migrator.baseline()
    assert (report.revision, report.paths, report.stamped, report.proven) == (None, (), False, True)
    assert not list(project.versions.iterdir())


async def test_a_database_or_project_with_revisions_is_refused(
    project: ProjectFolder, database_url: str, server_url: str
) -> None:
    project.tables("users")
    with pytest.raises(RefusedError, match=r"has 1 revision\(s\) already") as refused:
        await written(project, database_url, server_url)
    assert "baseline --verify" in (refused.value.hint or "")
    async with Migrator(load_project(project.ini), url=database_url) as migrator:
        await migrator.upgrade()
    (project.versions / "r1.py").unlink()
    with pytest.raises(RefusedError, match="on record as being at r1"):
        await written(project, database_url, server_url)


async def test_sqlite_is_refused_with_the_way_out(project: ProjectFolder, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="this database is sqlite") as refused:
        await written(project, f"sqlite+aiosqlite:///{tmp_path}/app.db", "embedded")
    assert "headway stamp head" in (refused.value.hint or "")


async def test_where_the_proof_cannot_even_begin_no_file_stays(
    project: ProjectFolder, database_url: str, server_url: str
) -> None:
    run_sql(database_url, "CREATE TABLE things (id integer)")
    name = f"baseline_{os.getpid()}"
    run_sql(server_url, f"CREATE ROLE {name} LOGIN PASSWORD 'x' NOCREATEDB")
    try:
        poor = dataclasses.replace(DatabaseURL.parse(server_url), user=name).render()
        with pytest.raises(DatabaseError) as failed:
            await written(project, database_url, poor)
        assert "ALTER ROLE … CREATEDB" in (failed.value.hint or "")
        assert not list(project.versions.iterdir())
    finally:
        run_sql(server_url, f"DROP ROLE {name}")


async def test_verify_tells_what_differs_and_stamps_what_does_not(
    project: ProjectFolder, database_url: str, server_url: str
) -> None:
    project.tables("users", "orders")
    run_sql(database_url, "CREATE TABLE users (id serial PRIMARY KEY); CREATE TABLE extra (id integer)")
    async with Migrator(load_project(project.ini), url=database_url) as migrator:
        report = await migrator.verify_baseline(scratch=server_url)
        assert [str(each) for each in report.differences] == [
            "remove sequence orders_id_seq: CREATE SEQUENCE public.orders_id_seq AS integer",
            "add table extra: CREATE TABLE public.extra",
            "remove table orders: CREATE TABLE public.orders",
        ]
        assert not report.stamped
        assert ask(database_url, "SELECT to_regclass('alembic_version')::text") is None
        run_sql(database_url, "DROP TABLE extra")
        report = await migrator.verify_baseline("r1", scratch=server_url, stamp=False)
        assert (report.proven, report.stamped) == (True, False)
        report = await migrator.verify_baseline("r1", scratch=server_url)
        assert (report.proven, report.stamped, report.revision) == (True, True, "r1")
        with pytest.raises(RefusedError, match="on record as being at r1, not at r2"):
            await migrator.verify_baseline("r2", scratch=server_url)
        await migrator.upgrade()
        assert (await migrator.verify_baseline(scratch=server_url)).proven


def test_the_command_shows_differences_and_ends_with_5(
    project: ProjectFolder, database_url: str, server_url: str
) -> None:
    run_sql(
        database_url,
        "CREATE TABLE users (id integer); CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    )
    command = CommandLine(project.root, database_url)
    done = command("baseline", "--scratch-url", server_url)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"alembic/versions/\d+_\d+_\w+_baseline\.py\n", done.stdout)
    assert "proven: the revisions make exactly what" in done.stderr
    run_sql(database_url, "ALTER TABLE users ADD name text NOT NULL; DROP FUNCTION one()")

    done = command("--json", "baseline", "--verify", "--scratch-url", server_url)
    document = json.loads(done.stdout)
    assert (done.returncode, document["proven"], document["stamped"]) == (5, False, False)
    assert [each["name"] for each in document["differences"]] == ["one()", "name"]
    assert "not proven, and nothing is put on record" in done.stderr


def test_the_number_of_statements_does_not_grow_with_the_database(database_url: str) -> None:
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *facts: statements.append(facts[2]))

    def count() -> int:
        statements.clear()
        with engine.connect() as connection:
            read_parts(connection)
            read_catalogue(connection, ["public"])
        return len(statements)

    few = count()
    run_sql(
        database_url,
        "".join(f"CREATE TABLE t{number} (id serial PRIMARY KEY, a text UNIQUE);" for number in range(60)),
    )
    assert (count(), few) == (6, 6)
    engine.dispose()


async def test_the_version_table_and_the_ledger_are_no_part_of_a_database(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users")
    async with Migrator(load_project(project.ini), url=database_url) as migrator:
        await migrator.upgrade()
    run_sql(database_url, "CREATE SCHEMA other; CREATE TABLE other.migration_history (id integer)")
    assert ask(database_url, "SELECT count(*) FROM migration_history") == 1
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        parts = read_parts(connection, version_table=(None, "alembic_version"))
    engine.dispose()
    assert [(part.schema, part.name) for part in parts.all if part.kind in {"table", "view"}] == [
        ("other", "migration_history"),
        ("public", "users"),
    ]
