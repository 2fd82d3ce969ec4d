"""A step that is ready to run, and what it needs of its file, fetched while the step before it runs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from headway.alembic_bridge import RevisionCode
    from headway.results import Direction

# Fingerprinting takes a millisecond for every few KiB, in Bytes; what is larger goes to a thread.
_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Work:
    """One step, ready to run.

    ``code`` loads the revision's function and may raise what the file raises; ``write`` writes the version
    inside the step's transaction. ``path`` is ``None`` for a stamp, which runs no file. ``checksum`` is what
    the ledger keeps of the file as it then is; ``None`` of none. ``moves`` gives what ``write`` does as
    statements, each with its values; ``None`` where nobody can.
    """

    revision: str
    operation: str
    direction: Direction
    description: str
    path: Path | None
    code: Callable[[], RevisionCode]
    checksum: Callable[[], str | None]
    write: Callable[[], None]
    moves: Callable[[], Sequence[Sequence[str]]] | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a step needs of its file.

    Attributes:
        work: the step.
        code: its function; ``None`` when the file cannot be loaded.
        error: what it raised then.
        checksum: of the file; ``None`` when it is large, and was not looked at yet.
    """

    work: Work
    code: RevisionCode | None
    error: Exception | None = None
    checksum: str | None = None


class Foresight:
    """The files of some steps, each opened once.

    Only what a file does when it is loaded is done early, and plain Alembic loads all of them before it runs
    the first. Its functions are called when it is their turn.

    """

    def __init__(self) -> None:
        self._coming: deque[Work] = deque()
        self._fetched: deque[Fetched] = deque()
        self._current: Fetched | None = None

    def expect(self, works: Sequence[Work]) -> None:
        """These steps come, in order."""
        self._coming.extend(works)

    def look(self, distance: int) -> Fetched | None:
        """Fetch what the next step needs, or one of those after it; what goes wrong waits for its turn.

        Args:
            distance: 1 is the step after the one whose turn it is.

        Returns:
            ``None`` where no such step comes.
        """
        while len(self._fetched) < distance and self._coming:
            self._fetched.append(_fetch(self._coming.popleft()))
        return self._fetched[distance - 1] if len(self._fetched) >= distance else None

    def turn(self) -> RevisionCode:
        """It is the next step's turn; its code.

        Raises:
            Exception: whatever its file raises.
        """
        self._current = self.look(1)
        if self._current is None:
            raise LookupError("there is no further step")
        self._fetched.popleft()
        if self._current.code is None:
            raise self._current.error or LookupError("there is no code")
        return self._current.code

    async def checksum(self) -> str | None:
        """What the ledger keeps of the file of the step whose turn it is; ``None`` of none."""
        if self._current is None:
            return None
        return self._current.checksum or await in_thread(self._current.work.checksum)


def _fetch(work: Work) -> Fetched:
    try:
        return Fetched(work, work.code(), checksum=work.checksum() if _is_small(work) else None)
    except Exception as error:  # noqa: BLE001  # whatever a file raises
        return Fetched(work, None, error)


def _is_small(work: Work) -> bool:
    try:
        return work.path is not None and work.path.stat().st_size <= _AT_ONCE
    except OSError:
        return False
