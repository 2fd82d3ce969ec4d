"""What the coming steps emit, taken down before it is their turn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.alembic_bridge import Recorded, RevisionCode, Scope
    from headway.work import Fetched, Foresight, Work


class Forecast:
    """Records the steps of a run, one after another, as if each before had been run.

    Args:
        scope: of the run.
        foresight: of its steps.

    Attributes:
        recorded: what the step whose turn it is emits; ``None`` where only running it can tell.
    """

    def __init__(self, scope: Scope, foresight: Foresight) -> None:
        self._scope = scope
        self._foresight = foresight
        self._ahead: deque[tuple[RevisionCode, Recorded | None]] = deque()
        self.recorded: Recorded | None = None

    def turn(self, code: RevisionCode) -> Recorded | None:
        """It is this step's turn; what it emits. Nothing else may use the run's connection meanwhile."""
        known = self._ahead.popleft() if self._ahead else None
        if known is None or known[0] is not code:
            self._ahead.clear()
            known = code, self._scope.recorded(code)
        self.recorded = known[1]
        return self.recorded

    def look(self, distance: int) -> None:
        """Fetch and record the next steps, up to so many, as far as they can be.

        To be called beside a batch only, which leaves SQLAlchemy's connection alone. Only functions that
        cannot tell when they are called are.
        """
        after = self.recorded
        for number in range(1, distance + 1):
            if len(self._ahead) < number:
                coming = self._foresight.look(number)
                if coming is None or coming.code is None or not may_be_recorded(coming.work, coming.code):
                    return
                self._ahead.append((coming.code, self._scope.recorded(coming.code, after=after)))
            after = self._ahead[number - 1][1]
            if after is None:
                return

    def next(self, distance: int = 1) -> tuple[Fetched, RevisionCode, Recorded] | None:
        """The next step, or one of those after it, where it is known what it emits."""
        self.look(distance)
        coming = self._foresight.look(distance)
        if coming is None or len(self._ahead) < distance:
            return None
        code, recorded = self._ahead[distance - 1]
        return None if recorded is None else (coming, code, recorded)

    def forget(self) -> None:
        """What was recorded ahead is void: the step before did not go as it was foreseen."""
        self._ahead.clear()

    def keep(self) -> None:
        """What the step whose turn it is emits has been run as it was."""
        if self.recorded is not None:
            self._scope.keep_recorded(self.recorded)


def may_be_recorded(work: Work, code: RevisionCode) -> bool:
    """Whether a step is one to record at all: a revision's function, in one transaction."""
    return code.transactional and work.path is not None
