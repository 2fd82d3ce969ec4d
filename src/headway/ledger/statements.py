"""The ledger's SQL, by name.

``{history}`` is the quoted table, ``{rows}`` what in it belongs to the version table ``:version_table``, and
``{every}`` all of it; the last two serve older layouts as well.

Every value is cast where it enters, and jsonb and times travel as text, so the same statement serves asyncpg
and psycopg, whatever a session's settings. Times are the server's, and the wall clock's: a transaction's
``now()`` is when it began.
"""

from __future__ import annotations

from headway.ledger.schema import APPLIED

_UTC = """pg_catalog.to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_NOW = _UTC.format("pg_catalog.clock_timestamp()")

_SEALED = (
    "id",
    "ledger_layout",
    "run_id",
    "revision",
    "operation",
    "outcome",
    "applied",
    "transactional",
    "description",
    "checksum",
    "previous_hash",
    _UTC.format("{0}.started_at"),
    _UTC.format("{0}.finished_at"),
    "duration_ms",
    "sqlstate",
    "error",
    "statements_done",
    "statements_total",
    "database_user",
    "os_user",
    "host",
    "versions",
    "journal",
    "backend_pid",
    _UTC.format("{0}.backend_start"),
)
"""Everything a row says, except its own hash. Written as JSON, so that no text can pass for two fields, and
times in UTC, so that no session's settings change it."""


def _fields(row: str) -> list[str]:
    return [item.format(row) if "{0}" in item else f"{row}.{item}" for item in _SEALED]


def _seal(row: str) -> str:
    """A closed row's hash; ``previous_hash`` is part of it, which makes the chain.

    A row keeps the seal of the layout it was written in: the first had no version table.
    """
    fields = ", ".join(_fields(row))
    first = f"pg_catalog.jsonb_build_array({fields})"
    later = f"pg_catalog.jsonb_build_array({fields}, {row}.version_table)"
    return _hash(f"CASE WHEN {row}.ledger_layout = 1 THEN {first} ELSE {later} END")


def _hash(said: str) -> str:
    said = f"CAST({said} AS text)"
    return f"pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({said}, 'UTF8')), 'hex')"


# The hash follows from the row before of the same version table, and nothing follows one that is open, for
# its hash is not known yet. The number follows from the newest row of all; of two that would write the same
# one, the other writes nothing, and tries again. As a rule the newest row of all is our own: it is asked for
# by its number, for the plan is made once, when the table is empty, and would read all of it for every step.
INSERT = f"""
    INSERT INTO {{history}} (
        id, ledger_layout, version_table, run_id, revision, operation, outcome, applied, transactional,
        description, checksum, previous_hash, started_at, finished_at, duration_ms, sqlstate, error,
        statements_done, statements_total, database_user, os_user, host, versions, journal, backend_pid,
        backend_start, hash
    )
    SELECT entry.*, CASE WHEN entry.outcome <> 'running' THEN {_seal("entry")} END
    FROM (
        SELECT newest.id + 1 AS id,
            CAST(:layout AS smallint) AS ledger_layout,
            CAST(:version_table AS text) AS version_table,
            CAST(:run_id AS text) AS run_id,
            CAST(:revision AS text) AS revision,
            CAST(:operation AS text) AS operation,
            CAST(:outcome AS text) AS outcome,
            CAST(:applied AS boolean) AS applied,
            CAST(:transactional AS boolean) AS transactional,
            CAST(:description AS text) AS description,
            CAST(:checksum AS text) AS checksum,
            last.hash AS previous_hash,
            clock.started_at,
            CASE WHEN CAST(:outcome AS text) <> 'running' THEN clock.started_at END AS finished_at,
            CAST(NULL AS numeric(15, 3)) AS duration_ms,
            CAST(NULL AS text) AS sqlstate,
            CAST(NULL AS text) AS error,
            CAST(:statements_done AS integer) AS statements_done,
            CAST(:statements_total AS integer) AS statements_total,
            CAST(session_user AS text) AS database_user,
            CAST(:os_user AS text) AS os_user,
            CAST(:host AS text) AS host,
            CAST(CAST(:versions AS text) AS jsonb)
                || pg_catalog.jsonb_build_object(
                    'server', pg_catalog.current_setting('server_version')
                ) AS versions,
            CAST(CAST(:journal AS text) AS jsonb) AS journal,
            CAST(NULL AS integer) AS backend_pid,
            CAST(NULL AS timestamptz) AS backend_start
        FROM (SELECT pg_catalog.clock_timestamp() AS started_at OFFSET 0) AS clock
        CROSS JOIN (SELECT coalesce(pg_catalog.max(id), 0) AS id FROM {{history}}) AS newest
        LEFT JOIN LATERAL (
            SELECT hash, outcome FROM {{every}} AS own WHERE own.id = CASE
                WHEN CAST(:version_table AS text) =
                    (SELECT latest.version_table FROM {{every}} AS latest WHERE latest.id = newest.id)
                THEN newest.id ELSE (SELECT pg_catalog.max(id) FROM {{rows}} AS others)
            END
            OFFSET 0
        ) AS last ON true
        WHERE last.outcome IS DISTINCT FROM 'running'
    ) AS entry
    ON CONFLICT (id) DO NOTHING
    RETURNING id
"""  # noqa: S608  # the table is quoted where it is filled in

