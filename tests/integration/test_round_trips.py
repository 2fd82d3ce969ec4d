"""How often a run waits for an answer of the server, counted on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headway import Migrator, server_run
from tcpproxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

FEW, MANY = 3, 13


@pytest.fixture(autouse=True)
def _nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    # Looks at a step that takes long are round trips as well, and how many depends on the machine.
    monkeypatch.setattr(server_run, "interval_within", lambda _: 3600.0)


_OPERATIONS = """\
    op.create_table('t{0}', sa.Column('a', sa.Integer), sa.Column('b', sa.Text, index=True))
    op.execute("INSERT INTO t{0} VALUES (1, 'x'); UPDATE t{0} SET a = 2")
    """
_QUESTION = "op.get_bind().execute(sa.text('SELECT 1')).scalar()"


async def trips(project: ProjectFolder, urls: Sequence[str], upgrade: str) -> tuple[float, float]:
    """Round trips of each further revision: on the connection that runs it, and on the one beside it."""
    counted = []
    for number in range(1, MANY + 1):
        parent = f"r{number - 1}" if number > 1 else None
        project.revision(f"r{number}", parent, upgrade=upgrade.format(number))
    for url, target in zip(urls, (FEW, MANY), strict=True):
        with TcpProxy(url) as proxy:
            await Migrator(project.ini, url=proxy.url).upgrade(f"r{target}")
            counted.append(proxy.turns)
    (few, few_beside), (many, many_beside) = counted
    return (many - few) / (MANY - FEW), (many_beside - few_beside) / (MANY - FEW)


async def test_revisions_that_only_emit_take_one_round_trip_each(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    assert await trips(project, database_urls[:2], _OPERATIONS) == (1, 0)


async def test_a_revision_that_asks_a_question_is_sent_statement_by_statement(
    project: ProjectFolder, database_urls: Sequence[str]
) -> None:
    within, beside = await trips(project, database_urls[:2], _QUESTION)
    assert within <= 14
    assert beside == 1


async def test_what_surrounds_the_revisions_of_a_run_takes_few_round_trips(
    project: ProjectFolder, database_url: str
) -> None:
    counted = []
    for number in range(1, 4):
        project.revision(
            f"r{number}", f"r{number - 1}" if number > 1 else None, upgrade=_OPERATIONS.format(number)
        )
        with TcpProxy(database_url) as proxy:
            report = await Migrator(project.ini, url=proxy.url).upgrade()
            assert len(report.steps) == 1
            counted.append(sum(proxy.turns) - 1)
    making_the_ledger, following, last = counted
    # Ten of them are SQLAlchemy's, which asks the server who it is.
    assert making_the_ledger <= 67
    assert following == last <= 66
