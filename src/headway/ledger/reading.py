"""What can be asked of a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from headway.alone import singly
from headway.errors import HeadwayError, LedgerError
from headway.ledger import schema, statements
from headway.ledger.access import obstacle_to
from headway.ledger.entries import clean_for, read_entry, read_faults
from headway.ledger.glimpse import Glimpse, glimpse
from headway.ledger.names import LedgerNames
from headway.planning import read_record
from headway.project import VersionTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import ModuleType

    from sqlalchemy.engine import Connection, CursorResult

    from headway.results import Application, LedgerEntry, Operation, Outcome


class LedgerReader:
    """The half of :class:`headway.ledger.Ledger` that writes nothing.

    Its methods join the caller's transaction, and answer empty when there is no ledger.

    Args:
        names: what its table and view are called.
        table: the version table whose ledger it is.
    """

    def __init__(self, names: LedgerNames | None = None, table: VersionTable | None = None) -> None:
        self.names = names or LedgerNames()
        self._table = table or VersionTable()
        self._place: schema.Place | None = None
        # Whether it was made ready, and so is where it was found for as long as the migrator lock is held.
        self._stands = False

    @property
    def _statements(self) -> ModuleType:
        """The SQL, by name; of PostgreSQL."""
        return statements

    def exists(self, connection: Connection) -> bool:
        """Whether there is a ledger; a foreign table of its name is none. Joins the caller's transaction."""
        with singly(connection):
            return self._look(connection).layout is not None

    def is_current(self, connection: Connection) -> bool:
        """Whether table and view are there as this headway makes them, so that ``prepare`` has nothing to do.

        Joins the caller's transaction.
        """
        with singly(connection):
            return self._look(connection).is_current

    def obstacle(self, connection: Connection, *, version_schema: str | None) -> HeadwayError | None:
        """What would keep a run from writing the ledger as it was last seen, see ``obstacle_to``.

        Joins the caller's transaction.
        """
        place, _ = self._known(connection)
        with singly(connection):
            return obstacle_to(connection, place, version_schema=version_schema)

    def dirty(self, connection: Connection) -> LedgerEntry | None:
        """The newest entry that may have left a part of its revision behind; ``None`` as a rule.

        That is one which did not succeed (or still runs) although statements were journalled, for a revision
        that no later entry of any operation completed.
        """
        rows = self._ask(connection, self._statements.DIRTY)
        return read_entry(rows[0]) if rows else None

    def entries(
        self,
        connection: Connection,
        *,
        revision: str | None = None,
        run_id: str | None = None,
        outcome: Outcome | None = None,
        operation: Operation | None = None,
        limit: int | None = None,
    ) -> tuple[LedgerEntry, ...]:
        """Entries, newest first; empty when none match.

        Args:
            connection: where.
            revision: only this revision's; its beginning will do when no revision has that very name.
            run_id: only this run's; its beginning will do, likewise.
            outcome: only these.
            operation: only these.
            limit: at most so many; all when ``None``.
        """
        rows = self._ask(
            connection,
            self._statements.ENTRIES,
            revision=revision,
            run_id=run_id,
            outcome=outcome.value if outcome else None,
            operation=operation.value if operation else None,
            limit=limit,
        )
        return tuple(read_entry(row) for row in rows)

    def on_record(self, connection: Connection) -> frozenset[str]:
        """The revisions that are applied, by the ledger's own word."""
        return frozenset(row.version for row in self._ask(connection, self._statements.ON_RECORD))

    def applied_at(self, connection: Connection) -> Mapping[str, datetime]:
        """When each revision that is applied was applied (or stamped).

        Revisions applied before the ledger, or behind its back, are not among them.
        """
        times = {revision: each.applied_at for revision, each in self.record_of(connection).items()}
        return {revision: moment for revision, moment in times.items() if moment}

    def record_of(self, connection: Connection) -> Mapping[str, Application]:
        """How each revision that is applied came to be so, by the ledger's own word."""
        return read_record(row._mapping for row in self._ask(connection, self._statements.RECORD))  # noqa: SLF001  # public, see read_entry

    def glimpse(self, connection: Connection, *, readable: bool = True) -> Glimpse | None:
        """All that decides where the database stands, in one statement once the ledger was looked up.

        Args:
            connection: where.
            readable: whether this role may read the ledger; where there is none, it does not matter.

        Returns:
            ``None`` where there is no schema for a version table.

        Raises:
            DatabaseError: something else answered.
        """
        place, _ = self._known(connection)
        if not place.schema_exists:
            return None
        return glimpse(connection, place, self._table, readable=readable)

    def verify(self, connection: Connection) -> tuple[str, ...]:
        """Check the seal of every closed entry, and the chains, those of other version tables too.

        What cannot be found: that the newest entries were taken away, and a forger who computes all hashes
        anew from his change onwards. Keep the newest hash elsewhere against those.

        Returns:
            What is broken, one line each, oldest first; empty when the ledger is whole, or there is none.

        Raises:
            LedgerError: a newer headway made it, and knows what its hashes are of; or something else has its
                name.
        """
        with singly(connection):
            self._look(connection).refuse_foreign()
        return tuple(
            line for row in self._ask(connection, self._statements.BROKEN) for line in read_faults(row)
        )

    # -- inside ----------------------------------------------------------------------------------------

    def _look(self, connection: Connection) -> schema.Place:
        self._place = schema.probe(connection, *self._pinned())
        return self._place

    def _pinned(self) -> tuple[LedgerNames, VersionTable]:
        """The names of ledger and version table, with their schemas once these have been looked up."""
        if self._place is None:
            return self.names, self._table
        return replace(self.names, schema=self._place.schema), self._place.table

    @property
    def _found(self) -> schema.Place:
        if self._place is None:  # never: whoever asks has opened an entry
            raise LedgerError("the ledger was not found")
        return self._place

    def _known(self, connection: Connection) -> tuple[schema.Place, Callable[[str], str]]:
        if self._place is None:
            with singly(connection):
                self._look(connection)
        return self._found, clean_for(self._found.encoding)

    def _ask(self, connection: Connection, statement: str, **parameters: Any) -> Sequence[Any]:
        with singly(connection):
            place = self._found if self._stands else self._look(connection)
            if place.layout is None:
                return ()
            return executed(connection, place, statement, parameters).all()


def in_transaction(connection: Connection) -> AbstractContextManager[Any]:
    """The caller's transaction when there is one, else a short one of our own."""
    return nullcontext() if connection.in_transaction() else connection.begin()


def in_place(place: schema.Place, statement: str) -> str:
    """One of ``statements``, with the names of this ledger's table and of its rows."""
    # str.format takes one pass, so braces in a name do no harm.
    return statement.format(history=place.history, rows=place.rows, every=place.every)


def executed(
    connection: Connection,
    place: schema.Place,
    statement: str,
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> CursorResult[Any]:
    """Execute one of ``statements`` on this ledger, once or for each of several rows."""
    written = in_place(place, statement)
    whose = {"version_table": place.version_table}
    if isinstance(parameters, Mapping):
        return connection.execute(text(written), {**whose, **parameters})
    return connection.execute(text(written), [{**whose, **each} for each in parameters])
