"""Looks on at every statement that a revision sends."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from headway.diagnosis import line_running, read_error
from headway.errors import HeadwayError
from headway.kinds import Kind, kind_of
from headway.oracle.documented import documented, must_run_alone
from headway.oracle.effects import Effects, effects
from headway.oracle.relations import Picture, brought_up_to_date, everything
from headway.results import StatementReview
from headway.sqltext import is_confidential, shown, skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode

# What takes the place of a statement that is not to be run again.
_NOTHING = "SELECT WHERE false"
_IN_A_TRANSACTION = "25001"
_SAVEPOINT = re.compile(r"(?:SAVEPOINT|RELEASE|ROLLBACK\s+TO)\b", re.IGNORECASE)
_OF_THE_CATALOGUE = re.compile(r"\b(?:pg_catalog|information_schema)\s*\.", re.IGNORECASE)


class StatementFailedError(Exception):
    """A statement failed, and its revision with it: the revision is to be run again without it."""


class Witness:
    """Looks on at one revision; a guard of its transaction too (see ``alembic_bridge.Guard``).

    Statements are told apart by their number in the order they are sent. What a further attempt finds done,
    because it was committed, or known to fail, it leaves out.

    Attributes:
        stopped: why the revision ended early; ``None`` when it did not.
    """

    def __init__(self, code: RevisionCode, path: Path) -> None:
        self._place = code.place
        self._path = path
        self._reviews: dict[int, StatementReview] = {}
        self._left_out: set[int] = set()
        self._alone: set[int] = set()
        self._autocommitted = not code.transactional
        self._number = 0
        self._running: StatementReview | None = None
        self._begun = self._before = Picture({})
        self._wrapped = self._stale = self._ours = False
        self.stopped: str | None = None

    # -- what it saw -----------------------------------------------------------------------------------

    def reviews(self) -> list[StatementReview]:
        """What was sent, in order, without questions to the catalogue."""
        return [self._reviews[number] for number in sorted(self._reviews)]

    @property
    def whole(self) -> bool:
        """Whether all of it ran."""
        return self.stopped is None and all(review.error is None for review in self._reviews.values())

    def stop(self, error: Exception) -> None:
        """Nothing more will be seen."""
        self.stopped = f"it fails in an empty database: {_told(error)}"

    def call(self, function: Callable[[], None]) -> None:
        """Run the revision's function from its beginning; where Python code fails, it ends there.

        Raises:
            StatementFailedError: a statement failed.
        """
        self._begin_again()
        try:
            function()
        except StatementFailedError:
            raise
        except Exception as error:
            if self._running is not None:
                self._leave_out(error)
                raise StatementFailedError from error
            self.stopped = f"it ends early in an empty database: {_told(error)}"
        self._require_nothing_failed()

    def _begin_again(self) -> None:
        """Forget what an earlier attempt saw, but for what it committed and what failed."""
        self._number, self._running, self.stopped = 0, None, None
        self._reviews = {number: it for number, it in self._reviews.items() if number in self._left_out}

    # -- the guard -------------------------------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """A transaction has begun: what it finds is what was there before."""
        self._begun = self._before = everything(connection)
        self._autocommitted = False

    def leave_transaction(self) -> None:
        """What was done so far is committed, and not done again."""
        self._left_out.update(number for number in self._reviews if number <= self._number)

    @contextmanager
    def autocommitting(self, connection: Connection) -> Iterator[None]:
        """Around statements that are committed one by one."""
        self._autocommitted = True
        try:
            yield
        finally:
            with self._asking():
                self._unwrap(connection)

    def verify(self, connection: Connection) -> None:
        """Nothing to see to."""

    def close(self, connection: Connection) -> None:
        """Nothing to put on record."""

    # -- the two events of every statement -------------------------------------------------------------

    @contextmanager
    def listening(self, connection: Connection) -> Iterator[None]:
        """Look on for the length of the block."""
        event.listen(connection, "before_cursor_execute", self._sent, retval=True)
        event.listen(connection, "after_cursor_execute", self._done)
        try:
            yield
        finally:
            event.remove(connection, "before_cursor_execute", self._sent)
            event.remove(connection, "after_cursor_execute", self._done)

    def _sent(
        self, connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        if self._ours:
            return statement, parameters
        if _SAVEPOINT.match(skeleton(statement)):
            self._stale, self._running = True, None  # a failure that it goes back from is its own affair
            return statement, parameters
        self._require_nothing_failed()
        self._number += 1
        if self._number in self._left_out:
            return _NOTHING, ()
        with self._asking():
            self._prepare(connection, statement)
        self._running = StatementReview(
            self._number,
            shown(statement).strip().rstrip(";").rstrip(),
            line=self._line(),
            transactional=not self._autocommitted,
            traced=True,
        )
        return statement, parameters

    def _done(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        running = self._running
        if self._ours or running is None:
            return
        with self._asking():
            seen = self._look(connection, statement)
            self._unwrap(connection)
        self._running = None
        if seen.locks or not _asks_the_catalogue(statement):
            self._reviews[self._number] = replace(
                running, locks=seen.locks, rewritten=seen.rewritten, scanned=seen.scanned
            )
            if self._autocommitted and kind_of(statement) is not Kind.REPEATED:
                self._left_out.add(self._number)

    def _prepare(self, connection: Connection, statement: str) -> None:
        if not self._autocommitted:
            if self._stale:
                self._before, self._stale = brought_up_to_date(connection, self._before), False
            return
        self._unwrap(connection)
        if not self._runs_alone(statement):
            connection.exec_driver_sql("BEGIN")
            self._wrapped = True
        self._begun = self._before = everything(connection)

    def _runs_alone(self, statement: str) -> bool:
        return self._number in self._alone or must_run_alone(statement)

    def _look(self, connection: Connection, statement: str) -> Effects:
        """What the statement did since ``_prepare``."""
        before = self._before
        if self._autocommitted and not self._wrapped:
            return documented(statement, before, everything(connection))
        self._before = brought_up_to_date(connection, before)
        return effects(statement, self._begun, before, self._before)

    def _unwrap(self, connection: Connection) -> None:
        """End the transaction around a statement, if there is one; a failed one is rolled back by COMMIT."""
        if self._wrapped:
            self._wrapped = False
            connection.exec_driver_sql("COMMIT")

    # -- what fails ------------------------------------------------------------------------------------

    def _require_nothing_failed(self) -> None:
        """Return unless the revision went on after a statement of it had failed."""
        if self._running is not None:
            self._leave_out(None)
            raise StatementFailedError

    def _leave_out(self, error: Exception | None) -> None:
        """See that the statement that failed is not run again, or not in a transaction."""
        running, self._running = self._running, None
        if running is None:
            return
        report = (
            read_error(error.__cause__ or error if isinstance(error, HeadwayError) else error)
            if error
            else None
        )
        if self._wrapped and report and report.sqlstate == _IN_A_TRANSACTION:
            self._alone.add(self._number)
            return
        self._left_out.add(self._number)
        said = "it fails in an empty database" if report is None else _flat(report.message)
        self._reviews[self._number] = replace(
            running,
            traced=False,
            error="it fails; what it holds is not shown" if is_confidential(running.sql) else said,
        )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Statements of ours among the revision's."""
        self._ours = True
        try:
            yield
        finally:
            self._ours = False

    def _line(self) -> int | None:
        place = self._place(None)
        return place.line if place else line_running(self._path)


def _asks_the_catalogue(statement: str) -> bool:
    return kind_of(statement) is Kind.REPEATED and _OF_THE_CATALOGUE.search(skeleton(statement)) is not None


def _told(error: BaseException) -> str:
    """An error in one line, without what may be a secret."""
    report = read_error(error)
    return (
        type(error).__name__
        if report.statement and is_confidential(report.statement)
        else _flat(report.message)
    )


def _flat(text: str) -> str:
    return " ".join(text.split())
