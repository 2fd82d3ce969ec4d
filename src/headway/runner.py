"""Run steps on a session, one transaction each, and tell listeners.

Where the steps come from (a plan, or one of Alembic's own commands) is the caller's matter; how they run
is decided here, once.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.diagnosis import step_failed
from headway.errors import DatabaseError, VersionConflictError
from headway.events import RunFinished, RunStarted, StepFailed, StepFinished, StepStarted
from headway.results import Direction, RunReport, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from headway.events import Event, Listener
    from headway.session import Session


@dataclass(frozen=True, slots=True)
class Work:
    """One step, ready to run.

    ``apply`` is synchronous, opens and commits its own transaction, and leaves nothing behind when it
    raises. It is called inside ``run_sync``. ``path`` is ``None`` for a stamp, which runs no file.
    """

    revision: str
    direction: Direction
    description: str
    path: Path | None
    apply: Callable[[], None]


class Run:
    """One execution: an id, an operation's name, and the listeners that hear of it."""

    def __init__(self, operation: str, session: Session, listeners: Sequence[Listener] = ()) -> None:
        self.id = uuid.uuid4().hex
        self.operation = operation
        self._session = session
        self._listeners = tuple(listeners)
        self._started = time.perf_counter()

    async def execute(
        self, works: Sequence[Work], *, before: tuple[str, ...], after: tuple[str, ...]
    ) -> RunReport:
        """Run all works in order.

        Args:
            works: the steps; none is fine.
            before: the version rows now.
            after: the version rows once every step is done.

        Returns:
            The report; its ``steps`` are empty when there was nothing to do.

        Raises:
            StepFailedError: a revision failed; it is rolled back and those before it stay.
            VersionConflictError: somebody else moved the version meanwhile.
        """
        self._emit(RunStarted(self.id, self.operation, self._session.database, len(works)))
        done: list[StepResult] = []
        for number, work in enumerate(works, start=1):
            done.append(await self._step(work, number, len(works), done))
        elapsed = self._elapsed(self._started)
        self._emit(RunFinished(self.id, self.operation, len(done), elapsed))
        return RunReport(self.id, self.operation, self._session.database, before, after, tuple(done), elapsed)

    async def _step(self, work: Work, number: int, total: int, done: Sequence[StepResult]) -> StepResult:
        about = (self.id, work.revision, work.direction, work.description, number, total)
        self._emit(StepStarted(*about))
        started = time.perf_counter()
        try:
            await self._session.run(lambda _: work.apply())
        except VersionConflictError as error:
            self._emit(StepFailed(self.id, work.revision, work.direction, error.message, None))
            raise
        except Exception as error:
            failure = step_failed(
                error.__cause__ if isinstance(error, DatabaseError) and error.__cause__ else error,
                revision=work.revision,
                description=work.description,
                operation=work.direction.value,
                path=work.path,
                succeeded=[result.revision for result in done],
                redact=self._session.redact,
            )
            self._emit(StepFailed(self.id, work.revision, work.direction, failure.message, failure.sqlstate))
            raise failure from error
        elapsed = self._elapsed(started)
        self._emit(StepFinished(*about, duration_ms=elapsed))
        return StepResult(work.revision, work.direction, work.description, elapsed)

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    @staticmethod
    def _elapsed(since: float) -> float:
        return round((time.perf_counter() - since) * 1000, 3)