CLOSE = f"""
    UPDATE {{history}} AS entry
    SET outcome = closed.outcome, finished_at = closed.finished_at, duration_ms = closed.duration_ms,
        sqlstate = closed.sqlstate, error = closed.error, statements_done = closed.statements_done,
        hash = {_seal("closed")}
    FROM (
        SELECT id, ledger_layout, version_table, run_id, revision, operation,
            CAST(:outcome AS text) AS outcome,
            applied, transactional, description, checksum, previous_hash, started_at,
            pg_catalog.clock_timestamp() AS finished_at,
            CAST(CAST(:duration_ms AS double precision) AS numeric(15, 3)) AS duration_ms,
            CAST(:sqlstate AS text) AS sqlstate,
            CAST(:error AS text) AS error,
            coalesce(CAST(:statements_done AS integer), statements_done) AS statements_done,
            statements_total, database_user, os_user, host, versions, journal, backend_pid, backend_start
        FROM {{history}}
        WHERE id = CAST(:id AS bigint) AND outcome = 'running'
        FOR UPDATE
    ) AS closed
    WHERE entry.id = closed.id
"""  # noqa: S608

# The same for a success of an entry that has just been opened, so in the newest layout, told before its end
# is known: by the server's own clock. It is parsed and planned for every step, so it is as short as can be.
_TOOK = """
    CAST(1000 * pg_catalog.date_part('epoch', clock.finished_at - entry.started_at) AS numeric(15, 3))
"""
_SUCCEEDED = {
    "entry.outcome": "CAST('succeeded' AS text)",
    _UTC.format("entry.finished_at"): _UTC.format("clock.finished_at"),
    "entry.duration_ms": _TOOK,
}
_SAID = ", ".join(_SUCCEEDED.get(field, field) for field in _fields("entry"))
SUCCEED = f"""
    UPDATE {{history}} AS entry
    SET outcome = 'succeeded', finished_at = clock.finished_at, duration_ms = {_TOOK},
        hash = {_hash(f"pg_catalog.jsonb_build_array({_SAID}, entry.version_table)")}
    FROM (SELECT pg_catalog.clock_timestamp() AS finished_at OFFSET 0) AS clock
    WHERE entry.id = {{id}} AND entry.outcome = 'running'
"""  # noqa: S608

_LINE = "CAST(CAST(:position AS integer) AS text)"
_OPEN_LINE = """
    WHERE id = CAST(:id AS bigint) AND outcome = 'running'
        AND (journal -> CAST(:position AS integer) ->> 'finished_at') IS NULL
        AND CAST(:position AS integer) BETWEEN 0 AND pg_catalog.jsonb_array_length(journal)
"""

# A line is written anew when its statement is tried again, and stays when the statement is done. One that is
# written when it is done began with its transaction.
JOURNAL = f"""
    UPDATE {{history}}
    SET journal = pg_catalog.jsonb_set(journal, ARRAY[{_LINE}], pg_catalog.jsonb_build_object(
            'statement', CAST(:statement AS text),
            'started_at', CASE WHEN CAST(:done AS boolean)
                THEN {_UTC.format("pg_catalog.transaction_timestamp()")}
                ELSE {_NOW} END,
            'finished_at', CASE WHEN CAST(:done AS boolean)
                THEN {_NOW} END,
            'digest', CAST(:digest AS text),
            'rowcount', CAST(:rowcount AS bigint),
            'rejected', NULL,
            'backend_pid', given.pid,
            'backend_start', {_UTC.format("worker.backend_start")},
            'indexes_before', CAST(CAST(:indexes_before AS text) AS jsonb),
            'repaired', CAST(CAST(:repaired AS text) AS jsonb)
        )),
        statements_done = CASE WHEN CAST(:done AS boolean)
            THEN greatest(statements_done, CAST(:position AS integer) + 1) ELSE statements_done END,
        backend_pid = given.pid,
        backend_start = worker.backend_start
    FROM (SELECT coalesce(CAST(:backend_pid AS integer), pg_catalog.pg_backend_pid())) AS given (pid)
    LEFT JOIN pg_catalog.pg_stat_activity AS worker ON worker.pid = given.pid
    {_OPEN_LINE}
"""  # noqa: S608

