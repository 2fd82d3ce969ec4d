"""A run on an SQLite file: each step is tried once, and done whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway import sqlite
from headway.runner import Run

if TYPE_CHECKING:
    from headway.alembic_bridge import RevisionCode
    from headway.journal import Line
    from headway.work import Work


class FileRun(Run):
    """One execution of a plan, behind an open door to a file."""

    async def _attempts(self, work: Work, code: RevisionCode, entry: int, journal: list[Line]) -> None:  # noqa: ARG002
        """Try once: SQLite itself has waited for other writers, and nothing else passes by itself."""
        attempt = sqlite.FileAttempt(self._door.ledger, entry)
        try:
            await self._door.session.run(lambda _: attempt.apply(self._scope, code, work.write))
            self._committed = True
        except Exception:
            self._left = attempt.left
            raise
