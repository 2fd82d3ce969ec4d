"""A COMMIT that gets no answer, through a proxy that cuts the line at that very moment."""

from __future__ import annotations

import sys
import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import create_engine

from headway import DatabaseError, LockLostError, Migrator, StepFailedError, door, lost_commit, server_run
from headway.ledger import Ledger, NewEntry, Operation
from headway.lock import lock_key
from headway.project import VersionTable
from tcpproxy import Fault, TcpProxy, Towards

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


LOCKS = (
    "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE locktype = 'advisory' AND datname = current_database()"
)


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def stepwise(path: Path) -> None:
    """Make a revision one that is not transactional."""
    source = path.read_text(encoding="utf-8")
    path.write_text(
        source.replace("down_revision =", "transactional = False\ndown_revision ="), encoding="utf-8"
    )


@pytest.fixture
def armed(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that the last revision imports; its ``arm`` is called when only COMMIT is still to come."""
    # Whoever watches the step commits as well, and would be cut off in its place.
    monkeypatch.setattr(server_run, "interval_within", lambda _: 3600.0)
    module = ModuleType("headway_test_arm")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    project.tables("a")
    project.revision(
        "r2", "r1", upgrade="op.execute('CREATE TABLE b()')\nimport headway_test_arm\nheadway_test_arm.arm()"
    )
    return module


async def test_a_commit_that_took_effect_is_found_out_and_is_a_success(
    project: ProjectFolder, database_url: str, armed: ModuleType
) -> None:
    with TcpProxy(database_url) as proxy:
        armed.arm = lambda: proxy.rule(b"COMMIT;\x00", Towards.SERVER, Fault.CUT_AFTER)  # type: ignore[attr-defined]
        report = await Migrator(project.ini, url=proxy.url).upgrade()
        assert proxy.struck.wait(60)
    assert [step.revision for step in report.steps] == ["r1", "r2"]
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r2",)]
    assert rows(database_url, "SELECT outcome FROM migration_history ORDER BY id") == [("succeeded",)] * 2


async def test_a_commit_that_never_arrived_is_found_out_and_is_a_failure(
    project: ProjectFolder, database_url: str, armed: ModuleType
) -> None:
    with TcpProxy(database_url) as proxy:
        armed.arm = lambda: proxy.rule(b"COMMIT;\x00", Towards.SERVER, Fault.CUT_BEFORE)  # type: ignore[attr-defined]
        with pytest.raises(StepFailedError):
            await Migrator(project.ini, url=proxy.url).upgrade()
        assert proxy.struck.wait(60)
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r1",)]
    armed.arm = lambda: None  # type: ignore[attr-defined]
    await Migrator(project.ini, url=database_url).upgrade()
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r2",)]
    assert rows(database_url, "SELECT outcome FROM migration_history WHERE revision = 'r2' ORDER BY id") == [
        ("failed",),
        ("succeeded",),
    ]


# -- what comes after it -------------------------------------------------------------------------------


class Rival(threading.Thread):
    """Another migrator that waits for the lock, and has it the moment the connection in COMMIT breaks."""

    def __init__(self, url: str, *, at_work: bool) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._at_work = at_work
        self.connection = psycopg.connect(url, autocommit=True)

    def run(self) -> None:
        key = lock_key(self.connection.info.dbname, VersionTable("alembic_version", "public"))
        self.connection.execute("SELECT pg_advisory_lock(%s)", (key,))
        if not self._at_work:
            return
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(self._url))
        with engine.connect() as connection:
            Ledger().record(connection, [NewEntry("rival", "r2", Operation.STAMP)])
        engine.dispose()
        self.connection.execute("SELECT pg_advisory_unlock(%s)", (key,))

    def wait_in_line(self) -> None:
        self.start()
        deadline = time.monotonic() + 60
        while not rows(self._url, f"{LOCKS} AND NOT granted"):
            assert time.monotonic() < deadline


async def test_the_next_revision_runs_under_the_lock_again(
    project: ProjectFolder, database_url: str, armed: ModuleType
) -> None:
    held: list[object] = []
    armed.look = lambda: held.extend(  # type: ignore[attr-defined]
        rows(database_url, f"{LOCKS} AND granted")
    )
    stepwise(
        project.revision(
            "r3",
            "r2",
            upgrade="import headway_test_arm\nheadway_test_arm.look()\nop.execute('CREATE TABLE c()')",
        )
    )
    project.revision("r4", "r3", upgrade="op.execute('CREATE TABLE d()')")
    with TcpProxy(database_url) as proxy:
        armed.arm = lambda: proxy.rule(b"COMMIT;\x00", Towards.SERVER, Fault.CUT_AFTER)  # type: ignore[attr-defined]
        report = await Migrator(project.ini, url=proxy.url).upgrade()
        assert proxy.struck.is_set()
    assert [step.revision for step in report.steps] == ["r1", "r2", "r3", "r4"]
    assert len(held) == 1
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [("r4",)]


@pytest.mark.parametrize("at_work", [False, True], ids=["has the lock", "came and went"])
async def test_a_rival_that_came_in_meanwhile_ends_the_run_behind_the_committed_revision(
    project: ProjectFolder,
    database_url: str,
    armed: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    *,
    at_work: bool,
) -> None:
    monkeypatch.setattr(door, "_REGAIN_WITHIN_S", 60.0 if at_work else 0.0)
    stepwise(project.revision("r3", "r2", upgrade="op.execute('CREATE TABLE c()')"))
    rival = Rival(database_url, at_work=at_work)
    with TcpProxy(database_url) as proxy:

        def arm() -> None:
            rival.wait_in_line()
            proxy.rule(b"COMMIT;\x00", Towards.SERVER, Fault.CUT_AFTER)

        armed.arm = arm  # type: ignore[attr-defined]
        with pytest.raises(LockLostError, match="r2 is committed") as caught:
            await Migrator(project.ini, url=proxy.url).upgrade()
    assert "again" in str(caught.value.hint)
    rival.join(60)
    rival.connection.close()
    assert rows(database_url, "SELECT version_num, to_regclass('c') FROM alembic_version") == [("r2", None)]
    assert rows(database_url, "SELECT count(*) FROM migration_history WHERE revision = 'r3'") == [(0,)]


# -- other commits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("took_effect", [True, False])
async def test_the_commit_that_writes_the_version_of_a_revision_that_is_not_transactional_is_found_out(
    project: ProjectFolder,
    database_url: str,
    armed: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    *,
    took_effect: bool,
) -> None:
    monkeypatch.setattr(lost_commit, "RECONNECT_S", 3600.0)  # found out, not given up
    stepwise(project.versions / "r2.py")
    with TcpProxy(database_url) as proxy:
        fault = Fault.CUT_AFTER if took_effect else Fault.CUT_BEFORE
        # The statements before it have commits of their own.
        armed.arm = lambda: proxy.rule(  # type: ignore[attr-defined]
            b"COMMIT;\x00", Towards.SERVER, fault, after=b"alembic_version SET version_num"
        )
        if took_effect:
            await Migrator(project.ini, url=proxy.url).upgrade()
        else:
            with pytest.raises(StepFailedError):
                await Migrator(project.ini, url=proxy.url).upgrade()
        assert proxy.struck.is_set()
    expected = "r2" if took_effect else "r1"
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [(expected,)]


@pytest.mark.parametrize("took_effect", [True, False])
async def test_the_commit_of_a_stamp_is_found_out(
    project: ProjectFolder, database_url: str, *, took_effect: bool
) -> None:
    project.tables("a", "b")
    await Migrator(project.ini, url=database_url).upgrade()
    with TcpProxy(database_url) as proxy:
        fault = Fault.CUT_AFTER if took_effect else Fault.CUT_BEFORE
        proxy.rule(b"COMMIT;\x00", Towards.SERVER, fault, after=b"alembic_version SET version_num")
        migrator = Migrator(project.ini, url=proxy.url)
        if took_effect:
            assert (await migrator.stamp("r1")).after == ("r1",)
        else:
            with pytest.raises(DatabaseError):
                await migrator.stamp("r1")
        assert proxy.struck.is_set()
    expected = "r1" if took_effect else "r2"
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [(expected,)]
