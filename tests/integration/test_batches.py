"""A step in one message ends as it does statement by statement: in database, ledger, events and errors."""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine

from database_contents import contents
from headway import DatabaseURL, HeadwayError, Migrator, State, server_run
from headway.alembic_bridge.recording import Recording
from headway.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import ProjectFolder
    from headway.alembic_bridge import Recorded, RevisionCode

pytestmark = pytest.mark.asyncio

# Bodies of upgrade(), and whether they can be sent as a batch.
ONE_MESSAGE = {
    "operations": """\
        op.create_table('t', sa.Column('a', sa.Text, index=True))
        op.add_column('t', sa.Column('b', sa.Integer, server_default='7', nullable=False))
        op.create_check_constraint('positive', 't', 'b > 0')
        op.create_index('ix_b', 't', ['b'], unique=True)
        op.alter_column('t', 'b', new_column_name='c', type_=sa.BigInteger)
        op.create_table_comment('t', 'it''s 100% :true')
        """,
    "an enum of its own": """\
        op.create_table('t', sa.Column('mood', sa.Enum('happy', 'it''s 5%', name='mood')))
        """,
    "several statements in a string": """\
        op.execute("CREATE TABLE t (a text); -- with; one\\nINSERT INTO t VALUES ('x;y'), ('p%q 12:30');")
        op.execute("UPDATE t SET a = a || '!'")
        """,
    "what a result is dropped of": """\
        op.execute("CREATE SEQUENCE seq")
        op.execute("SELECT setval('seq', 41)")
        op.execute(sa.text("SELECT nextval('seq')"))
        """,
    "bodies": """\
        op.execute('''CREATE FUNCTION fn() RETURNS int LANGUAGE plpgsql AS $$BEGIN COMMIT; RETURN 1; END$$''')
        op.execute("DO $do$ BEGIN RAISE NOTICE 'told'; EXECUTE 'CREATE TABLE t ()'; END $do$")
        """,
    "another schema and role for its own statements": """\
        op.execute("CREATE SCHEMA other")
        op.execute("DO $$ BEGIN SET search_path = other; END $$")
        op.execute("CREATE TABLE t ()")
        """,
    "an enum that others have as well": """\
        op.create_table('t', sa.Column('mood', sa.Enum('happy', name='common')))
        """,
    "an enum that is there by now": """\
        op.create_table('t', sa.Column('mood', sa.Enum('happy', name='common')))
        op.execute("INSERT INTO t VALUES ('happy')")
        """,
    "nothing": "pass",
}
STATEMENT_BY_STATEMENT = {
    "a question": """\
        op.execute("CREATE TABLE t (a int)")
        if op.get_bind().execute(sa.text("SELECT count(*) FROM t")).scalar() == 0:
            op.execute("INSERT INTO t VALUES (1)")
        """,
    "a question whose failure is caught": """\
        op.execute("CREATE TABLE t (a int)")
        try:
            n = op.get_bind().execute(sa.text("SELECT count(*) FROM t")).scalar()
        except Exception:
            n = -1
        op.execute(f"INSERT INTO t VALUES ({n})")
        """,
    "a question whose end is swallowed": """\
        op.execute("CREATE TABLE t (a int)")
        try:
            n = op.get_bind().execute(sa.text("SELECT count(*) FROM t")).scalar()
        except:
            n = -1
        op.execute(f"INSERT INTO t VALUES ({n})")
        """,
    "a question out of sight": """\
        import helping
        op.execute(f"CREATE TABLE t (a int DEFAULT {helping.asked(op)})")
        """,
    "an inspector": """\
        if not sa.inspect(op.get_bind()).has_table('t'):
            op.execute("CREATE TABLE t ()")
        """,
    "values": """\
        t = op.create_table('t', sa.Column('a', sa.Text), sa.Column('b', sa.JSON))
        op.bulk_insert(t, [{'a': "it's", 'b': {'x': [1, None]}}])
        """,
    "an enum beside values": """\
        t = op.create_table('t', sa.Column('mood', sa.Enum('happy', name='mood')))
        op.create_table('u', sa.Column('mood', sa.Enum('happy', name='common')))
        op.bulk_insert(t, [{'mood': 'happy'}])
        """,
    "a statement with parameters": """\
        op.execute("CREATE TABLE t (a text)")
        op.execute(sa.text("INSERT INTO t VALUES (:x)").bindparams(x="100% :y"))
        """,
    "rows that were changed": """\
        op.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)")
        n = op.get_bind().execute(sa.text("UPDATE t SET a = 3")).rowcount
        op.execute(f"INSERT INTO t VALUES ({n})")
        """,
    "a savepoint": """\
        op.execute("CREATE TABLE t (a int)")
        try:
            with op.get_bind().begin_nested():
                op.execute("INSERT INTO missing VALUES (1)")
        except sa.exc.DBAPIError:
            op.execute("INSERT INTO t VALUES (1)")
        """,
    "settings": """\
        op.execute("SET LOCAL lock_timeout = '7s'")
        op.execute("CREATE TABLE t AS SELECT current_setting('lock_timeout') AS a")
        """,
    "an index that may be there": """\
        op.execute("CREATE TABLE t (a int)")
        op.execute("CREATE INDEX IF NOT EXISTS i ON t (a)")
        """,
    "a driver's connection": "op.get_bind().connection.driver_connection.get_server_pid()",
    # It leaves its mark on SQLAlchemy's connection, so what follows it in a run is not recorded either.
    "an autocommit_block": """\
        op.execute("CREATE TABLE t (a int)")
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY i ON t (a)")
        """,
}
FAILING = {
    "COMMIT": "op.execute('CREATE TABLE t ()')\nop.execute('COMMIT')",
    "a statement in the middle": """\
        op.execute("CREATE TABLE t (a int)")
        op.execute("INSERT INTO t VALUES ('x')")
        op.execute("CREATE TABLE u ()")
        """,
    "words that do not parse": """\
        op.execute("CREATE TABLE t (a int)")
        op.execute("CREATE TABEL u ()")
        """,
    "a string that is never closed": 'op.execute("CREATE TABLE t ()")\nop.execute("SELECT \'x")',
    "a comment that is never closed": 'op.execute("CREATE TABLE t () /* ")',
    "in COMMIT": """\
        op.execute("CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        op.execute("INSERT INTO t VALUES (1), (1)")
        """,
    "Python": "op.execute('CREATE TABLE t ()')\nraise ValueError('no')",
    "the lock is let go of": "op.execute('SELECT pg_advisory_unlock_all()')",
    "the version was moved": "op.execute(\"UPDATE alembic_version SET version_num = 'r0'\")",
    "the ledger was emptied": "op.execute('DELETE FROM migration_history')",
    "a secret": "op.execute(\"ALTER ROLE nobody_at_all PASSWORD 'hunter2'\")",
    "its transaction is ended out of sight": """\
        op.execute("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$")
        op.execute("DO $$BEGIN CALL p(); END$$")
        """,
}

