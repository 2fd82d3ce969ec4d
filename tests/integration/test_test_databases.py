"""The databases that the pytest fixtures hand out: clean, whatever the test before has done to its own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from headway import CapabilityError, DatabaseURL, EnvironmentFileError, RefusedError
from headway.testing import Isolation, Provider, Wishes
from headway.testing.resetting import LeftOpenError
from headway.testing.suite import open_suite
from headway.testing.template import TemplateFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder
    from headway.testing.engines import Handouts
    from headway.testing.suite import Database, Suite

SCHEMA = """\
CREATE TABLE place (id int PRIMARY KEY, name text);
INSERT INTO place VALUES (1, 'here'), (2, 'there');
CREATE TABLE parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, child int);
CREATE TABLE child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int NOT NULL REFERENCES parent);
CREATE TABLE leaf (parent int NOT NULL REFERENCES child) PARTITION BY LIST (parent);
CREATE TABLE leaf_1 PARTITION OF leaf FOR VALUES IN (1);
CREATE SEQUENCE numbers START 100;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW places AS SELECT * FROM place;
SELECT setval('numbers', 150)
"""
WRITES = """\
INSERT INTO parent DEFAULT VALUES; INSERT INTO child (parent) SELECT id FROM parent;
INSERT INTO leaf SELECT id FROM child; SELECT nextval('numbers')
"""
OWN_SETTINGS = """\
SELECT setconfig FROM pg_db_role_setting JOIN pg_database AS own ON own.oid = setdatabase
 WHERE datname = current_database()
