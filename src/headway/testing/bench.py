"""Lends databases to tests and takes them back; everything here runs on the private loop."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from headway.testing.cloning import Clones, Drops
from headway.testing.resetting import LeftOpenError, Resetter, Verdict
from headway.testing.runs import announce, drop_of_run, sweep
from headway.testing.template import Templates
from headway.testing.wishes import Isolation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.project import Project
    from headway.testing.cluster import Cluster
    from headway.testing.survey import Survey
    from headway.testing.wishes import Wishes


@dataclass(slots=True)
class Loan:
    """A database in a test's hands."""

    name: str
    isolation: Isolation
    template: str


@dataclass(slots=True)
class _Reused:
    """A database that serves one test after another; without a resetter, what tests do is rolled back."""

    name: str
    resetter: Resetter | None


class Bench:
    """One process's databases."""

    def __init__(self, cluster: Cluster, project: Project, wishes: Wishes) -> None:
        self._cluster = cluster
        self._wishes = wishes
        self._project = str(project.root)
        self._templates = Templates(cluster, project, wishes)
        self._numbers = count(1)
        self._beside: list[Cluster] = []
        self._clones: dict[str, Clones] = {}
        self._drops: Drops | None = None
        self._reused: dict[tuple[str, Isolation], _Reused] = {}
        self._surveys: dict[str, Survey] = {}

    async def open(self) -> None:
        """Show that this run is alive, and drop what dead ones left."""
        await self._cluster.require_ours_to_fill()
        if self._cluster.server.ours:
            await self._cluster.relax()
        await announce(self._cluster, self._wishes.run_id)
        await sweep(self._cluster, drop_kept=self._wishes.drop_kept)

    async def close(self) -> Sequence[str]:
        """Drop everything of this process, and hang up.

        Returns:
            What this run and earlier ones kept for somebody to look at.
        """
        for reused in self._reused.values():
            if reused.resetter is not None:
                await reused.resetter.close()
        for clones in self._clones.values():
            await clones.finish()
        if self._drops is not None:
            await self._drops.finish()
        await drop_of_run(self._cluster, self._wishes.run_id, self._wishes.worker)
        kept = [name for name in await self._cluster.databases() if self._cluster.names.is_kept(name)]
        for cluster in (*self._beside, self._cluster):
            await cluster.close()
        return kept

    async def lend(self, test: str, isolation: Isolation, revision: str, *, more: bool) -> Loan:
        """A database for a test.

        Args:
            test: the test's node id.
            isolation: how it is to be come by.
            revision: what it holds.
            more: whether other tests are going to ask for a clone.
        """
        template = await self._templates.of(revision)
        if isolation is Isolation.CLONE:
            name = await self._clone(template, more=more)
            new = self._name(f"{next(self._numbers)}_{_short(test)}")
            await self._cluster.rename(name, new, comment=self._comment(test))
            return Loan(new, isolation, template)
        key = (template, isolation)
        if key not in self._reused:
            self._reused[key] = await self._reusable(template, isolation)
        return Loan(self._reused[key].name, isolation, template)

    async def take_back(self, loan: Loan, *, kept_as: str | None, test: str, handed_out: bool) -> None:
        """What a test is done with; nothing of it is left to the next.

        Args:
            loan: the database.
            kept_as: the name under which it is kept for somebody to look at; ``None`` as a rule.
            test: the test's node id.
            handed_out: whether the test had its URL, and may have committed past the savepoints.

        Raises:
            LeftOpenError: the test left a transaction open.
        """
        if kept_as is not None:
            await self._give_up(loan)
            await self._cluster.vacate(loan.name)
            await self._cluster.rename(loan.name, kept_as, comment=self._comment(test))
        elif loan.isolation is Isolation.CLONE or (loan.isolation is Isolation.SAVEPOINT and handed_out):
            await self._give_up(loan)
            await (await self._dropping()).add(loan.name)
        else:
            await self._put_back(loan)

    async def _put_back(self, loan: Loan) -> None:
        reused = self._reused[loan.template, loan.isolation]
        if reused.resetter is None:
            return
        failure = None
        try:
            verdict = await reused.resetter.clean()
        except LeftOpenError as error:
            verdict, failure = error.verdict, error
        if verdict is Verdict.SPOILT:
            await self._give_up(loan)
            await (await self._dropping()).add(loan.name)
        if failure is not None:
            raise failure

    async def _give_up(self, loan: Loan) -> None:
        """The next test gets another."""
        reused = self._reused.pop((loan.template, loan.isolation), None)
        if reused is not None and reused.resetter is not None:
            await reused.resetter.close()

    async def _reusable(self, template: str, isolation: Isolation) -> _Reused:
        name = self._name(f"{next(self._numbers)}_{isolation}")
        await self._cluster.create(name, template)
        await self._cluster.rename(name, name, comment=self._comment(None))
        if isolation is Isolation.SAVEPOINT:
            return _Reused(name, None)
        url = self._cluster.server.database(name)
        resetter = await Resetter.open(url, self._surveys.get(template))
        self._surveys[template] = resetter.survey
        return _Reused(name, resetter)

    async def _clone(self, template: str, *, more: bool) -> str:
        if template not in self._clones:
            maker = await self._another()
            self._clones[template] = Clones(
                template, maker, lambda: self._name(f"{next(self._numbers)}_ready")
            )
        return await self._clones[template].take(more=more)

    async def _dropping(self) -> Drops:
        if self._drops is None:
            self._drops = Drops(await self._another())
        return self._drops

    async def _another(self) -> Cluster:
        cluster = await self._cluster.another()
        self._beside.append(cluster)
        return cluster

    def _name(self, what: str) -> str:
        return self._cluster.names.of_run(self._wishes.run_id, self._wishes.worker, what)

    def _comment(self, test: str | None) -> str:
        facts = {
            "made_by": "headway's test fixtures",
            "project": self._project,
            "run": self._wishes.run_id,
            "worker": self._wishes.worker,
            "test": test,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        return json.dumps({name: value for name, value in facts.items() if value is not None})


def _short(test: str) -> str:
    return test.rpartition("::")[2].removeprefix("test_")
