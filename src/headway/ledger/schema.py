"""The ledger's own table and view: their layouts, and how a database gets from one layout to the next.

The layout of new rows is the default of the column ``ledger_layout``, so the version of the schema is part of
the schema: it survives a dump without comments, and is asked for in the same SELECT as everything else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.alone import singly
from headway.diagnosis import read_error
from headway.errors import LedgerError
from headway.ledger.names import LAYOUT_COLUMN, LedgerNames, quoted
from headway.placement import version_schema
from headway.script import send_script
from headway.sqltext import filled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from headway.project import VersionTable

LAYOUTS: Sequence[Sequence[str]] = (
    (
        """
        CREATE TABLE {history} (
            id bigint PRIMARY KEY,
            ledger_layout smallint NOT NULL DEFAULT 1,
            run_id text NOT NULL,
            revision text NOT NULL,
            operation text NOT NULL
                CHECK (operation IN ('upgrade', 'downgrade', 'stamp', 'baseline', 'repair')),
            outcome text NOT NULL CHECK (outcome IN ('running', 'succeeded', 'failed', 'interrupted')),
            applied boolean,
            transactional boolean NOT NULL,
            description text NOT NULL,
            checksum text,
            previous_hash text,
            hash text,
            started_at timestamptz NOT NULL,
            finished_at timestamptz,
            duration_ms numeric(15, 3),
            sqlstate text,
            error text,
            statements_done integer NOT NULL,
            statements_total integer,
            database_user text NOT NULL,
            os_user text NOT NULL,
            host text NOT NULL,
            versions jsonb NOT NULL,
            journal jsonb NOT NULL,
            backend_pid integer,
            backend_start timestamptz
        )
        """,
        """
        COMMENT ON TABLE {history} IS
            'Ledger of headway: one row for each attempted migration step, never changed once closed'
        """,
    ),
    (
        # Whose rows they were was not on record: whoever comes first takes them. Revisions of another version
        # table among them are noted as gone by the next run, and as applied by the other one's.
        "ALTER TABLE {history} ADD COLUMN version_table text",
        "UPDATE {history} SET version_table = CAST(:version_table AS text)",
        "ALTER TABLE {history} ALTER COLUMN version_table SET NOT NULL",
        "ALTER TABLE {history} ALTER COLUMN ledger_layout SET DEFAULT 2",
    ),
)
"""Statements that bring the table from each layout to the next, the first from nothing.

Since the second each row says whose it is: several version tables may keep their ledgers in one table, and
have each their own chain.
"""

_FIRST_WITH_VERSION_TABLE = 2

VIEW = """
    CREATE OR REPLACE VIEW {view} AS {applied}
"""
VIEW_COMMENT = "COMMENT ON VIEW {view} IS 'Revisions applied now, as the ledger of headway knows'"

APPLIED = """
    SELECT revision AS version,
        CASE WHEN operation <> 'baseline' THEN finished_at END AS applied_at,
        description
    FROM (
        SELECT DISTINCT ON (version_table, revision) revision, operation, applied, finished_at, description
        FROM {source} AS entry
        WHERE outcome = 'succeeded' AND applied IS NOT NULL
        ORDER BY version_table, revision, id DESC
    ) AS latest
    WHERE applied
"""
"""What the last successful step of each revision left applied; a baseline was applied nobody knows when."""

PROBE = text(f"""
    SELECT place.schema,
        {version_schema(":version_schema", ":version_table")} AS version_schema,
        namespace.oid IS NOT NULL AS schema_exists,
        pg_catalog.current_setting('server_encoding') AS encoding,
        history.relkind::text AS history_kind,
        pg_catalog.pg_get_expr(initial.adbin, initial.adrelid) AS layout,
        view.relkind::text AS view_kind,
        EXISTS (
            SELECT FROM pg_catalog.pg_depend AS link
            JOIN pg_catalog.pg_rewrite AS rule ON rule.oid = link.objid
            WHERE link.classid = CAST('pg_rewrite' AS regclass) AND link.refobjid = history.oid
                AND rule.ev_class = view.oid
        ) AS view_is_ours
    FROM (
        SELECT {version_schema(":schema", ":history")} AS schema
    ) AS place
    LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = place.schema
    LEFT JOIN pg_catalog.pg_class AS history
        ON history.relnamespace = namespace.oid AND history.relname = CAST(:history AS text)
    LEFT JOIN pg_catalog.pg_class AS view
        ON view.relnamespace = namespace.oid AND view.relname = CAST(:view AS text)
    LEFT JOIN pg_catalog.pg_attribute AS mark ON mark.attrelid = history.oid AND history.relkind = 'r'
        AND mark.attname = '{LAYOUT_COLUMN}' AND NOT mark.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef AS initial
        ON initial.adrelid = mark.attrelid AND initial.adnum = mark.attnum
