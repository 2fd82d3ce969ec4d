"""The ledger in an SQLite file: the same table, view and rows, by SQLite's SQL."""

from __future__ import annotations

from contextlib import nullcontext
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from headway.errors import HeadwayError, LedgerError
from headway.ledger import Ledger
from headway.ledger.schema import Place
from headway.project import VersionTable
from headway.sqlite import statements

if TYPE_CHECKING:
    from types import ModuleType

    from sqlalchemy.engine import Connection

# Words of sqlite_schema in those of PostgreSQL's pg_class.relkind, which Place speaks.
_KINDS = {"table": "r", "view": "v", "index": "i"}
_FOUND = text("SELECT name, type, sql FROM main.sqlite_master WHERE name IN (:history, :view)")
_MARK = text("SELECT dflt_value FROM pragma_table_info(:history) WHERE name = 'ledger_layout'")
_LAYOUT = 2


class FileLedger(Ledger):
    """See :class:`headway.ledger.Ledger`.

    ``database_user``, ``backend_pid`` and ``backend_start`` say nothing here, for nobody logs in to a file;
    ``sqlstate`` is SQLite's name of an error, such as ``SQLITE_BUSY``; ``versions`` has SQLite's own as
    ``server``.
    """

    @property
    def _statements(self) -> ModuleType:
        return statements

    def prepare(self, connection: Connection) -> None:
        """Make the table and the view. Idempotent; the caller holds the migrator lock.

        Raises:
            LedgerError: something else has one of the names, or a newer headway made the ledger.
        """
        with connection.begin():
            place = self._look(connection)
            place.refuse_foreign()
            parts = {"history": place.history, "view": place.view}
            if place.layout is None:
                connection.execute(text(statements.CREATE.format(**parts)))
            if not place.view_is_ours:
                connection.execute(text(statements.CREATE_VIEW.format(**parts)))
            self._look(connection)

    def obstacle(self, connection: Connection, *, version_schema: str | None) -> HeadwayError | None:  # noqa: ARG002
        """Something foreign of the ledger's name; nobody grants rights in a file."""
        with nullcontext() if connection.in_transaction() else connection.begin():
            try:
                self._look(connection).refuse_foreign()
            except LedgerError as error:
                return error
        return None

    def _look(self, connection: Connection) -> Place:
        # Known to the connection, not to the file: the view works without it.
        if statements.HASH not in connection.info:
            driver: Any = connection.connection.dbapi_connection
            driver.create_function(statements.HASH, 1, _hashed, deterministic=True)
            connection.info[statements.HASH] = True
        names = self.names
        found = {
            row.name: row
            for row in connection.execute(_FOUND, {"history": names.history, "view": names.view})
        }
        history, view = found.get(names.history), found.get(names.view)
        layout = connection.scalar(_MARK, {"history": names.history}) if history is not None else None
        self._place = Place(
            names,
            VersionTable(self._table.name, "main"),
            schema="main",
            schema_exists=True,
            encoding="UTF8",
            history_kind=_KINDS.get(history.type) if history is not None else None,
            layout=int(layout) if layout is not None else None,
            view_kind=_KINDS.get(view.type) if view is not None else None,
            view_is_ours=view is not None and view.type == "view" and f'"{names.history}"' in view.sql,
        )
        return self._place

    @property
    def _layout(self) -> int:
        return _LAYOUT


def _hashed(said: str) -> str:
    return sha256(said.encode()).hexdigest()
