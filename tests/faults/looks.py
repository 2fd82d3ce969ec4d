"""What a database holds, looked at from outside: by plain SQL, with nothing of the engine's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import probed_chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg

OURS = ("alembic_version", "migration_history", "schema_migrations")
BYSTANDER = "faults"
"""What the sessions of the suite call themselves."""

_HELD = ("shelf", "book", "bystander")
"""Tables whose rows are a part of the state."""
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY(%(names)s)"
_CATALOGUE = """
    WITH relation AS (
        SELECT oid, relname, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND NOT relname = ANY(%(ours)s) AND relname <> 'probe'
    )
    SELECT 'relation ' || relname || ' ' || relkind::text FROM relation WHERE relkind <> 'i'
    UNION ALL
    SELECT format('column %%s.%%s %%s %%s %%s', relname, attname, format_type(atttypid, atttypmod),
        attnotnull, pg_get_expr(adbin, adrelid))
    FROM relation JOIN pg_attribute ON attrelid = relation.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r'
    UNION ALL
    SELECT format('constraint %%s %%s %%s validated=%%s', relname, conname, pg_get_constraintdef(con.oid),
        convalidated)
    FROM relation JOIN pg_constraint AS con ON conrelid = relation.oid
    UNION ALL
    SELECT format('index %%s valid=%%s ready=%%s', pg_get_indexdef(indexrelid), indisvalid, indisready)
    FROM relation JOIN pg_index ON indrelid = relation.oid
    UNION ALL
    SELECT format('function %%s %%s', proname, prosrc) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1
"""
_BROKEN_INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE NOT indisvalid OR NOT indisready OR indexrelid::regclass::text ~ '_ccnew|_ccold'
"""
_LOCKS = """
    SELECT pid::text || ' ' || objid::text FROM pg_locks
    WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_SESSIONS = """
    SELECT pid, state FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> %(name)s
"""


@dataclass(frozen=True)
class Attempt:
    """A row of the ledger."""

    revision: str
    operation: str
    outcome: str
    transactional: bool
    done: int
    begun: int
    row: str


@dataclass(frozen=True)
class Look:
    """A database at a moment.

    ``versions`` and ``attempts`` are ``None`` where there is no such table.
    """

    objects: frozenset[str]
    rows: Mapping[str, str]
    probe: Counter[tuple[str, str]]
    versions: tuple[str, ...] | None
    attempts: tuple[Attempt, ...] | None
    broken_indexes: tuple[str, ...] = ()
    advisory_locks: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()

    @property
    def version(self) -> str | None:
        """The one version row; ``None`` for none."""
        return self.versions[0] if self.versions else None

    @property
    def interrupted(self) -> Attempt | None:
        """The newest attempt, where it was not transactional and did not come to its end."""
        newest = self.attempts[-1] if self.attempts else None
        if newest is None or newest.transactional or newest.outcome == "succeeded" or not newest.begun:
            return None
        return newest

    @property
    def state(self) -> frozenset[str]:
        """The catalogue and the rows."""
        return self.objects | {f"rows {name} {digest}" for name, digest in self.rows.items()}

    @property
    def everything(self) -> tuple[Any, ...]:
        """All that a refusal may not change."""
        ledger = None if self.attempts is None else tuple(attempt.row for attempt in self.attempts)
        return (self.state, tuple(sorted(self.probe.items())), self.versions, ledger)


@dataclass
class Truth:
    """Fault-free states, made by plain SQL: of each way, at each revision and statement of the chain."""

    states: dict[tuple[str, str | None, int], frozenset[str]] = field(default_factory=dict)
    """By way, version, and statements of the next step that are done (of one that is not transactional)."""


def look(connection: psycopg.Connection) -> Look:
    """Look at the database."""
    tables = {name for (name,) in connection.execute(_TABLES, {"names": [*OURS, "probe", *_HELD]})}
    probe = connection.execute("SELECT revision, way FROM probe").fetchall() if "probe" in tables else []
    return Look(
        objects=frozenset(line for (line,) in connection.execute(_CATALOGUE, {"ours": [*OURS]})),
        rows={name: _digest(connection, name) for name in _HELD if name in tables},
        probe=Counter((revision, way) for revision, way in probe),
        versions=_column(connection, "SELECT version_num FROM alembic_version ORDER BY 1")
        if "alembic_version" in tables
        else None,
        attempts=_attempts(connection) if "migration_history" in tables else None,
        broken_indexes=_column(connection, _BROKEN_INDEXES),
        advisory_locks=locks(connection),
        sessions=tuple(map(str, connection.execute(_SESSIONS, {"name": BYSTANDER}).fetchall())),
    )


def locks(connection: psycopg.Connection) -> tuple[str, ...]:
    """The advisory locks of this database; no table is read, for a migrator may have one locked."""
    return _column(connection, _LOCKS)


def sessions(connection: psycopg.Connection) -> list[tuple[int, str]]:
    """The sessions of this database that are not of the suite: process and state."""
    return connection.execute(_SESSIONS, {"name": BYSTANDER}).fetchall()


def make_truth(connection: psycopg.Connection) -> Truth:
    """Go through the chain by hand, up and down again, and look after each statement that is committed."""
    truth = Truth()
    truth.states["up", None, 0] = look(connection).state
    before: str | None = None
    for revision in probed_chain.CHAIN:
        _walk(connection, truth, "up", revision, (before, revision))
        before = revision
    truth.states["down", before, 0] = look(connection).state
    path = [*reversed(probed_chain.CHAIN), None]
    for undone, after in pairwise(path):
        _walk(connection, truth, "down", str(undone), (undone, after))
    return truth


def _walk(
    connection: psycopg.Connection,
    truth: Truth,
    way: str,
    revision: str,
    versions: tuple[str | None, str | None],
) -> None:
    transactional = probed_chain.CHAIN[revision][0]
    for number, statement in enumerate(probed_chain.statements(revision, way), start=1):
        connection.execute(statement.encode())
        if not transactional:
            truth.states[way, versions[0], number] = look(connection).state
    truth.states[way, versions[1], 0] = look(connection).state


def _digest(connection: psycopg.Connection, table: str) -> str:
    query = f"SELECT md5(string_agg(whole::text, E'\\n' ORDER BY whole::text)) FROM {table} AS whole"
    return str(connection.execute(query.encode()).fetchall()[0][0])


def _column(connection: psycopg.Connection, query: str) -> tuple[str, ...]:
    return tuple(value for (value,) in connection.execute(query.encode()))


def _attempts(connection: psycopg.Connection) -> tuple[Attempt, ...]:
    query = """
        SELECT revision, operation, outcome, transactional, journal, entry::text
        FROM migration_history AS entry ORDER BY id
    """
    return tuple(
        Attempt(revision, operation, outcome, transactional, _finished(journal), len(journal), row)
        for revision, operation, outcome, transactional, journal, row in connection.execute(query)
    )


def _finished(journal: Iterable[Mapping[str, Any]]) -> int:
    return sum(line.get("finished_at") is not None for line in journal)
