"""The Migrator against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from headway import (
    CapabilityError,
    DatabaseError,
    DatabaseURL,
    Direction,
    EnvironmentFileError,
    Mark,
    Migrator,
    NotAtHeadError,
    RunFailed,
    RunFinished,
    RunStarted,
    State,
    StepFailed,
    StepFailedError,
    StepFinished,
    StepStarted,
    TransactionOpenError,
    UnknownRevisionsError,
    VersionConflictError,
)
from headway.errors import ConfigurationError, ConnectionFailedError, HeadwayError, ResolutionError
from servers import AT_WORK_UNTIL_GO, create_role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import Event

pytestmark = pytest.mark.asyncio


BUSY = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""


AT_WORK = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something another process does; the caller sets the deadline."""
    while not condition():  # noqa: ASYNC110  # PostgreSQL sends no event for it
        await asyncio.sleep(0.01)


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def tables(url: str) -> set[object]:
    found = {row[0] for row in query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    return found - {"migration_history"}


def versions(url: str) -> list[object]:
    return [row[0] for row in query(url, "SELECT version_num FROM alembic_version ORDER BY 1")]


async def test_upgrade_applies_what_is_missing_and_the_second_time_nothing(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    migrator = Migrator(project.ini, url=database_url)
    first = await migrator.upgrade()
    assert [(step.revision, step.direction) for step in first.steps] == [
        ("r1", Direction.UPGRADE),
        ("r2", Direction.UPGRADE),
    ]
    assert (first.before, first.after) == ((), ("r2",))
    second = await migrator.upgrade()
    assert second.steps == ()
    assert tables(database_url) == {"a", "b", "alembic_version"}


async def test_nothing_to_do_sends_no_ddl_and_writes_nothing(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    await Migrator(project.ini, url=database_url).upgrade()
    fingerprint = "SELECT pg_current_wal_insert_lsn(), max(oid::text) FROM pg_class"
    before = query(database_url, "SELECT xmin, ctid FROM alembic_version")
    objects = query(database_url, fingerprint)[0][1]
    await Migrator(project.ini, url=database_url).upgrade()
    assert query(database_url, "SELECT xmin, ctid FROM alembic_version") == before
    assert query(database_url, fingerprint)[0][1] == objects


async def test_looking_creates_no_version_table(project: ProjectFolder, database_url: str) -> None:
    project.tables("a")
    migrator = Migrator(project.ini, url=database_url)
    assert (await migrator.status()).state is State.UNVERSIONED
    assert (await migrator.pending()).pending == ("r1",)
    assert (await migrator.plan()).steps[0].revision == "r1"
    assert await migrator.current() == ()
    assert tables(database_url) == set()


async def test_status_marks_every_revision(project: ProjectFolder, database_url: str) -> None:
    project.tables("a", "b", "c")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade("r2")
    report = await migrator.status()
    assert report.state is State.BEHIND
    assert [(item.revision, item.mark) for item in report.revisions] == [
        ("r1", Mark.APPLIED),
        ("r2", Mark.APPLIED),
        ("r3", Mark.PENDING),
    ]
    assert [item.revision for item in report.revisions if item.is_current] == ["r2"]
    assert [item.revision for item in report.revisions if item.is_head] == ["r3"]
    assert [item.applied_at is not None for item in report.revisions] == [True, True, False]


async def test_downgrade_goes_down_and_base_leaves_only_the_version_table(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b", "c")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    assert [step.revision for step in (await migrator.downgrade()).steps] == ["r3"]
    assert [step.revision for step in (await migrator.downgrade("base")).steps] == ["r2", "r1"]
    assert tables(database_url) == {"alembic_version"}
    assert versions(database_url) == []


async def test_branches_merges_and_dependencies_end_at_their_heads(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("root", upgrade="op.execute('CREATE TABLE t()')", downgrade="op.drop_table('t')")
    project.revision("left", "root", upgrade="op.execute('CREATE TABLE l()')", downgrade="op.drop_table('l')")
    project.revision(
        "right", "root", upgrade="op.execute('CREATE TABLE r()')", downgrade="op.drop_table('r')"
    )
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(ResolutionError, match="heads") as caught:
        await migrator.upgrade("head")
    assert set(caught.value.candidates) == {"left", "right"}
    assert "headway merge" in str(caught.value.hint)
    await migrator.upgrade("heads")
    assert versions(database_url) == ["left", "right"]
    merged = await migrator.merge(message="join")
    assert len(merged.paths) == 1
    await migrator.upgrade()
    assert versions(database_url) == [merged.revision]
    await migrator.downgrade("left")
    assert versions(database_url) == ["left", "right"]
    await migrator.downgrade("base")
    assert tables(database_url) == {"alembic_version"}


async def test_a_failing_revision_leaves_schema_and_version_and_names_everything(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    path = project.revision(
        "r2",
        "r1",
        upgrade="""
        op.create_table("b", sa.Column("id", sa.Integer, primary_key=True))
        op.execute("INSERT INTO b VALUES (1)")
        op.execute("INSERT INTO b VALUES (1)")
        """,
        doc="twice the same",
    )
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    error = caught.value
    line = next(
        number
        for number, words in enumerate(path.read_text().splitlines(), 1)
        if "VALUES (1)" in words and number > 1 and "VALUES (1)" in path.read_text().splitlines()[number - 2]
    )
    assert (error.revision, error.path, error.line) == ("r2", path, line)
    assert error.statement == "INSERT INTO b VALUES (1)"
    assert error.sqlstate == "23505"
    assert error.detail == "Key (id)=(1) already exists."
    assert error.succeeded == ("r1",)
    assert "headway upgrade" in str(error.hint)
    assert tables(database_url) == {"a", "alembic_version"}
    assert versions(database_url) == ["r1"]


async def test_postgresqls_own_hint_is_passed_on(project: ProjectFolder, database_url: str) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('SELECT idd FROM a')")
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "a.id" in str(caught.value.server_hint)


async def test_several_statements_with_parameters_in_one_string_are_explained(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision("r1", upgrade="op.get_bind().execute(sa.text('SELECT :one; SELECT 2'), {'one': 1})")
    with pytest.raises(StepFailedError) as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "op.execute()" in str(caught.value.hint)


async def test_python_that_fails_in_a_revision_is_reported_with_its_line(
    project: ProjectFolder, database_url: str
) -> None:
    path = project.revision(
        "r1", upgrade="op.execute('CREATE TABLE x()')\nraise LookupError('no such thing')"
    )
    with pytest.raises(StepFailedError, match="LookupError: no such thing") as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert caught.value.statement is None
    assert path.read_text().splitlines()[(caught.value.line or 0) - 1].strip().startswith("raise LookupError")
    assert tables(database_url) == {"alembic_version"}


async def test_a_database_that_holds_unknown_revisions_says_which_and_what_to_do(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    (project.versions / "r2.py").unlink()
    report = await migrator.status()
    assert report.state is State.AHEAD
    assert report.unknown == ("r2",)
    assert [item.mark for item in report.revisions] == [Mark.APPLIED, Mark.UNKNOWN]
    assert report.pending == ()
    assert not (await migrator.pending()).at_head
    for refused in (migrator.upgrade(), migrator.downgrade("base")):
        with pytest.raises(UnknownRevisionsError) as caught:
            await refused
        assert caught.value.revisions == ("r2",)
        assert "r2 was applied 20" in caught.value.message
        assert "stamp --purge" in str(caught.value.hint)
    with pytest.raises(UnknownRevisionsError, match="r2"):
        await migrator.ensure_head()
    await migrator.stamp("r1", purge=True)
    assert versions(database_url) == ["r1"]


async def test_stamp_moves_the_version_without_running_anything(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    migrator = Migrator(project.ini, url=database_url)
    report = await migrator.stamp("r1")
    assert (report.before, report.after, report.steps) == ((), ("r1",), ())
    await migrator.stamp("base")
    assert versions(database_url) == []
    assert tables(database_url) == {"alembic_version"}


async def test_a_password_in_the_query_of_an_engines_url_is_told_to_nobody(
    project: ProjectFolder, database_url: str
) -> None:
    secret = "word in the query"  # none that makes its statement confidential anyway
    project.revision("r1", upgrade=f"op.execute(\"SELECT '{secret}'::int\")")
    arguments = DatabaseURL.parse(database_url).connect_arguments()
    engine = create_async_engine(
        f"postgresql+asyncpg://app@h/d?password={quote(secret)}&ssl=prefer",
        async_creator=lambda: asyncpg.connect(**arguments),
    )
    heard: list[Event] = []
    migrator = Migrator(project.ini, connection=engine, listeners=[heard.append])
    with pytest.raises(StepFailedError, match="invalid input syntax") as caught:
        await migrator.upgrade()
    assert await migrator.database() == "postgresql+asyncpg://app@h/d?ssl=prefer"
    assert isinstance(heard[0], RunStarted)
    assert heard[0].database == await migrator.database()
    assert "in the query" not in f"{heard} {caught.value} {[*await migrator.log()]}"
    await engine.dispose()


async def test_listeners_hear_of_a_stamp_and_of_one_that_failed(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.stamp("r1")
    assert [type(event) for event in heard] == [RunStarted, RunFinished]
    heard.clear()
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER refuse BEFORE UPDATE ON alembic_version FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(DatabaseError, match="not now"):
        await migrator.stamp("r2")
    assert [type(event) for event in heard] == [RunStarted, RunFailed]
    assert isinstance(heard[-1], RunFailed)
    assert (heard[-1].operation, heard[-1].error_type) == ("stamp", "DatabaseError")
    assert "not now" in heard[-1].error
    assert versions(database_url) == ["r1"]


async def test_listeners_hear_the_whole_run_in_order(project: ProjectFolder, database_url: str) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('SELECT 1/0')")
    heard: list[Event] = []
    migrator = Migrator(project.ini, url=database_url, listeners=[heard.append])
    await migrator.upgrade("r1")
    assert [type(event) for event in heard] == [RunStarted, StepStarted, StepFinished, RunFinished]
    heard.clear()
    with pytest.raises(StepFailedError):
        await migrator.upgrade()
    assert [type(event) for event in heard] == [RunStarted, StepStarted, StepFailed, RunFailed]
    assert [event.error_type for event in heard if isinstance(event, StepFailed | RunFailed)] == [
        "StepFailedError",
        "StepFailedError",
    ]


async def test_many_migrators_in_one_loop_never_mix(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    # Each statement is a point at which another migrator's revision may take over (design.md, fact 1).
    table = "{context.get_x_argument(as_dictionary=True)['t']}_{context.config.cmd_opts.x[0][2:]}_{number}"
    body = f'for number in range(20):\n    op.execute(f"CREATE TABLE {table}()")'
    project.revision("r1", upgrade=body)
    project.revision(
        "r2", "r1", upgrade='op.execute(f"CREATE VIEW last_{context.get_x_argument()[0][2:]} AS SELECT 1")'
    )
    await asyncio.gather(
        *(
            Migrator(project.ini, url=url, x_arguments=[f"t=n{number}"]).upgrade()
            for number, url in enumerate(database_urls)
        )
    )
    for number, url in enumerate(database_urls):
        expected = {f"n{number}_n{number}_{count}" for count in range(20)}
        assert tables(url) == expected | {"alembic_version"}
        assert versions(url) == ["r2"]
        assert query(url, "SELECT viewname FROM pg_views WHERE viewname LIKE 'last%'") == [
            (f"last_n{number}",)
        ]


async def test_many_migrators_in_threads_never_mix(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    project.revision(
        "r1",
        upgrade="table = context.get_x_argument(as_dictionary=True)['t']\n"
        "for number in range(20):\n    op.execute(f'CREATE TABLE {table}_{number}()')",
    )

    def upgrade(number: int, url: str) -> None:
        asyncio.run(Migrator(project.ini, url=url, x_arguments=[f"t=n{number}"]).upgrade())

    await asyncio.gather(
        *(asyncio.to_thread(upgrade, number, url) for number, url in enumerate(database_urls))
    )
    for number, url in enumerate(database_urls):
        assert tables(url) == {f"n{number}_{table}" for table in range(20)} | {"alembic_version"}


async def test_a_version_that_moved_under_a_step_rolls_the_step_back(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade("r1")
    project.revision(
        "r2",
        "r1",
        upgrade="op.execute('CREATE TABLE b()')\n"
        "op.execute(\"UPDATE alembic_version SET version_num = 'x'\")",
    )
    with pytest.raises(VersionConflictError, match="no longer holds r1"):
        await migrator.upgrade()
    assert tables(database_url) == {"a", "alembic_version"}
    assert versions(database_url) == ["r1"]


async def test_a_cancelled_run_rolls_its_revision_back(project: ProjectFolder, database_url: str) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('CREATE TABLE b()')\nop.execute('SELECT pg_sleep(600)')")
    started = asyncio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, StepStarted) and event.revision == "r2":
            started.set()

    task = asyncio.create_task(Migrator(project.ini, url=database_url, listeners=[listen]).upgrade())
    async with asyncio.timeout(60):
        await started.wait()
        await until(lambda: query(database_url, BUSY) != [])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The server notices the closed connection in its own time.
        await until(lambda: query(database_url, BUSY) == [])
    assert tables(database_url) == {"a", "alembic_version"}
    assert versions(database_url) == ["r1"]


async def test_the_callers_engine_and_connection_are_used_and_left_open(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a", "b")
    arguments = DatabaseURL.parse(database_url).connect_arguments()
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**arguments))
    await Migrator(project.ini, connection=engine).upgrade("r1")
    async with engine.connect() as connection:
        migrator = Migrator(project.ini, connection=connection)
        await migrator.upgrade()
        assert (await migrator.pending()).at_head
        assert not connection.closed
        assert not connection.in_transaction()
    async with engine.begin() as connection:
        with pytest.raises(TransactionOpenError):
            await Migrator(project.ini, connection=connection).downgrade("base")
    await engine.dispose()
    assert tables(database_url) == {"a", "b", "alembic_version"}


async def test_the_loop_goes_on_while_a_revision_runs(project: ProjectFolder, database_url: str) -> None:
    project.revision("r1", upgrade=f"op.execute({AT_WORK_UNTIL_GO!r})")
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE go (at int)")
    task = asyncio.create_task(Migrator(project.ini, url=database_url).upgrade())
    await until(lambda: task.done() or query(database_url, AT_WORK) != [])
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not task.done()
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO go VALUES (1)")
    await task


async def test_a_revision_with_an_autocommit_block_ends_at_its_version(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision(
        "r2",
        "r1",
        upgrade="with op.get_context().autocommit_block():\n"
        "    op.create_index('ix_a', 'a', ['id'], postgresql_concurrently=True)\n"
        "op.execute('CREATE TABLE after_it()')",
    )
    await Migrator(project.ini, url=database_url).upgrade()
    assert versions(database_url) == ["r2"]
    assert "after_it" in tables(database_url)


async def test_a_revision_may_read_through_its_bind_and_an_orm_session(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision(
        "r2",
        "r1",
        upgrade="""
        from sqlalchemy.orm import Session
        with Session(op.get_bind()) as session:
            session.execute(sa.text("INSERT INTO a VALUES (7)"))
            session.commit()
        assert op.get_bind().execute(sa.text("SELECT id FROM a")).scalar_one() == 7
        """,
    )
    await Migrator(project.ini, url=database_url).upgrade()
    assert query(database_url, "SELECT id FROM a") == [(7,)]


async def test_the_version_table_may_have_another_name_and_schema(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    with psycopg.connect(database_url) as connection:
        connection.execute('CREATE SCHEMA "Ops %"')
    project.env("version_table='applied', version_table_schema='Ops %'")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    assert (await migrator.pending()).at_head
    assert query(database_url, 'SELECT version_num FROM "Ops %".applied') == [("r1",)]
    project.env("version_table='appli' + 'ed', version_table_schema='Ops %'")  # not literal: env.py is run
    assert (await Migrator(project.ini, url=database_url).pending()).at_head


async def test_check_and_autogenerate_compare_models_with_the_database(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    models = (
        "import sqlalchemy as sa\nmetadata = sa.MetaData()\n"
        "sa.Table('a', metadata, sa.Column('id', sa.Integer, primary_key=True))\n"
    )
    project.env("metadata", models)
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(NotAtHeadError):
        await migrator.check()
    await migrator.upgrade()
    assert (await migrator.check()).clean
    assert (await migrator.revision("nothing")).paths == ()
    project.env(
        "metadata", models + "sa.Table('b', metadata, sa.Column('id', sa.Integer, primary_key=True))\n"
    )
    migrator = Migrator(project.ini, url=database_url)
    assert (await migrator.check()).differences == ("add table b",)
    written = await migrator.revision("add b")
    assert [path.name.endswith("_add_b.py") for path in written.paths] == [True]
    await migrator.upgrade()
    assert (await migrator.check()).clean


async def test_losses_name_what_a_downgrade_destroys_and_how_much(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    project.revision(
        "r2",
        "r1",
        upgrade="op.add_column('a', sa.Column('note', sa.Text))",
        downgrade="op.drop_column('a', 'note')\nop.execute('TRUNCATE a')",
    )
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO a SELECT generate_series(1, 3)")
    losses = await migrator.losses(await migrator.plan("base", direction=Direction.DOWNGRADE))
    assert [(loss.revision, loss.kind, loss.what, loss.rows) for loss in losses] == [
        ("r2", "column", "a.note", 3),
        ("r2", "statement", "TRUNCATE a", None),
        ("r1", "table", "a", 3),
    ]
    assert await migrator.losses(await migrator.plan()) == ()


async def test_sql_is_what_alembic_prints_and_needs_no_database(project: ProjectFolder) -> None:
    project.tables("a", "b")
    migrator = Migrator(project.ini, url="postgresql://nobody@127.0.0.1:1/none")
    script = await migrator.sql("r1:r2")
    assert "CREATE TABLE b" in script
    assert "CREATE TABLE a" not in script
    assert "UPDATE alembic_version SET version_num='r2' WHERE alembic_version.version_num = 'r1'" in script
    down = await migrator.sql("r2:base", direction=Direction.DOWNGRADE)
    assert down.index("DROP TABLE b") < down.index("DROP TABLE a")


async def test_an_env_py_that_does_not_hand_over_is_refused_with_the_three_lines(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    (project.root / "alembic" / "env.py").write_text("from alembic import context\n")
    with pytest.raises(EnvironmentFileError, match="does not hand over") as caught:
        await Migrator(project.ini, url=database_url).upgrade()
    assert "env.run(" in str(caught.value.hint)


async def test_env_py_may_not_decide_what_headway_decides(project: ProjectFolder, database_url: str) -> None:
    project.tables("a")
    project.env("transaction_per_migration=False")
    with pytest.raises(ConfigurationError, match="transaction_per_migration"):
        await Migrator(project.ini, url=database_url).upgrade()


async def test_a_server_that_is_not_there_is_a_clear_error_without_the_password(
    project: ProjectFolder,
) -> None:
    migrator = Migrator(project.ini, url="postgresql://me:s3cr%40t-mark@127.0.0.1:1/none")
    for call in (migrator.pending(), migrator.upgrade()):
        with pytest.raises(ConnectionFailedError) as caught:
            await call
        chain, error = [], caught.value
        walk: BaseException | None = error
        while walk is not None:
            chain.append(f"{walk!r} {walk}")
            walk = walk.__cause__ or walk.__context__
        assert "s3cr" not in " ".join(chain)
        assert "127.0.0.1" in str(error)


async def test_a_role_that_may_not_create_tables_is_told_so(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    role = DatabaseURL.parse(database_url).name
    with psycopg.connect(database_url) as connection:
        create_role(connection, DatabaseURL.parse(database_url))
    try:
        url = dataclasses.replace(DatabaseURL.parse(database_url), user=role).render()
        with pytest.raises(CapabilityError, match="may not create tables") as caught:
            await Migrator(project.ini, url=url).upgrade()
        assert f'GRANT CREATE ON SCHEMA "public" TO "{role}"' in str(caught.value.hint)
        assert tables(database_url) == set()
    finally:
        with psycopg.connect(database_url) as connection:
            connection.execute(f'DROP ROLE "{role}"'.encode())


async def test_a_revision_may_read_again_what_it_has_just_altered(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    read = "assert op.get_bind().execute(sa.text('SELECT * FROM a')).keys() is not None\n"
    project.revision("r2", "r1", upgrade=f"{read}op.add_column('a', sa.Column('b', sa.Text))\n{read}")
    await Migrator(project.ini, url=database_url).upgrade()
    assert versions(database_url) == ["r2"]


async def test_a_run_does_not_wait_for_the_pool_of_the_callers_engine(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("a")
    arguments = DatabaseURL.parse(database_url).connect_arguments()
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(**arguments),
        pool_size=1,
        max_overflow=0,
        pool_timeout=1,
    )
    async with engine.connect() as only:
        pid = await only.scalar(text("SELECT pg_backend_pid()"))
        await Migrator(project.ini, connection=engine).upgrade()
        assert await only.scalar(text("SELECT pg_backend_pid()")) == pid
    await engine.dispose()


async def test_a_project_without_revisions_gets_no_version_table(
    project: ProjectFolder, database_url: str
) -> None:
    assert (await Migrator(project.ini, url=database_url).upgrade("heads")).steps == ()
    assert tables(database_url) == set()


async def test_relative_locations_are_the_projects_wherever_the_command_runs(
    project: ProjectFolder, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tables("a")
    (project.root / "more").mkdir()
    (project.versions / "r1.py").rename(project.root / "more" / "r1.py")
    project.ini.write_text(
        "[alembic]\nscript_location = alembic\npath_separator = :\n"
        "version_locations = more:alembic/versions\n"
    )
    monkeypatch.chdir(tmp_path)
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade()
    assert tables(database_url) == {"a", "alembic_version"}
    assert "CREATE TABLE a" in await migrator.sql()
    written = await migrator.revision("next", autogenerate=False, version_path=str(project.root / "more"))
    assert [path.parent.name for path in written.paths] == ["more"]
    with pytest.raises(HeadwayError) as caught:
        await migrator.revision("anew", autogenerate=False, head="base")
    assert str(project.root / "more") in str(caught.value.hint)
