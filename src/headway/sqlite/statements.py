"""The ledger's SQL for SQLite; see :mod:`headway.ledger.statements`, whose names these are.

Times are text in UTC as everywhere in the ledger, by this machine's clock, to the millisecond. The hash is
a function that headway gives to the connection (``book``), for SQLite has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HASH = "headway_sha256"

_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
COLUMNS = (
    *("id", "ledger_layout", "run_id", "revision", "operation", "outcome", "applied", "transactional"),
    *("description", "checksum", "previous_hash", "started_at", "finished_at", "duration_ms", "sqlstate"),
    *("error", "statements_done", "statements_total", "database_user", "os_user", "host", "versions"),
    *("journal", "backend_pid", "backend_start", "version_table"),
)
"""Everything a row says, except its own hash, which is of these."""

CREATE = """
    CREATE TABLE {history} (
        id integer PRIMARY KEY,
        ledger_layout integer NOT NULL DEFAULT 2,
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
        started_at text NOT NULL,
        finished_at text,
        duration_ms real,
        sqlstate text,
        error text,
        statements_done integer NOT NULL,
        statements_total integer,
        database_user text NOT NULL,
        os_user text NOT NULL,
        host text NOT NULL,
        versions text NOT NULL,
        journal text NOT NULL,
        backend_pid integer,
        backend_start text,
        version_table text NOT NULL
    )
"""

APPLIED = """
    SELECT revision AS version,
        CASE WHEN operation <> 'baseline' THEN finished_at END AS applied_at,
        description
    FROM {source} AS entry
    WHERE applied AND id IN (
        SELECT max(id) FROM {source} AS latest
        WHERE outcome = 'succeeded' AND applied IS NOT NULL
        GROUP BY version_table, revision
    )
"""
CREATE_VIEW = "CREATE VIEW {view} AS " + APPLIED.format(source="{history}")


def _seal(row: str, changed: Mapping[str, str] | None = None) -> str:
    """A closed row's hash; ``changed`` are columns that are being written in the same breath."""
    fields = {name: f"{row}.{name}" for name in COLUMNS} | dict(changed or {})
    return f"{HASH}(json_array({', '.join(fields.values())}))"


INSERT = f"""
    INSERT INTO {{history}} (
        id, ledger_layout, version_table, run_id, revision, operation, outcome, applied, transactional,
        description, checksum, previous_hash, started_at, finished_at, statements_done, statements_total,
        database_user, os_user, host, versions, journal, duration_ms, sqlstate, error, backend_pid,
        backend_start, hash
    )
    SELECT entry.*, CASE WHEN entry.outcome <> 'running' THEN {_seal("entry")} END
    FROM (
        SELECT (SELECT coalesce(max(id), 0) + 1 FROM {{history}}) AS id,
            :layout AS ledger_layout,
            :version_table AS version_table,
            :run_id AS run_id,
            :revision AS revision,
            :operation AS operation,
            :outcome AS outcome,
            :applied AS applied,
            :transactional AS transactional,
            :description AS description,
            :checksum AS checksum,
            (SELECT hash FROM {{rows}} AS own ORDER BY own.id DESC LIMIT 1) AS previous_hash,
            {_NOW} AS started_at,
            CASE WHEN :outcome <> 'running' THEN {_NOW} END AS finished_at,
            :statements_done AS statements_done,
            :statements_total AS statements_total,
            '' AS database_user,
            :os_user AS os_user,
            :host AS host,
            json_set(:versions, '$.server', sqlite_version()) AS versions,
            :journal AS journal,
            CAST(NULL AS real) AS duration_ms,
            NULL AS sqlstate, NULL AS error, NULL AS backend_pid, NULL AS backend_start
    ) AS entry
    WHERE coalesce((SELECT outcome FROM {{rows}} AS own ORDER BY own.id DESC LIMIT 1), '') <> 'running'
    RETURNING id
"""  # noqa: S608  # the table is quoted where it is filled in

_CLOSED = {
    "outcome": ":outcome",
    "finished_at": _NOW,
    "duration_ms": "CAST(:duration_ms AS real)",
    "sqlstate": ":sqlstate",
    "error": ":error",
    "statements_done": "coalesce(:statements_done, {row}.statements_done)",
}
CLOSE = f"""
    UPDATE {{history}} AS entry
    SET {", ".join(f"{name} = {value.format(row='entry')}" for name, value in _CLOSED.items())},
        hash = {_seal("entry", {name: value.format(row="entry") for name, value in _CLOSED.items()})}
    WHERE id = :id AND outcome = 'running'
"""  # noqa: S608

_COLUMNS_READ = """
    id, run_id, revision, operation, outcome, applied, transactional, description, checksum, previous_hash,
    hash, started_at, finished_at, duration_ms, sqlstate, error, statements_done, statements_total,
    database_user, os_user, host, versions, journal, backend_pid, backend_start
"""


def _beginning(column: str) -> str:
    """A filter by a whole identifier, or by its beginning when no row has the whole one."""
    return f"""(
        :{column} IS NULL OR {column} = :{column} OR (
            substr({column}, 1, length(:{column})) = :{column}
            AND NOT EXISTS (SELECT 1 FROM {{rows}} AS exact WHERE exact.{column} = :{column})
        )
    )"""  # noqa: S608  # columns of ours


ENTRIES = f"""
    SELECT {_COLUMNS_READ}
    FROM {{rows}} AS entry
    WHERE {_beginning("revision")} AND {_beginning("run_id")}
        AND (:outcome IS NULL OR outcome = :outcome)
        AND (:operation IS NULL OR operation = :operation)
    ORDER BY id DESC
    LIMIT coalesce(:limit, -1)
"""  # noqa: S608

DIRTY = f"""
    SELECT {_COLUMNS_READ}
    FROM {{rows}} AS entry
    WHERE outcome <> 'succeeded' AND json_array_length(journal) > 0
        AND NOT EXISTS (
            SELECT 1 FROM {{rows}} AS later
            WHERE later.revision = entry.revision AND later.id > entry.id AND later.outcome = 'succeeded'
        )
    ORDER BY id DESC
    LIMIT 1
"""  # noqa: S608

ON_RECORD = APPLIED.format(source="{rows}")

# As on PostgreSQL: what last applied a revision or took it back, then what was accepted of it since.
RECORD = """
    SELECT revision, operation, applied, checksum, database_user, os_user, host, finished_at AS recorded_at
    FROM (
        SELECT entry.*, max(id) FILTER (WHERE applied IS NOT NULL) OVER (PARTITION BY revision) AS since
        FROM {rows} AS entry
        WHERE outcome = 'succeeded'
    ) AS known
    WHERE id >= since
    ORDER BY id
"""

BROKEN = f"""
    SELECT * FROM (
        SELECT id, version_table, operation, revision,
            id - coalesce(lag(id) OVER (ORDER BY id), 0) - 1 AS missing,
            previous_hash IS NOT lag(hash) OVER chain AS unlinked,
            CASE WHEN outcome = 'running'
                THEN hash IS NOT NULL OR finished_at IS NOT NULL
                ELSE hash IS NOT {_seal("entry")}
            END AS altered,
            outcome = 'running' AND lead(id) OVER chain IS NOT NULL AS left_open
        FROM {{every}} AS entry
        WINDOW chain AS (PARTITION BY version_table ORDER BY id)
    ) AS checked
    WHERE missing <> 0 OR unlinked OR altered OR left_open
    ORDER BY id
"""  # noqa: S608

OPEN = """
    SELECT EXISTS (SELECT 1 FROM {rows} AS entry WHERE outcome = 'running')
"""