JOURNAL_DONE = f"""
    UPDATE {{history}}
    SET journal = pg_catalog.jsonb_set(
            journal, ARRAY[{_LINE}, 'finished_at'],
            pg_catalog.to_jsonb({_NOW})
        ),
        statements_done = greatest(statements_done, CAST(:position AS integer) + 1)
    {_OPEN_LINE}
        AND CAST(:position AS integer) < pg_catalog.jsonb_array_length(journal)
"""  # noqa: S608

JOURNAL_REJECTED = f"""
    UPDATE {{history}}
    SET journal = pg_catalog.jsonb_set(
            journal, ARRAY[{_LINE}, 'rejected'], pg_catalog.to_jsonb(CAST(:sqlstate AS text))
        )
    {_OPEN_LINE}
        AND CAST(:position AS integer) < pg_catalog.jsonb_array_length(journal)
"""  # noqa: S608

_COLUMNS = f"""
    id, run_id, revision, operation, outcome, applied, transactional, description, checksum, previous_hash,
    hash, {_UTC.format("started_at")} AS started_at, {_UTC.format("finished_at")} AS finished_at,
    duration_ms, sqlstate, error, statements_done, statements_total, database_user, os_user, host,
    CAST(versions AS text) AS versions, CAST(journal AS text) AS journal,
    backend_pid, {_UTC.format("backend_start")} AS backend_start
"""


def _beginning(column: str) -> str:
    """A filter by a whole identifier, or by its beginning when no row has the whole one."""
    given = f"CAST(:{column} AS text)"
    return f"""(
        {given} IS NULL OR {column} = {given} OR (
            pg_catalog.starts_with({column}, {given})
            AND NOT EXISTS (SELECT FROM {{rows}} AS exact WHERE exact.{column} = {given})
        )
    )"""


ENTRIES = f"""
    SELECT {_COLUMNS}
    FROM {{rows}} AS entry
    WHERE {_beginning("revision")} AND {_beginning("run_id")}
        AND (CAST(:outcome AS text) IS NULL OR outcome = CAST(:outcome AS text))
        AND (CAST(:operation AS text) IS NULL OR operation = CAST(:operation AS text))
    ORDER BY id DESC
    LIMIT CAST(:limit AS bigint)
"""  # noqa: S608

DIRTY = f"""
    SELECT {_COLUMNS}
    FROM {{rows}} AS entry
    WHERE outcome <> 'succeeded' AND pg_catalog.jsonb_array_length(journal) > 0
        AND NOT EXISTS (
            SELECT FROM {{rows}} AS later
            WHERE later.revision = entry.revision AND later.id > entry.id AND later.outcome = 'succeeded'
        )
    ORDER BY id DESC
    LIMIT 1
"""  # noqa: S608

ON_RECORD = f"""
    SELECT version, {_UTC.format("applied_at")} AS applied_at, description
    FROM ({APPLIED.format(source="{rows}")}) AS applied
"""  # noqa: S608

# Of each revision, what last applied it or took it back, then what was accepted of it since: of that alone
# `applied` is null.
RECORD = f"""
    SELECT revision, operation, applied, checksum, database_user, os_user, host,
        {_UTC.format("finished_at")} AS recorded_at
    FROM (
        SELECT entry.*, pg_catalog.max(id) FILTER (WHERE applied IS NOT NULL)
            OVER (PARTITION BY revision) AS since
        FROM {{rows}} AS entry
        WHERE outcome = 'succeeded'
    ) AS known
    WHERE id >= since
    ORDER BY id
"""  # noqa: S608

# Only what is broken: a ledger grows, and is whole as a rule. Of all version tables, for a row that was given
# to another one is missing nowhere else.
BROKEN = f"""
    SELECT * FROM (
        SELECT id, version_table, operation, revision,
            id - coalesce(pg_catalog.lag(id) OVER (ORDER BY id), 0) - 1 AS missing,
            previous_hash IS DISTINCT FROM pg_catalog.lag(hash) OVER chain AS unlinked,
            CASE WHEN outcome = 'running'
                THEN hash IS NOT NULL OR finished_at IS NOT NULL
                ELSE hash IS DISTINCT FROM {_seal("entry")}
            END AS altered,
            outcome = 'running' AND pg_catalog.lead(id) OVER chain IS NOT NULL AS left_open
        FROM {{every}} AS entry
        WINDOW chain AS (PARTITION BY version_table ORDER BY id)
    ) AS checked
    WHERE missing <> 0 OR unlinked OR altered OR left_open
    ORDER BY id
"""  # noqa: S608

OPEN = """
    SELECT EXISTS (SELECT FROM {rows} AS entry WHERE outcome = 'running')
"""
