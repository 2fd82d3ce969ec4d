"""A plan run in a scratch database: as the engine runs it, or under the oracle's eyes."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import text

from headway.alembic_bridge import load_code
from headway.errors import HeadwayError
from headway.events import StepStarted
from headway.oracle import read_both_ways, trace
from headway.planning import Plan
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.events import Event
    from headway.oracle import Trace
    from headway.planning import Step
    from headway.session import Session
    from headway.target import Target

_VERSION = text("SELECT pg_catalog.current_setting('server_version')")


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a step did in the scratch database.

    Attributes:
        trace: what was seen; ``None`` when that would say nothing of it.
        unseen: why it would not, in words.
        left: what both directions one after the other leave different; ``None`` when that was not tried.
    """

    trace: Trace | None = None
    unseen: str | None = None
    left: tuple[str, ...] | None = None


class Rehearsal:
    """One run in one scratch database.

    Args:
        target: the scratch database.
        engine: runs steps as ``upgrade`` does.
        way_back: the step that undoes another one; ``None`` when it is not to be tried.
        tell: hears of each step that is watched when it begins.
    """

    def __init__(
        self,
        target: Target,
        engine: Callable[[Plan], Awaitable[object]],
        way_back: Callable[[Step], Step | None],
        tell: Callable[[Event], None],
    ) -> None:
        self._target = target
        self._engine = engine
        self._way_back = way_back
        self._tell = tell
        self._run_id = uuid.uuid4().hex
        self._lacking: str | None = None
        self.server = ""

    async def run(self, steps: Sequence[Step], watched: Collection[Step]) -> Mapping[Step, Rehearsed]:
        """Run steps from an empty database on.

        Args:
            steps: all of them, in order.
            watched: those to look at; the others only make what these find.

        Returns:
            What was seen, by step. ``server`` is then what the server calls itself.
        """
        found: dict[Step, Rehearsed] = {}
        for seen, group in itertools.groupby(steps, key=lambda step: step in watched):
            some = tuple(group)
            if seen or not await self._engine_runs(some):
                async with self._target.session() as session:
                    found |= await self._look_at(session, some)
        if not self.server:
            async with self._target.session() as session:
                self.server = await session.run(_name)
        return {step: it for step, it in found.items() if step in watched}

    async def _engine_runs(self, steps: tuple[Step, ...]) -> bool:
        """Whether the engine could run them; where it cannot, for want of rows, the oracle goes on."""
        plan = Plan(steps[0].direction, steps, steps[0].before, steps[-1].after)
        try:
            await self._engine(plan)
        except HeadwayError:
            return False
        return True

    async def _look_at(self, session: Session, steps: tuple[Step, ...]) -> dict[Step, Rehearsed]:
        scope, rows = await self._target.scope(session)
        await session.run(lambda _: scope.create_version_table())
        self.server = self.server or await session.run(_name)
        # What the engine did before it failed is done.
        done = next((n for n, step in enumerate(steps) if step.before == rows), 0)
        found = {}
        for number, step in enumerate(steps[done:], start=done + 1):
            about = (step.revision, step.direction, step.description, number, len(steps))
            self._tell(StepStarted(self._run_id, *about))
            found[step] = await self._watch(session, scope, step)
        return found

    async def _watch(self, session: Session, scope: Scope, step: Step) -> Rehearsed:
        try:
            code = await in_thread(partial(load_code, step.path, step.direction))
        except Exception as error:  # noqa: BLE001  # it is executed, so it may raise anything
            return Rehearsed(unseen=f"its file cannot be loaded ({type(error).__name__})")
        back = await self._code_back(step) if code.transactional else None
        found, left = await session.run(lambda _: _traced(scope, code, step, back))
        if not found.complete and self._lacking is not None:
            lacking = f"{self._lacking} could not be run whole in an empty database"
            return Rehearsed(unseen=f"{lacking}, and without it this one fails")
        if not found.complete:
            self._lacking = step.revision
        return Rehearsed(found, left=left)

    async def _code_back(self, step: Step) -> RevisionCode | None:
        back = self._way_back(step)
        if back is None:
            return None
        try:
            code = await in_thread(partial(load_code, back.path, back.direction))
        except Exception:  # noqa: BLE001  # as above; that it is missing is said elsewhere
            return None
        return code if code.transactional else None


def _traced(
    scope: Scope, code: RevisionCode, step: Step, back: RevisionCode | None
) -> tuple[Trace, tuple[str, ...] | None]:
    if back is None:
        return trace(scope, code, step), None
    return read_both_ways(scope, lambda: trace(scope, code, step), back)


def _name(connection: Connection) -> str:
    with connection.begin():
        return f"PostgreSQL {str(connection.scalar(_VERSION)).partition(' ')[0]}"