"""
# Nothing of this can be undone by emptying tables.
SPOILING = [
    "CREATE TABLE more (id int)",
    "DROP TABLE leaf",
    "ALTER TABLE child ADD COLUMN more int",
    "ALTER TABLE child ALTER COLUMN parent DROP NOT NULL",
    "ALTER TABLE child ALTER COLUMN parent SET DEFAULT 1",
    "CREATE INDEX ON parent (child)",
    "ALTER TYPE mood ADD VALUE 'mad'",
    "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE OR REPLACE VIEW places AS SELECT id, name FROM place WHERE id = 1",
    "COMMENT ON TABLE parent IS 'more'",
    "REVOKE USAGE ON SCHEMA public FROM public",
    "COMMENT ON SCHEMA public IS 'more'",
    "GRANT SELECT ON parent TO public",
    "ALTER SEQUENCE numbers RESTART 5",
    "CREATE SCHEMA more",
    "CREATE TABLE more (id int); DROP TABLE more; DROP VIEW places",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database()); END $$",
    "UPDATE place SET name = name",
    "DELETE FROM place WHERE id = 2",
    "DELETE FROM place WHERE id = 2; INSERT INTO place VALUES (2, 'there')",
    "INSERT INTO place VALUES (3, 'far')",
]


def wishes(project: ProjectFolder, server_url: str, **more: object) -> Wishes:
    given: dict[str, object] = {
        "run_id": secrets.token_hex(8),
        "worker": "main",
        "root": str(project.root),
        "config": None,
        "provider": Provider.URL,
        "source": "the test",
        "url": server_url,
        "image": None,
        "isolation": Isolation.RESET,
    }
    return Wishes(**given | more)  # type: ignore[arg-type]  # the names are its own


@pytest.fixture(scope="module")
def project_of_module(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    from conftest import ProjectFolder

    folder = ProjectFolder(tmp_path_factory.mktemp("databases") / "shop")
    folder.revision("r1", upgrade=f'op.get_bind().exec_driver_sql("SELECT 1")\n{statements(SCHEMA)}')
    return folder


def statements(script: str) -> str:
    return "\n".join(f"op.execute({line.strip()!r})" for line in script.split(";"))


@pytest.fixture(scope="module")
def suite(project_of_module: ProjectFolder, server_url: str) -> Iterator[Suite]:
    with open_suite(wishes(project_of_module, server_url)) as opened:
        yield opened
    assert databases(server_url, opened) == [
        name for name in databases(server_url, opened) if "_template_" in name
    ]


def databases(server_url: str, suite: Suite) -> list[str]:
    with psycopg.connect(server_url) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY datname",
            [suite._names.prefix],
        )
        return [row[0] for row in rows]


def run(database: Database, script: str) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(script)


def contents(database: Database) -> tuple[object, ...]:
    """Everything that a test could tell the difference by, in this schema."""
    with psycopg.connect(database.dsn) as connection:
        return tuple(
            connection.execute(question).fetchall()
            for question in (
                "SELECT * FROM place ORDER BY id",
                "SELECT id FROM parent UNION ALL SELECT id FROM child UNION ALL SELECT parent FROM leaf",
                "SELECT last_value, is_called FROM numbers",
                "SELECT last_value, is_called FROM parent_id_seq",
                "SELECT last_value, is_called FROM child_id_seq",
                "SELECT oid::regclass::text, relkind, relacl FROM pg_class WHERE oid >= 16384 ORDER BY oid",
                "SELECT attname, attnotnull, atthasdef FROM pg_attribute WHERE attrelid > 16383",
                "SELECT prosrc FROM pg_proc WHERE oid >= 16384",
                "SELECT definition FROM pg_views WHERE schemaname = 'public'",
                "SELECT enumlabel FROM pg_enum ORDER BY oid",
                "SELECT objoid, description FROM pg_description WHERE objoid >= 16384 OR objoid = 2200",
                "SELECT nspname, nspacl FROM pg_namespace ORDER BY oid",
                OWN_SETTINGS,
            )
        )


@pytest.fixture(scope="module")
def at_head(suite: Suite) -> tuple[object, ...]:
    with suite.database("test_at_head", Isolation.CLONE) as database:
        return contents(database)


def test_what_was_committed_is_gone_and_the_database_is_the_same(
    suite: Suite, at_head: tuple[object, ...]
) -> None:
    with suite.database("test_one", Isolation.RESET) as first:
        run(first, WRITES)
        assert contents(first) != at_head
    with suite.database("test_two", Isolation.RESET) as second:
        assert second.name == first.name
        assert contents(second) == at_head


def test_a_sequence_that_was_set_without_being_called_is_put_back(
    suite: Suite, at_head: tuple[object, ...]
) -> None:
    with suite.database("test_one", Isolation.RESET) as first:
        run(first, "SELECT setval('parent_id_seq', 7, false)")
    with suite.database("test_two", Isolation.RESET) as second:
        assert (second.name, contents(second)) == (first.name, at_head)


def test_a_table_grown_large_is_emptied_and_made_small(suite: Suite) -> None:
    with suite.database("test_one", Isolation.RESET) as first:
        run(first, "INSERT INTO parent (child) SELECT n FROM generate_series(1, 50000) AS n")
    with (
        suite.database("test_two", Isolation.RESET) as second,
        psycopg.connect(second.dsn) as connection,
    ):
        found = connection.execute("SELECT pg_relation_size('parent'), count(*) FROM parent").fetchone()
        assert (second.name, found) == (first.name, (0, 0))


@pytest.mark.parametrize("spoiling", SPOILING)
def test_what_no_emptying_undoes_leads_to_a_new_database(
    suite: Suite, at_head: tuple[object, ...], spoiling: str
) -> None:
    with suite.database("test_one", Isolation.RESET) as first:
        run(first, spoiling)
    with suite.database("test_two", Isolation.RESET) as second:
        assert second.name != first.name
        assert contents(second) == at_head


@pytest.mark.parametrize(
    ("statement", "table"), [("INSERT INTO parent DEFAULT VALUES", "parent"), ("LOCK TABLE child", "child")]
)
def test_what_a_test_left_open_is_cut_and_the_test_is_told(
    suite: Suite, at_head: tuple[object, ...], statement: str, table: str
) -> None:
    lent = contextlib.ExitStack()
    first = lent.enter_context(suite.database("test_one", Isolation.RESET))
    left = psycopg.connect(first.dsn, application_name="the culprit")
    left.execute(statement)
    with pytest.raises(LeftOpenError, match=f"the culprit.*: (idle in transaction|active).*{table}"):
        lent.close()
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
    with suite.database("test_two", Isolation.RESET) as second:
        assert contents(second) == at_head


def test_each_clone_is_new_and_is_called_after_its_test(suite: Suite, at_head: tuple[object, ...]) -> None:
    names = []
    for turn in range(4):
        with suite.database("tests/test_it.py::test_buying", Isolation.CLONE, more=turn < 3) as database:
            assert contents(database) == at_head
            assert database.name.endswith("_buying")
            assert len(database.name) <= 63
            run(database, "DROP TABLE leaf; DELETE FROM place")
            names.append(database.name)
    assert len({*names}) == 4


def test_a_savepoint_takes_back_what_sessions_commit_and_ddl(
    suite: Suite, at_head: tuple[object, ...]
) -> None:
    async def work(database: Database) -> None:
        handouts = suite.handouts(database)
        session = handouts.session()
        await session.execute(text("INSERT INTO place VALUES (3, 'far')"))
        await session.commit()
        await session.execute(text("INSERT INTO place VALUES (4, 'farther')"))
        await session.rollback()
        async with handouts.engine.begin() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM place")) == 3
            await connection.execute(text("CREATE TABLE more (id int)"))
        await session.execute(text("SELECT * FROM more"))  # left open: the loop's end closes it

    names = []
    for _ in range(2):
        with suite.database("test_one", Isolation.SAVEPOINT) as database:
            asyncio.run(work(database))
            names.append(database.name)
    with suite.database("test_two", Isolation.SAVEPOINT) as database:
        assert contents(database) == at_head  # which takes its URL, so that it may have been committed to
        names.append(database.name)
    with suite.database("test_three", Isolation.SAVEPOINT) as database:
        assert database.name not in names
    assert len({*names}) == 1


def test_a_savepoint_on_a_second_loop_is_refused_and_what_the_first_wrote_is_taken_back(
    suite: Suite, at_head: tuple[object, ...]
) -> None:
    async def write(handouts: Handouts) -> None:
        async with handouts.engine.begin() as connection:
            await connection.execute(text("INSERT INTO parent DEFAULT VALUES"))

    with suite.database("test_one", Isolation.SAVEPOINT) as database:
        handouts = suite.handouts(database)
        asyncio.run(write(handouts))
        for _ in range(2):
            with pytest.raises(
                RefusedError, match=r"the event loop that it belongs to has ended[\s\S]*reset"
            ):
                asyncio.run(write(handouts))
        handouts.close()
    with suite.database("test_two", Isolation.SAVEPOINT) as database:
        assert contents(database)[1] == at_head[1]


def test_engines_share_the_dialects_knowledge_and_none_of_the_listeners(suite: Suite) -> None:
    from sqlalchemy import event

    heard = []

    async def ask(database: Database, *, listen: bool) -> None:
        handouts = suite.handouts(database)  # closed by the loop's end
        if listen:
            event.listen(handouts.engine.sync_engine, "do_execute", lambda *_: heard.append(1))
        async with handouts.engine.connect() as connection:
            assert await connection.scalar(text("""SELECT '{"a": 1}'::jsonb""")) == {"a": 1}

    with suite.database("test_one", Isolation.RESET) as database:
        asyncio.run(ask(database, listen=True))
        asyncio.run(ask(database, listen=False))
    assert heard == [1]


def test_a_revision_and_an_empty_database_are_templates_too(project: ProjectFolder, server_url: str) -> None:
    project.tables("first", "second")
    with open_suite(wishes(project, server_url)) as suite:
        seen = {}
        for revision in ("base", "r1", "heads"):
            with (
                suite.database("test_it", Isolation.CLONE, revision) as database,
                psycopg.connect(database.dsn) as connection,
            ):
                tables = connection.execute(
                    "SELECT relname FROM pg_class WHERE relname IN ('first', 'second')"
                )
                seen[revision] = sorted(row[0] for row in tables)
        assert seen == {"base": [], "r1": ["first"], "heads": ["first", "second"]}
        templates = [name for name in databases(server_url, suite) if "_template_" in name]
    assert len(templates) == 2
    drop(server_url, suite)


def drop(server_url: str, suite: Suite) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        for name in databases(server_url, suite):
            connection.execute(f'DROP DATABASE "{name}"')


def test_a_template_is_kept_between_runs_and_made_anew_when_a_model_changes_or_it_is_wished(
    project: ProjectFolder, server_url: str
) -> None:
    (project.root / "ware.py").write_text("from names import NAME\n", encoding="utf-8")
    (project.root / "names.py").write_text("NAME = 'first'\n", encoding="utf-8")
    project.revision(
        "r1", upgrade="import ware\nop.create_table(ware.NAME, sa.Column('id', sa.Integer, primary_key=True))"
    )

    def built(*, rebuild: bool = False) -> dict[str, int]:
        with open_suite(wishes(project, server_url, rebuild=rebuild)) as suite:
            for isolation in (Isolation.RESET, Isolation.CLONE):
                with suite.database("test_it", isolation):
                    pass
            with psycopg.connect(server_url) as connection:
                question = "SELECT datname, oid::int FROM pg_database WHERE starts_with(datname, %s)"
                rows = connection.execute(question, [f"{suite._names.prefix}template_"])
                return dict(rows.fetchall())

    once = built()
    assert built() == once
    (project.root / "names.py").write_text("NAME = 'second'\n", encoding="utf-8")
    twice = built()
    assert len(twice) == 2
    again = built(rebuild=True)
    assert {name for name in twice if twice[name] != again[name]} == twice.keys() - once.keys()
    with psycopg.connect(server_url, autocommit=True) as connection:
        for name in twice:
            connection.execute(f'DROP DATABASE "{name}"')


def test_what_a_dead_run_left_is_dropped_and_what_a_living_one_uses_is_not(
    project: ProjectFolder, server_url: str
) -> None:
    project.tables("first")
    with open_suite(wishes(project, server_url)) as living:
        with living.database("test_it", Isolation.RESET) as mine:
            dead = living._names.of_run("a run that is no more", "gw3", "1_reset")
            foreign = f"{living._names.prefix.replace('_t_', '_u_')}run_00000000_gw0"
            with psycopg.connect(server_url, autocommit=True) as connection:
                for name in (dead, foreign):
                    connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
                with open_suite(wishes(project, server_url)) as other:
                    there = databases(server_url, other)
                    assert mine.name in there
                    assert dead not in there
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [foreign]
                ).fetchone()
                assert found is not None, "only what begins as ours do is ever touched"
                connection.execute(f'DROP DATABASE "{foreign}"')
        assert contents_of_first(mine) == 0
    drop(server_url, living)


def contents_of_first(database: Database) -> int:
    with psycopg.connect(database.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM first").fetchone()
        return row[0] if row else -1


def test_a_kept_database_stays_until_it_is_wished_away(project: ProjectFolder, server_url: str) -> None:
    project.tables("first")
    with open_suite(wishes(project, server_url, keep=True)) as suite:
        for isolation in (Isolation.RESET, Isolation.CLONE):
            with suite.database(f"test_{isolation}", isolation, keep=lambda: True) as database:
                run(database, "INSERT INTO first VALUES (7)")
            assert database.kept_as in databases(server_url, suite)
            with psycopg.connect(
                dataclasses.replace(DatabaseURL.parse(server_url), database=database.kept_as).render()
            ) as connection:
                assert connection.execute("SELECT id FROM first").fetchall() == [(7,)]
            with suite.database("test_next", isolation) as after:
                assert contents_of_first(after) == 0
    with open_suite(wishes(project, server_url)) as suite:
        assert len([name for name in databases(server_url, suite) if "_kept_" in name]) == 2
    with open_suite(wishes(project, server_url, drop_kept=True)) as suite:
        assert [name for name in databases(server_url, suite) if "_kept_" in name] == []
    drop(server_url, suite)


@contextlib.contextmanager
def role(server_url: str, rights: str) -> Iterator[str]:
    name = f"tester_{secrets.token_hex(4)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN {rights} PASSWORD 'p'")
        try:
            url = DatabaseURL.parse(server_url)
            yield dataclasses.replace(url, user=name, password=None).render()
        finally:
            connection.execute(f"DROP ROLE {name}")


def test_an_ordinary_role_empties_tables_in_the_order_of_their_keys(
    project_of_module: ProjectFolder, server_url: str
) -> None:
    with role(server_url, "CREATEDB") as url:
        with open_suite(wishes(project_of_module, url)) as suite:
            with suite.database("test_at_head", Isolation.CLONE) as database:
                before = contents(database)
            with suite.database("test_one", Isolation.RESET) as first:
                run(first, WRITES)
            with suite.database("test_two", Isolation.RESET) as second:
                assert (second.name, contents(second)) == (first.name, before)
        drop(server_url, suite)


def test_rows_that_a_policy_hides_from_an_ordinary_role_reach_no_other_test(
    project: ProjectFolder, server_url: str
) -> None:
    guarded = "ALTER TABLE first ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    policy = "CREATE POLICY own ON first USING (id::text = current_setting('app.tenant', true))"
    project.tables("first")
    project.revision("r2", "r1", upgrade=f'op.execute("{guarded}")\nop.execute("{policy}")')
    write = "SET app.tenant = '7'; INSERT INTO first VALUES (7)"
    with role(server_url, "CREATEDB") as url:
        with open_suite(wishes(project, url)) as suite:
            for _ in range(2):
                with suite.database("test_it", Isolation.RESET) as database:
                    run(database, write)  # a row that were still there would be in its way
        drop(server_url, suite)


def test_a_role_that_may_make_no_database_is_refused(project: ProjectFolder, server_url: str) -> None:
    project.tables("first")
    with (
        role(server_url, "NOCREATEDB") as url,
        pytest.raises(CapabilityError, match="may not make databases"),
        open_suite(wishes(project, url)),
    ):
        pass


def test_an_extension_that_the_server_does_not_carry_is_named_before_anything_runs(
    project: ProjectFolder, server_url: str
) -> None:
    project.revision("r1", upgrade="op.execute('CREATE EXTENSION postgis_of_mars')")
    with open_suite(wishes(project, server_url)) as suite:
        with (
            pytest.raises(CapabilityError, match=r"postgis_of_mars.*r1"),
            suite.database("test_it", Isolation.RESET),
        ):
            pass
        with (
            pytest.raises(TemplateFailedError, match=r"^as above: .*postgis_of_mars.*$"),
            suite.database("test_next", Isolation.CLONE),
        ):
            pass
        assert databases(server_url, suite) == []


BY_INI = """\
from sqlalchemy import engine_from_config, pool
from alembic import context
connectable = engine_from_config(context.config.get_section("alembic"), poolclass=pool.NullPool)
with connectable.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
ASYNCHRONOUS = """\
import asyncio
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config
from alembic import context
def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
async def main():
    engine = async_engine_from_config(context.config.get_section("alembic"), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()
asyncio.run(main())
"""
BY_VARIABLE = """\
import os
from sqlalchemy import create_engine
from alembic import context
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
BY_ATTRIBUTE = """\
from sqlalchemy import create_engine
from alembic import context
def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
given = context.config.attributes.get("connection")
if given is None:
    with create_engine({elsewhere!r}).connect() as connection:
        run(connection)
