"""A COMMIT that gets no answer, through a proxy that cuts the line at that very moment."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import Migrator, StepFailedError, runner
from tcpproxy import Fault, TcpProxy, Towards

if TYPE_CHECKING:
    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture
def armed(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that the last revision imports; its ``arm`` is called when only COMMIT is still to come."""
    # Whoever watches the step commits as well, and would be cut off in its place.
    monkeypatch.setattr(runner, "interval_within", lambda _: 3600.0)
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
