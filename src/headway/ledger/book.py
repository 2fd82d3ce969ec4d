"""The ledger itself: what is written to it, when, and what can be asked of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from headway.errors import LedgerError
from headway.ledger import schema
from headway.ledger.entries import NewEntry, clean_for
from headway.ledger.opening import Opening
from headway.ledger.reading import LedgerReader, executed, in_place, in_transaction
from headway.results import LedgerEntry, Operation, Outcome
from headway.sqltext import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from headway.ledger.names import LedgerNames
    from headway.project import VersionTable
    from headway.sqltext.filling import Value

NOBODY_KNOWS = "the run that began this step ended without a word; found by a later run"

# What differs among the entries of a run's steps.
_OF_A_STEP = ("revision", "description", "checksum")
# How often a number is tried anew that the ledger of another version table took first.
_INSERTS = 100


class Ledger(LedgerReader):
    """The ledger of one database, or of one schema of it; make one for each.

    Its methods take any connection to that database. The schema is looked up once and named in every
    statement from then on, so a revision that sets ``search_path`` does not lead the ledger astray. Unless it
    says that it joins the caller's transaction, a method begins and ends one of its own.

    Every method may raise :class:`sqlalchemy.exc.DBAPIError`, which :meth:`headway.session.Session.run` turns
    into :class:`headway.errors.DatabaseError`.

    Args:
        names: what its table and view are called.
        table: the version table whose ledger it is. Others may keep theirs in the same table: each sees its
            own entries only, and they may write at the same time.
    """

    def __init__(self, names: LedgerNames | None = None, table: VersionTable | None = None) -> None:
        super().__init__(names, table)
        self._opening = Opening()
        # What `opening` wrote last, and for which parameters: filling it in takes longer than all else there.
        self._insert_in_run = ""
        self._of_the_run: dict[str, Any] = {}

    @property
    def _layout(self) -> int:
        return len(schema.LAYOUTS)

    # -- standing ready --------------------------------------------------------------------------------

    def prepare(self, connection: Connection) -> None:
        """Make the table and the view, or bring older ones to this headway's layout.

        Idempotent: one SELECT when there is nothing to do. Several at once are safe; the one that comes late
        finds it done.

        Raises:
            LedgerError: something else has one of the names, or a newer headway made the ledger.
        """
        self._place = schema.prepare(connection, *self._pinned())
        self._stands = True

    # -- writing ---------------------------------------------------------------------------------------

    def open(self, connection: Connection, entry: NewEntry) -> int:
        """Put a step on record before it runs, committed, so that whatever becomes of it leaves a trace.

        Returns:
            The entry's number.

        Raises:
            LedgerError: the entry before is still open; `interrupt_abandoned` closes what a dead run left.
        """
        place, clean = self._known(connection)
        if not connection.in_transaction():
            parameters = self._parameters(entry, Outcome.RUNNING, clean)
            whose = {"version_table": place.version_table}
            id_ = self._opening.send(connection, in_place(place, self._statements.INSERT), whose | parameters)
            if id_ is not None:
                return id_
        with connection.begin():
            return self._insert(connection, entry, Outcome.RUNNING)

    def close(
        self,
        connection: Connection,
        id: int,  # noqa: A002  # what the column is called
        outcome: Outcome,
        *,
        duration_ms: float | None,
        sqlstate: str | None = None,
        error: str | None = None,
        statements_done: int | None = None,
    ) -> None:
        """Seal an entry. Joins the caller's transaction, and has one of its own when there is none.

        A success is closed inside the step's own transaction, so the two are committed together or not at
        all; a failure on another connection, after that transaction was rolled back (until then its entry
        is locked by it).

        Args:
            connection: where.
            id: what ``open`` returned.
            outcome: how it ended; not ``RUNNING``.
            duration_ms: how long the step took, in milliseconds; ``None`` when nobody knows.
            sqlstate: the server's code of a failure.
            error: what went wrong, redacted.
            statements_done: how many statements are done; ``None`` keeps what the journal counted.

        Raises:
            LedgerError: the entry is not open. Inside a step's transaction that means another run has taken
                this one for dead, and the step must be rolled back.
        """
        if outcome is Outcome.RUNNING:
            raise ValueError("an entry is not closed as running")
        place, clean = self._known(connection)
        parameters = {
            "id": id,
            "outcome": outcome.value,
            "duration_ms": duration_ms,
            "sqlstate": sqlstate,
            "error": clean(error) if error is not None else None,
            "statements_done": statements_done,
        }
        with in_transaction(connection):
            closed = executed(connection, place, self._statements.CLOSE, parameters)
            if closed.rowcount != 1:
                raise self._not_open(id)

    def closing(self) -> str:
        """The statement that seals an entry as succeeded, for a message of several; it must change one row.

        ``$1`` in it is the entry's number. The step's duration is the server's to tell: the time since the
        entry was opened.
        """
        statement = self._statements.SUCCEED.format(history=self._found.history, id="CAST(:id AS bigint)")
        return filled(statement, {}, later=["id"])

    def opening(self, entry: NewEntry) -> tuple[str, tuple[Value, ...]]:
        """What ``open`` does, for a message of several: behind the statement that closes the entry before.

        Returns:
            The statement, which returns the number of the row that it writes (it must write one), and its
            values, for ``$1`` and so on: what differs from one step of a run to the next.
        """
        place = self._found
        parameters = self._parameters(entry, Outcome.RUNNING, clean_for(place.encoding))
        of_the_step = tuple(parameters.pop(name) for name in _OF_A_STEP)
        if self._of_the_run != parameters:
            values = {"version_table": place.version_table, **parameters}
            self._insert_in_run = filled(in_place(place, self._statements.INSERT), values, later=_OF_A_STEP)
            self._of_the_run = parameters
        return self._insert_in_run, of_the_step

    def record(self, connection: Connection, entries: Sequence[NewEntry]) -> None:
        """Write entries that are done already, as succeeded: a stamp's, one for each revision it changes.

        Joins the caller's transaction, so that they are committed with what they tell of.

        Raises:
            LedgerError: the newest entry is still open.
        """
        with in_transaction(connection):
            # The first one finds out whether any may follow; the rest travel together.
            for first in entries[:1]:
                self._insert(connection, first, Outcome.SUCCEEDED)
            if entries[1:]:
                place, clean = self._known(connection)
                rest = [self._parameters(entry, Outcome.SUCCEEDED, clean) for entry in entries[1:]]
                executed(connection, place, self._statements.INSERT, rest)

    def adopt(
        self,
        connection: Connection,
        run_id: str,
        applied: Mapping[str, str],
        checksums: Mapping[str, str] | None = None,
    ) -> tuple[LedgerEntry, ...]:
        """Take note of revisions that came or went behind the ledger's back, as `baseline` entries.

        A database that plain Alembic migrated until today has all of them; afterwards there is nothing to do,
        as a rule. They have no time of application: nobody knows it.

        Args:
            connection: where.
            run_id: the run that found them.
            applied: every applied revision with its description, in the order they apply.
            checksums: of their files, so that changes are noticed from now on; as far as they are known.

        Returns:
            The entries written, newest first.
        """
        place, _ = self._known(connection)
        with connection.begin():
            known = {
                row.version: row.description
                for row in executed(connection, place, self._statements.ON_RECORD, {})
            }
            come = [
                NewEntry(run_id, revision, Operation.BASELINE, description, (checksums or {}).get(revision))
                for revision, description in applied.items()
                if revision not in known
            ]
            gone = [
                NewEntry(run_id, revision, Operation.BASELINE, description, applied=False)
                for revision, description in known.items()
                if revision not in applied
            ]
            self.record(connection, [*gone, *come])
        if not gone and not come:
            return ()
        return self.entries(connection, run_id=run_id, operation=Operation.BASELINE)

    def interrupt_abandoned(self, connection: Connection) -> tuple[LedgerEntry, ...]:
        """Close what a dead run left open, as interrupted. The caller holds the migrator lock.

        Returns:
            The entries it closed; empty as a rule.
        """
        abandoned = self.entries(connection, outcome=Outcome.RUNNING)
        for entry in abandoned:
            self.close(connection, entry.id, Outcome.INTERRUPTED, duration_ms=None, error=NOBODY_KNOWS)
        if not abandoned:
            return ()
        # Nothing follows an open entry, so these are the newest.
        return self.entries(connection, outcome=Outcome.INTERRUPTED, limit=len(abandoned))

    def journal(  # noqa: PLR0913  # one argument for each fact of the line
        self,
        connection: Connection,
        id: int,  # noqa: A002
        statement: str,
        position: int,
        *,
        digest: str | None = None,
        done: bool = False,
        rowcount: int | None = None,
        backend_pid: int | None = None,
        indexes_before: Sequence[int] | None = None,
        repaired: Sequence[str] = (),
    ) -> None:
        """Put on record that a statement is committed on its own. Joins the caller's transaction.

        Args:
            connection: where.
            id: what ``open`` returned.
            statement: its text, redacted.
            position: counted from 0, without gaps. A statement that is not done may be journalled again.
            digest: what tells whether a later attempt has the same statement.
            done: whether it is done when this transaction is committed; otherwise it is about to begin.
            rowcount: of a statement that is done; ``None`` where it has none.
            backend_pid: the server process that runs it; ``connection``'s own by default.
            indexes_before: oids of what was there before it first began, and so is not its own.
            repaired: INVALID indexes of its own that are dropped before it runs.

        Raises:
            LedgerError: the entry is not open, the position leaves a gap, or its statement is done.
        """
        _, clean = self._known(connection)
        parameters = {
            "statement": clean(statement),
            "digest": digest,
            "done": done,
            "rowcount": rowcount,
            "backend_pid": backend_pid,
            "indexes_before": json.dumps(indexes_before),
            "repaired": json.dumps([clean(name) for name in repaired]),
        }
        self._write_line(connection, self._statements.JOURNAL, id, position, parameters)

    def journal_done(self, connection: Connection, id: int, position: int) -> None:  # noqa: A002
        """Put on record that a statement that was begun is done. Joins the caller's transaction.

        Raises:
            LedgerError: the entry is not open, or no such statement is under way.
        """
        self._write_line(connection, self._statements.JOURNAL_DONE, id, position, {})

    def journal_rejected(self, connection: Connection, id: int, position: int, sqlstate: str) -> None:  # noqa: A002
        """The same for a statement that the server refused."""
        self._write_line(connection, self._statements.JOURNAL_REJECTED, id, position, {"sqlstate": sqlstate})

    # -- inside ----------------------------------------------------------------------------------------

    def _insert(self, connection: Connection, entry: NewEntry, outcome: Outcome) -> int:
        place, clean = self._known(connection)
        parameters = self._parameters(entry, outcome, clean)
        for _ in range(_INSERTS):
            id_ = executed(connection, place, self._statements.INSERT, parameters).scalar()
            if id_ is not None:
                return int(id_)
            if executed(connection, place, self._statements.OPEN, {}).scalar():
                raise LedgerError(
                    "the newest entry of the ledger is still open, so no other can follow it",
                    hint="Another run is at work, or has died; the next run closes what a dead one left.",
                )
        raise LedgerError(
            f"others kept writing to the ledger {self.names.history} at the same time",
            hint="Run the command again.",
        )

    def _parameters(self, entry: NewEntry, outcome: Outcome, clean: Callable[[str], str]) -> dict[str, Any]:
        return {**entry.parameters(outcome, clean), "layout": self._layout}

    def _write_line(
        self, connection: Connection, statement: str, id_: int, position: int, more: Mapping[str, Any]
    ) -> None:
        place, _ = self._known(connection)
        with in_transaction(connection):
            written = executed(connection, place, statement, {"id": id_, "position": position, **more})
            if written.rowcount != 1:
                raise self._not_open(id_, position)

    def _not_open(self, id_: int, position: int | None = None) -> LedgerError:
        what = f"entry {id_}" if position is None else f"statement {position + 1} of entry {id_}"
        return LedgerError(
            f"{what} of the ledger {self.names.history} is not open: it was closed meanwhile, most likely by "
            "another run that took this one for dead",
            hint="`headway log` shows what happened; `headway status` shows where the database stands.",
        )
