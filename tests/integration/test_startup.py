"""An application starts: who is let in, who is refused, and what is left when the start is broken off."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import (
    ConnectionFailedError,
    DirtyError,
    Event,
    Migrator,
    NotAtHeadError,
    RunStarted,
    StartupBegan,
    StartupFailed,
    StartupFinished,
    StartupInterruptedError,
    StartupMode,
    State,
    StepFailedError,
    UnknownRevisionsError,
    Waiting,
    Warned,
)
from servers import AT_WORK_UNTIL_GO, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

DEADLINE_S = 60.0


class Application:
    """A project with a database; each ``migrator`` is a process that starts."""

    def __init__(self, project: ProjectFolder, url: str) -> None:
        self.project = project
        self.url = url
        self.heard: list[Event] = []
        project.tables("users", "notes")

    def migrator(self, environment: str = "production", url: str | None = None) -> Migrator:
        return Migrator(
            self.project.ini,
            url=url or self.url,
            environment=environment,
            listeners=[self.heard.append],
        )

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def versions(self) -> list[object]:
        return [row[0] for row in self.rows("SELECT version_num FROM alembic_version")]

    def ledger(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT revision, outcome FROM migration_history ORDER BY id")

    def locks(self) -> list[tuple[object, ...]]:
        return self.rows(
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )

    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.heard]

    def leave_half_way(self) -> None:
        """r2 applied half-way, as a killed migrator leaves it."""
        path = self.project.revision(
            "r2", "r1", upgrade="op.execute('CREATE TABLE notes()')\nop.execute('SELECT 1/0')"
        )
        path.write_text(path.read_text().replace("down_revision", "transactional = False\ndown_revision", 1))

    def at_work(self) -> bool:
        """Whether the statement of the long revision runs."""
        return bool(
            self.rows(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND query LIKE '%FROM go%' AND state = 'active' AND pid <> pg_backend_pid()"
            )
        )

    def long_revision(self) -> None:
        """r3 is at work until there is a row in ``go``."""
        self.execute("CREATE TABLE go (at int)")
        self.project.revision("r3", "r2", upgrade=f'op.execute("""{AT_WORK_UNTIL_GO}""")', doc="long")


@pytest.fixture
def application(project: ProjectFolder, database_url: str) -> Application:
    return Application(project, database_url)


@pytest.fixture
def obeyed_later() -> Iterator[list[int]]:
    """The signals that a server heard of while its application started: uvicorn obeys them afterwards."""
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda signum, _: heard.append(signum))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # nobody sends an event for it
            await asyncio.sleep(0.02)


async def test_in_development_auto_upgrades(application: Application) -> None:
    async with application.migrator("development").startup() as startup:
        assert startup.mode is StartupMode.UPGRADE
        assert startup.done
        assert startup.report is not None
        assert startup.report.at_head
        assert await startup.wait() == startup.report
    assert application.versions() == ["r2"]
    assert application.kinds()[0] is StartupBegan
    finished = application.heard[-1]
    assert isinstance(finished, StartupFinished)
    assert (finished.mode, finished.state) == (StartupMode.UPGRADE, State.AT_HEAD)


@pytest.mark.parametrize("environment", ["production", "staging"])
async def test_elsewhere_auto_refuses_a_database_that_is_behind_and_changes_nothing(
    application: Application, environment: str
) -> None:
    await application.migrator().upgrade("r1")
    application.heard.clear()
    with pytest.raises(NotAtHeadError) as caught:
        async with application.migrator(environment).startup():
            raise AssertionError
    assert caught.value.pending == ("r2",)
    assert "behind: missing r2" in str(caught.value)
    assert "`headway upgrade` before this code starts" in str(caught.value)
    assert application.versions() == ["r1"]
    assert application.kinds() == [StartupBegan, StartupFailed]


async def test_in_production_an_upgrade_is_done_when_it_is_said(application: Application) -> None:
    async with application.migrator().startup("upgrade") as startup:
        assert startup.report is not None
        assert startup.report.at_head
    assert application.ledger() == [("r1", "succeeded"), ("r2", "succeeded")]


async def test_a_database_at_head_is_let_in_without_a_run(application: Application) -> None:
    await application.migrator().upgrade()
    application.heard.clear()
    async with application.migrator().startup("upgrade"):
        pass
    assert application.kinds() == [StartupBegan, StartupFinished]


async def test_all_heads_are_reached_where_there_are_several(application: Application) -> None:
    application.project.revision("x2", "r1", upgrade="op.execute('CREATE TABLE x()')")
    with pytest.raises(NotAtHeadError, match="`headway upgrade heads`"):
        async with application.migrator().startup("check"):
            raise AssertionError
    async with application.migrator().startup("upgrade") as startup:
        assert startup.report is not None
        assert startup.report.at_head
    assert sorted(map(str, application.versions())) == ["r2", "x2"]


async def test_off_asks_no_database(application: Application) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none"
    async with application.migrator(url=nowhere).startup("off") as startup:
        assert startup.report is None
        assert startup.done


@pytest.mark.parametrize("mode", ["check", "wait", "upgrade"])
async def test_a_database_that_is_ahead_is_let_in_with_a_warning(application: Application, mode: str) -> None:
    await application.migrator().upgrade()
    (application.project.versions / "r2.py").unlink()
    application.heard.clear()
    async with application.migrator().startup(mode) as startup:
        assert startup.report is not None
        assert startup.report.state is State.AHEAD
    warnings = [event.message for event in application.heard if isinstance(event, Warned)]
    assert len(warnings) == 1
    assert "is ahead of this code: it holds r2, unknown here" in warnings[0]
    assert application.versions() == ["r2"]


@pytest.mark.parametrize("mode", ["check", "wait", "upgrade"])
async def test_a_database_that_is_ahead_is_refused_when_told_to_be_strict(
    application: Application, mode: str
) -> None:
    await application.migrator().upgrade()
    (application.project.versions / "r2.py").unlink()
    with pytest.raises(UnknownRevisionsError, match="r2"):
        async with application.migrator().startup(mode, strict=True):
            raise AssertionError


@pytest.mark.parametrize("mode", ["check", "wait", "upgrade"])
async def test_a_database_that_has_diverged_is_refused_at_once(application: Application, mode: str) -> None:
    await application.migrator().upgrade("r1")
    application.execute("INSERT INTO alembic_version VALUES ('ffff')")
    application.heard.clear()
    with pytest.raises(UnknownRevisionsError, match="missing r2"):
        async with application.migrator().startup(mode, timeout_s=3600):
            raise AssertionError
    assert RunStarted not in application.kinds()


async def test_check_refuses_a_database_that_is_dirty(application: Application) -> None:
    application.leave_half_way()
    with pytest.raises(StepFailedError):
        await application.migrator().upgrade()
    with pytest.raises(DirtyError, match="r2 was interrupted"):
        async with application.migrator().startup("check"):
            raise AssertionError


async def test_old_code_serves_on_a_database_where_only_the_new_codes_revision_is_half_way(
    application: Application,
) -> None:
    path = application.project.revision(
        "r3", "r2", upgrade="op.execute('CREATE TABLE more()')\nop.execute('SELECT 1/0')"
    )
    path.write_text(path.read_text().replace("down_revision", "transactional = False\ndown_revision", 1))
    with pytest.raises(StepFailedError):
        await application.migrator().upgrade()
    with pytest.raises(DirtyError, match="r3"):
        async with application.migrator().startup("check"):
            raise AssertionError
    path.unlink()
    for mode in "check", "wait", "upgrade":
        async with application.migrator().startup(mode) as startup:
            assert startup.report is not None
            assert startup.report.serves
    assert (await application.migrator().wait(timeout_s=0)).serves
    with pytest.raises(DirtyError, match="r3"):
        async with application.migrator().startup("check", strict=True):
            raise AssertionError


async def test_wait_lets_in_as_soon_as_another_process_has_migrated(application: Application) -> None:
    migrator = application.migrator()
    entering = asyncio.create_task(migrator.startup("wait", timeout_s=DEADLINE_S).__aenter__())
    await until(lambda: Waiting in application.kinds())
    assert not entering.done()
    await Migrator(application.project.ini, url=application.url).upgrade()
    async with asyncio.timeout(DEADLINE_S):
        startup = await entering
    assert startup.report is not None
    assert startup.report.at_head
    assert RunStarted not in application.kinds()


async def test_wait_refuses_at_the_deadline_and_says_what_is_missing(application: Application) -> None:
    with pytest.raises(NotAtHeadError, match="missing r1, r2"):
        async with application.migrator().startup("wait", timeout_s=0):
            raise AssertionError


@pytest.mark.parametrize("mode", ["check", "wait", "upgrade"])
async def test_a_server_that_is_not_there_is_waited_for_until_the_deadline(
    application: Application, mode: str
) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none"
    with pytest.raises(ConnectionFailedError, match=r"waited 0\.\d s"):
        async with application.migrator(url=nowhere).startup(mode, timeout_s=0.2):
            raise AssertionError
    assert Waiting in application.kinds()


async def test_of_many_that_start_at_once_one_migrates_and_all_are_let_in(application: Application) -> None:
    async def start() -> None:
        async with application.migrator().startup("upgrade") as startup:
            assert startup.report is not None
            assert startup.report.at_head

    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*(start() for _ in range(8)))
    assert application.ledger() == [("r1", "succeeded"), ("r2", "succeeded")]


# -- broken off ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_in_the_midst_of_a_revision_leaves_the_database_consistent_and_the_lock_free(
    application: Application, number: signal.Signals, obeyed_later: list[int]
) -> None:
    application.long_revision()
    entering = asyncio.create_task(application.migrator().startup("upgrade").__aenter__())
    await until(application.at_work)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(StartupInterruptedError, match=f"interrupted by {number.name}"):
            await entering
    assert obeyed_later == [number]
    assert application.versions() == ["r2"]
    assert application.ledger()[-1] == ("r3", "interrupted")
    assert application.locks() == []
    failed = application.heard[-1]
    assert isinstance(failed, StartupFailed)
    assert failed.error_type == "StartupInterruptedError"
    application.execute("INSERT INTO go VALUES (1)")
    async with application.migrator().startup("upgrade"):
        assert application.versions() == ["r3"]


async def test_a_cancelled_start_is_a_cancellation_and_nothing_else(application: Application) -> None:
    application.long_revision()
    entering = asyncio.create_task(application.migrator().startup("upgrade").__aenter__())
    await until(application.at_work)
    entering.cancel()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(asyncio.CancelledError):
            await entering
    assert application.versions() == ["r2"]
    assert application.locks() == []
    assert application.kinds()[-1] is StartupFailed


PLAIN = """
import asyncio, sys
from headway import Migrator