_INCIDENTAL = {"run_id", "duration_ms", "elapsed_ms", "database", "delay_s", "waited_s"}


class Project:
    """A project that is run on one database, and everything that can be seen of it."""

    def __init__(self, project: ProjectFolder, url: str) -> None:
        self._project = project
        self._url = url
        self.seen: list[Any] = []

    def _listen(self, event: Any) -> None:
        told = {key: value for key, value in dataclasses.asdict(event).items() if key not in _INCIDENTAL}
        self.seen.append((type(event).__name__, told))

    async def upgrade(self) -> None:
        try:
            async with Migrator(self._project.ini, url=self._url, listeners=[self._listen]) as migrator:
                await migrator.upgrade()
        except HeadwayError as error:
            self.seen.append({"type": type(error).__name__, "text": str(error), **vars(error)})

    async def settle(self, revision: str) -> None:
        """What a revision has committed by itself does no harm here; say so."""
        async with Migrator(self._project.ini, url=self._url) as migrator:
            if (await migrator.status()).state is State.DIRTY:
                await migrator.stamp(revision)

    @property
    def everything(self) -> list[Any]:
        return [*self.seen, contents(self._url)]


def body(number: int, upgrade: str) -> str:
    """A body, with names of its own for what it makes."""
    return re.sub(r"\b(t|u|seq|i|fn|p|mood|ix_b|other|positive)\b", rf"\g<1>{number}", upgrade)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each revision could be recorded, in order."""
    found: list[bool] = []
    record = Recording.of

    def noted(self: Recording, code: RevisionCode, **how: Any) -> Recorded | None:
        known = record(self, code, **how)
        found.append(known is not None)
        return known

    monkeypatch.setattr(Recording, "of", noted)
    return found


async def test_revisions_in_one_message_end_as_statement_by_statement(
    project: ProjectFolder,
    database_urls: Sequence[str],
    recorded: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helping = ModuleType("helping")
    helping.asked = lambda op: op.get_bind().execute(text("SELECT 41")).scalar() + 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, helping.__name__, helping)
    every = {**ONE_MESSAGE, **STATEMENT_BY_STATEMENT}
    for number, (name, upgrade) in enumerate(every.items(), start=1):
        parent = f"r{number - 1}" if number > 1 else None
        project.revision(f"r{number}", parent, upgrade=body(number, textwrap.dedent(upgrade)), doc=name)
    together, apart = (Project(project, url) for url in database_urls[:2])
    await together.upgrade()
    assert not isinstance(together.seen[-1], dict), together.seen[-1]
    assert dict(zip(every, recorded, strict=True)) == {name: name in ONE_MESSAGE for name in every}
    monkeypatch.setattr(server_run, "can_batch", lambda _: False)
    await apart.upgrade()
    assert len(recorded) == len(every)
    assert together.everything == apart.everything
    assert together.everything[-1]["versions"] == [(f"r{len(every)}",)]


async def test_revisions_that_fail_in_one_message_are_told_of_as_statement_by_statement(
    project: ProjectFolder, database_urls: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tables("first")
    seen = []
    for url, batches in zip(database_urls[:2], (True, False), strict=True):
        if not batches:
            monkeypatch.setattr(server_run, "can_batch", lambda _: False)
        run = Project(project, url)
        for number, (name, upgrade) in enumerate(FAILING.items(), start=2):
            failing = body(number, textwrap.dedent(upgrade))
            project.revision(f"r{number}", f"r{number - 1}", upgrade=failing, doc=name)
            await run.upgrade()
            assert isinstance(run.seen[-1], dict), name
            await run.settle(f"r{number - 1}")
            project.revision(f"r{number}", f"r{number - 1}", doc=name)
            await run.upgrade()
            assert not isinstance(run.seen[-1], dict), run.seen[-1]
        seen.append(run.everything)
        for path in project.versions.glob("r*.py"):
            if path.name != "r1.py":
                path.unlink()
    for one, other in zip(*seen, strict=True):
        assert one == other


@pytest.mark.parametrize(
    ("options", "together"),
    [({}, True), ({"connect_args": {"command_timeout": 600}}, False)],
    ids=["plain", "limits each statement"],
)
async def test_an_applications_engine_sends_batches_unless_it_has_a_say_in_each_statement(
    project: ProjectFolder,
    database_url: str,
    recorded: list[bool],
    *,
    options: dict[str, Any],
    together: bool,
) -> None:
    project.tables("a")
    url = DatabaseURL.parse(database_url).render().replace("postgresql:", "postgresql+asyncpg:", 1)
    engine = create_async_engine(url, **options)
    async with Migrator(project.ini, connection=engine) as migrator:
        report = await migrator.upgrade()
    await engine.dispose()
    assert [step.revision for step in report.steps] == ["r1"]
    assert recorded == [True] * together


async def test_what_listens_to_an_engines_statements_goes_on_hearing_each(
    project: ProjectFolder, database_url: str, recorded: list[bool]
) -> None:
    project.tables("a")
    url = DatabaseURL.parse(database_url).render().replace("postgresql:", "postgresql+asyncpg:", 1)
    engine = create_async_engine(url)
    heard: list[str] = []
    async with engine.connect() as connection:
        event.listen(
            connection.sync_connection, "before_cursor_execute", lambda *given: heard.append(given[2])
        )
        async with Migrator(project.ini, connection=connection) as migrator:
            await migrator.upgrade()
    await engine.dispose()
    assert any("CREATE TABLE a" in statement for statement in heard)
    assert recorded == []


async def test_a_ledger_with_a_colon_in_its_name_is_written_in_one_message_as_well(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.env("history_schema='a:b', history_table='Ledger:x'")
    project.tables("first", "second", "third")
    sent: list[int] = []
    finish = Batch.finish

    def counted(self: Batch, *arguments: Any) -> int | None:
        result = finish(self, *arguments)
        sent.append(1)
        return result

    monkeypatch.setattr(Batch, "finish", counted)
    async with Migrator(project.ini, url=database_url) as migrator:
        await migrator.upgrade()
    assert len(sent) == 3
    with psycopg.connect(database_url) as connection:
        rows = connection.execute('SELECT outcome FROM "a:b"."Ledger:x"').fetchall()
    assert rows == [("succeeded",)] * 3
