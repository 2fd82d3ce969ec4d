"""A step that is ready to run, and what it needs of its file, fetched while the step before it runs."""

from __future__ import annotations

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
    statements; ``None`` where nobody can.
    """

    revision: str
    operation: str
    direction: Direction
    description: str
    path: Path | None
    code: Callable[[], RevisionCode]
    checksum: Callable[[], str | None]
    write: Callable[[], None]
    moves: Callable[[], Sequence[str]] | None = None


class Foresight:
    """The files of some steps, each opened once.

    Only what a file does when it is loaded is done early, and plain Alembic loads all of them before it runs
    the first. Its functions are called when it is their turn.

    Args:
        works: the steps, in order.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self._coming = list(reversed(works))
        self._ahead: tuple[Work, RevisionCode | Exception, str | None] | None = None

    def look(self) -> RevisionCode | None:
        """Fetch what the next step needs; what goes wrong is raised when it is its turn.

        Returns:
            Its code; ``None`` where that cannot be had, or no step comes.
        """
        if self._ahead is None and self._coming:
            work = self._coming[-1]
            try:
                self._ahead = work, work.code(), work.checksum() if _is_small(work) else None
            except Exception as error:  # noqa: BLE001  # whatever a file raises
                self._ahead = work, error, None
        code = None if self._ahead is None else self._ahead[1]
        return None if isinstance(code, Exception) else code

    def turn(self, work: Work) -> RevisionCode:
        """The code of the step whose turn it is.

        Raises:
            Exception: whatever its file raises.
        """
        self.look()
        if self._ahead is None or self._ahead[0] is not work:
            return work.code()
        code = self._ahead[1]
        if isinstance(code, Exception):
            raise code
        return code

    async def checksum(self, work: Work) -> str | None:
        """What the ledger keeps of its file; ``None`` of none. To be asked after ``turn``."""
        ahead, self._ahead = self._ahead, None
        if self._coming and self._coming[-1] is work:
            self._coming.pop()
        if ahead is not None and ahead[0] is work and ahead[2] is not None:
            return ahead[2]
        return await in_thread(work.checksum)


def _is_small(work: Work) -> bool:
    try:
        return work.path is not None and work.path.stat().st_size <= _AT_ONCE
    except OSError:
        return False