async def main():
    async with Migrator(sys.argv[1]).startup("upgrade", background=sys.argv[2] == "background"):
        await asyncio.sleep(120)

asyncio.run(main())
"""


def plain_program(application: Application, place: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PLAIN, str(application.project.ini), place],
        env={**os.environ, "DATABASE_URL": application.url},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", ["background", "foreground"])
@pytest.mark.sampled(4)
async def test_a_plain_program_ends_by_the_signal_that_would_have_ended_it_anyway(
    application: Application, number: signal.Signals, place: str
) -> None:
    application.long_revision()
    process = plain_program(application, place)
    try:
        await until(application.at_work)
        process.send_signal(number)
        _, said = await asyncio.to_thread(process.communicate, None, DEADLINE_S)
    finally:
        process.kill()
    if (number, place) == (signal.SIGTERM, "foreground"):  # the start is refused, and the program's to end
        assert process.returncode == 1
        assert "StartupInterruptedError: interrupted by SIGTERM" in said
    else:
        assert process.returncode == -number
    assert application.ledger()[-1] == ("r3", "interrupted")


# -- in the background ---------------------------------------------------------------------------------


async def test_in_the_background_the_application_runs_while_a_revision_does(application: Application) -> None:
    application.long_revision()
    async with application.migrator().startup("upgrade", background=True) as startup:
        assert not startup.done
        await until(application.at_work)
        assert not startup.done
        assert startup.report is None
        application.execute("INSERT INTO go VALUES (1)")
        async with asyncio.timeout(DEADLINE_S):
            report = await startup.wait()
        assert report is not None
        assert report.at_head
        assert startup.done


async def test_in_the_background_a_failure_is_kept_and_not_raised(application: Application) -> None:
    application.project.revision("r3", "r2", upgrade="op.execute('SELECT 1/0')")
    async with application.migrator().startup("upgrade", background=True) as startup:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(StepFailedError):
                await startup.wait()
        assert isinstance(startup.error, StepFailedError)
        assert startup.report is None
    assert application.versions() == ["r2"]


async def test_an_application_that_ends_breaks_off_what_runs_in_the_background(
    application: Application,
) -> None:
    application.long_revision()
    async with asyncio.timeout(DEADLINE_S):
        async with application.migrator().startup("upgrade", background=True) as startup:
            await until(application.at_work)
        assert startup.done
    assert isinstance(startup.error, StartupInterruptedError)
    assert application.versions() == ["r2"]
    assert application.ledger()[-1] == ("r3", "interrupted")
    assert application.locks() == []


async def test_an_error_of_the_application_itself_is_raised_whatever_runs_in_the_background(
    application: Application,
) -> None:
    with pytest.raises(LookupError):
        async with application.migrator().startup("upgrade", background=True):
            raise LookupError


async def test_in_the_background_it_has_begun_when_the_application_does_and_ends_however_soon_that_ends(
    application: Application,
) -> None:
    async with application.migrator().startup("upgrade", background=True):
        assert application.kinds()[0] is StartupBegan
    assert application.kinds()[-1] is StartupFailed