""")  # noqa: S608  # a constant of ours

_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "i": "index",
    "I": "index",
    "c": "type",
}
"""``pg_class.relkind`` (manual, section 52.11)."""

# Somebody made it a moment before us: duplicate table, schema or object, and the unique index of a catalogue,
# which is where CREATE TABLE and CREATE SCHEMA meet when they run at once.
_MADE_MEANWHILE = frozenset({"42P07", "42P06", "42710", "23505"})
_TRIES = 5

# An upgrade of the table needs it for itself, and must not queue everybody behind a long reader.
_PATIENCE = "SET LOCAL lock_timeout = '5s'"


@dataclass(frozen=True, slots=True)
class Place:
    """What there is where the ledger should be; ``table`` is the version table whose ledger it is."""

    names: LedgerNames
    table: VersionTable
    schema: str
    schema_exists: bool
    encoding: str
    history_kind: str | None
    layout: int | None
    view_kind: str | None
    view_is_ours: bool

    @property
    def history(self) -> str:
        """The table, quoted and with its schema."""
        return f"{quoted(self.schema)}.{quoted(self.names.history)}"

    @property
    def version_table(self) -> str:
        """The version table, as the ledger's rows name it."""
        return f"{self.table.schema}.{self.table.name}"

    @property
    def every(self) -> str:
        """For FROM: the rows of all version tables, in today's layout."""
        if self.layout is None or self.layout >= _FIRST_WITH_VERSION_TABLE:
            return self.history
        return f"(SELECT *, CAST(:version_table AS text) AS version_table FROM {self.history})"  # noqa: S608

    @property
    def rows(self) -> str:
        """For FROM: the rows of this version table."""
        own = "every_row.version_table = CAST(:version_table AS text)"
        return f"(SELECT * FROM {self.every} AS every_row WHERE {own})"  # noqa: S608

    @property
    def view(self) -> str:
        """The view, quoted and with its schema."""
        return f"{quoted(self.schema)}.{quoted(self.names.view)}"

    @property
    def is_current(self) -> bool:
        """Whether table and view are there, as this headway makes them."""
        return self.layout == len(LAYOUTS) and self.view_is_ours

    @property
    def outdated(self) -> bool:
        """Whether the table is there in a layout that this headway brings to its own."""
        return self.layout is not None and self.layout < len(LAYOUTS)

    @property
    def quoted_schema(self) -> str:
        """The schema, quoted."""
        return quoted(self.schema)

    def refuse_foreign(self) -> None:
        """Return when what has the ledger's names is the ledger's, or nothing.

        Raises:
            LedgerError: it is not, or a newer headway made it.
        """
        if self.history_kind is not None and self.layout is None:
            self._refuse(self.history_kind, self.names.history)
        if self.view_kind is not None and not self.view_is_ours:
            self._refuse(self.view_kind, self.names.view)
        if self.layout is not None and self.layout > len(LAYOUTS):
            raise LedgerError(
                f"the ledger {self.schema}.{self.names.history} was made by a newer headway: its layout is "
                f"{self.layout}, and this headway knows those up to {len(LAYOUTS)}",
                hint="Upgrade headway here to the version that the other users of this database have.",
            )

    def _refuse(self, kind: str, name: str) -> None:
        raise LedgerError(
            f"{self.schema}.{name} is a {_KINDS.get(kind, 'relation')} that headway did not make, and the "
            "ledger would have that name; nothing was changed",
            hint="Give headway's ledger another name or a schema of its own in env.py "
            "(env.run(…, history_table=…, history_view=…, history_schema=…)), or rename what is there.",
        )


def probe(connection: Connection, names: LedgerNames, table: VersionTable) -> Place:
    """Look what there is; one SELECT.

    Raises:
        LedgerError: no schema is named and the search path leads to none.
    """
    asked = {"schema": names.schema, "history": names.history, "view": names.view}
    found = connection.execute(
        PROBE, {**asked, "version_schema": table.schema, "version_table": table.name}
    ).one()
    if found.schema is None:
        raise LedgerError(
            "there is no schema for the ledger: none of the search path exists",
            hint="Create the schema, correct the role's search_path, or name the ledger's schema in env.py "
            "(env.run(…, history_schema=…)).",
        )
    return Place(
        names,
        replace(table, schema=found.version_schema),
        found.schema,
        found.schema_exists,
        found.encoding,
        found.history_kind,
        int(found.layout) if found.layout is not None else None,
        found.view_kind,
        found.view_is_ours,
    )


def prepare(connection: Connection, names: LedgerNames, table: VersionTable) -> Place:
    """Make the ledger, or bring it to this headway's layout; safe beside others that do the same.

    Nothing but a SELECT is sent when it is current already.

    Raises:
        LedgerError: something else has its name, or a newer headway made it.
        sqlalchemy.exc.DBAPIError: the server refused (42501: the role may not create it).
    """
    place = _found(connection, names, table)
    tries = 0
    while not place.is_current:
        tries += 1
        try:
            _bring_up(connection, place)
        except DBAPIError as error:
            if tries == _TRIES or read_error(error).sqlstate not in _MADE_MEANWHILE:
                raise
        place = _found(connection, names, table)
    return place


def _found(connection: Connection, names: LedgerNames, table: VersionTable) -> Place:
    with singly(connection):
        place = probe(connection, names, table)
    place.refuse_foreign()
    return place


def _bring_up(connection: Connection, place: Place) -> None:
    """Run what is missing."""
    whose = {"version_table": place.version_table}
    if place.layout is None and send_script(connection, [filled(each, whose) for each in _missing(place)]):
        return
    with connection.begin():
        if place.layout is not None:
            connection.execute(text(_PATIENCE))
            connection.execute(text(f"LOCK TABLE {place.history} IN ACCESS EXCLUSIVE MODE"))
            # Whoever had it locked may have done this already.
            place = probe(connection, place.names, place.table)
        for statement in _missing(place):
            connection.execute(text(statement), whose)


def _missing(place: Place) -> list[str]:
    """The statements that bring it to this headway's layout."""
    statements = [statement for layout in LAYOUTS[place.layout or 0 :] for statement in layout]
    if not place.schema_exists:
        # Not IF NOT EXISTS: that asks for the privilege even when the schema is there.
        statements.insert(0, "CREATE SCHEMA {schema}")
    parts = {"schema": quoted(place.schema), "history": place.history, "view": place.view}
    parts["applied"] = APPLIED.format(source=place.history)
    return [statement.format(**parts) for statement in (*statements, VIEW, VIEW_COMMENT)]