else:
    run(given)
"""
ELSEWHERE = BY_VARIABLE.replace('os.environ["DATABASE_URL"]', "{elsewhere!r}")


@pytest.mark.parametrize(
    "env",
    [
        BY_INI,
        ASYNCHRONOUS,
        *(pytest.param(each, marks=pytest.mark.slow) for each in (BY_VARIABLE, BY_ATTRIBUTE)),
    ],
)
def test_an_env_py_of_plain_alembic_builds_the_template(
    project: ProjectFolder, server_url: str, database_url: str, env: str
) -> None:
    suite = foreign(project, database_url, env)
    with (
        open_suite(wishes(suite, server_url)) as opened,
        opened.database("test_it", Isolation.RESET) as database,
    ):
        assert contents_of_first(database) == 0
    drop(server_url, opened)
    assert tables_of(database_url) == []


@pytest.mark.parametrize(
    ("url", "called"),
    [
        (None, None),
        pytest.param("sqlite://", "a database of sqlite", marks=pytest.mark.slow),
        ("postgresql+psycopg://tester@127.0.0.1:1/shop", r"cannot be reached \(OperationalError\)"),
    ],
)
def test_an_env_py_that_leads_elsewhere_is_refused_and_migrates_nothing(
    project: ProjectFolder, server_url: str, database_url: str, url: str | None, called: str | None
) -> None:
    suite = foreign(
        project, database_url, ELSEWHERE.replace("{elsewhere!r}", repr(url)) if url else ELSEWHERE
    )
    with open_suite(wishes(suite, server_url)) as opened:
        with (
            pytest.raises(
                EnvironmentFileError, match=called or DatabaseURL.parse(database_url).name
            ) as caught,
            opened.database("test_it", Isolation.RESET),
        ):
            pass
        assert databases(server_url, opened) == []
    assert "hand over to headway" in str(caught.value.hint)
    assert tables_of(database_url) == []


def foreign(project: ProjectFolder, elsewhere: str, env: str) -> ProjectFolder:
    project.tables("first")
    url = dataclasses.replace(DatabaseURL.parse(elsewhere), password=None)  # which no file may hold
    written = url.render().replace("postgresql://", "postgresql+psycopg://", 1)
    (project.root / "alembic" / "env.py").write_text(
        env.replace("{elsewhere!r}", repr(written)), encoding="utf-8"
    )
    return project


def tables_of(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND oid >= 16384")
        return [row[0] for row in rows]
