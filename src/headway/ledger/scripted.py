"""The ledger's SQL for a script that psql runs: the same statements, as prepared ones of its session.

What a run binds is here either a variable of psql's, set in the script's opening, or a parameter of the
prepared statement. The names of the ledger are known only where the script runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.ledger import schema, statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headway.ledger.names import LedgerNames
    from headway.project import VersionTable

SCHEMA = "headway_ledger_schema"
"""The variable of psql's that holds the ledger's schema."""
VERSION_TABLE = "headway_version_table"
"""The one that holds the version table, as the ledger's rows name it."""

_PARAMETER = re.compile(r"(?<![:\\\w]):([a-z_]+)")
_DONE = (
    "(SELECT CAST(pg_catalog.count(*) AS integer) FROM pg_catalog.jsonb_array_elements"
    "(CAST($7 AS jsonb)) AS line WHERE line ->> 'finished_at' IS NOT NULL)"
)
_WHO = "via psql"
_HOST = "coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), 'local')"

# What the script's variables say, and in which order a prepared statement takes the rest.
_OPEN = {
    "revision": "$1",
    "operation": "$2",
    "outcome": "$3",
    "applied": "$4",
    "transactional": "$5",
    "description": "$6",
    "journal": "$7",
    "checksum": "$8",
    "statements_done": _DONE,
    "statements_total": "NULL",
    "run_id": ":'headway_run_id'",
    "os_user": f"'{_WHO}'",
    "host": _HOST,
    "versions": ":'headway_versions'",
    "layout": str(len(schema.LAYOUTS)),
}
_CLOSE = {
    "id": "$1",
    "outcome": "$2",
    "error": "$3",
    "sqlstate": "NULL",
    "statements_done": "NULL",
    "duration_ms": "CASE WHEN $2 = 'succeeded' THEN pg_catalog.date_part('epoch', "
    "pg_catalog.clock_timestamp() - started_at) * 1000 END",
}
_JOURNAL = {
    "id": "$1",
    "position": "$2",
    "statement": "$3",
    "digest": "$4",
    "done": "$5",
    "rowcount": "$6",
    "indexes_before": "$7",
    "backend_pid": "NULL",
    "repaired": "'[]'",
}


class LedgerScript:
    """The statements of one ledger; text only."""

    def __init__(self, names: LedgerNames, table: VersionTable) -> None:
        self._names = names
        self._table = table
        self.history = f':"{SCHEMA}".{_quoted(names.history)}'
        self._view = f':"{SCHEMA}".{_quoted(names.view)}'
        self._rows = (
            f"(SELECT * FROM {self.history} AS every_row "  # noqa: S608  # names, quoted
            f"WHERE every_row.version_table = :'{VERSION_TABLE}')"
        )

    @property
    def probe(self) -> str:
        """What there is where the ledger should be: one row, of the columns of a ``Place``."""
        values = {
            "schema": _literal(self._names.schema),
            "history": _literal(self._names.history),
            "view": _literal(self._names.view),
            "version_schema": _literal(self._table.schema),
            "version_table": _literal(self._table.name),
        }
        return _filled(str(schema.PROBE), values)

    def layout(self, number: int) -> tuple[str, ...]:
        """The statements that bring the table to a layout from the one before; the first from nothing."""
        parts = {"history": self.history}
        own = {"version_table": f":'{VERSION_TABLE}'"}
        return tuple(
            _filled(statement.strip().format(**parts), own) for statement in schema.LAYOUTS[number - 1]
        )

    @property
    def view(self) -> tuple[str, ...]:
        """The statements that make the view anew."""
        applied = schema.APPLIED.format(source=self.history)
        parts = {"view": self._view, "applied": applied}
        return tuple(
            statement.strip().format(**parts).strip() for statement in (schema.VIEW, schema.VIEW_COMMENT)
        )

    @property
    def prepared(self) -> dict[str, str]:
        """The statements to prepare, by name, with the types of their parameters in front."""
        return {
            "headway_open (text, text, text, boolean, boolean, text, text, text)": self._of(
                statements.INSERT, _OPEN
            ),
            "headway_close (bigint, text, text)": self._of(statements.CLOSE, _CLOSE),
            "headway_journal (bigint, integer, text, text, boolean, bigint, text)": self._of(
                statements.JOURNAL, _JOURNAL
            ),
            "headway_journal_done (bigint, integer)": self._of(
                statements.JOURNAL_DONE, {"id": "$1", "position": "$2"}
            ),
        }

    @property
    def running(self) -> str:
        """The numbers of the entries that a dead run left open, newest first."""
        return f"SELECT id FROM {self._rows} AS entry WHERE outcome = 'running' ORDER BY id DESC"  # noqa: S608

    @property
    def dirty(self) -> str:
        """The step that was interrupted: one row of texts, empty where there is none."""
        return (
            "SELECT coalesce(pg_catalog.max(revision), '') AS dirty, "  # noqa: S608
            "coalesce(pg_catalog.max(operation), '') AS dirty_operation, "
            "coalesce(pg_catalog.max(CASE WHEN transactional THEN '[]' ELSE journal END), '[]') AS journal "
            f"FROM ({self._of(statements.DIRTY, {})}) AS interrupted"
        )

    @property
    def on_record(self) -> str:
        """The revisions that the ledger takes for applied: ``version`` and ``description``."""
        return self._of(statements.ON_RECORD, {})

    def _of(self, statement: str, values: Mapping[str, str]) -> str:
        written = statement.format(history=self.history, rows=self._rows, every=self.history)
        return _filled(written, {"version_table": f":'{VERSION_TABLE}'", **values}).strip()


def _filled(statement: str, values: Mapping[str, str]) -> str:
    return _PARAMETER.sub(lambda found: values[found[1]], statement)


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
