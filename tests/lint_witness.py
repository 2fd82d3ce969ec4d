"""What a revision's SQL does, as PostgreSQL itself tells it: an answer apart from headway's own oracle.

A case is run between two looks at the server: which locks its transaction holds, which relations have another
file, and which tables were read from one end to the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from headway.results import LockMode
from headway.sqltext import split
from lint_cases import SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    from lint_cases import Case

    Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_RELATIONS = """
    SELECT c.oid, c.relkind, c.relfilenode, coalesce(s.seq_scan, 0),
           CASE WHEN n.nspname = pg_catalog.current_schema() THEN '' ELSE n.nspname || '.' END || c.relname,
           coalesce(i.indrelid, 0)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    LEFT JOIN pg_catalog.pg_stat_xact_all_tables s ON s.relid = c.oid
    WHERE (n.nspname = pg_catalog.current_schema() OR n.nspname = 'old') AND c.relkind <> 'S'
"""
_LOCKS = """
    SELECT relation, mode FROM pg_catalog.pg_locks
    WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted
"""
# In UTC, timestamp and timestamptz are stored alike (ATColumnChangeRequiresRewrite in tablecmds.c).
_ZONE = "SET LOCAL timezone = 'Europe/Berlin'"
_ALONE = re.compile(r"\bconcurrently\b|^vacuum\b", re.IGNORECASE)
_ENDS = re.compile(r"^(begin|commit)\b", re.IGNORECASE)
_QUERIED = "rpvmf"  # pg_class.relkind of what queries name; an index is locked with its table


@dataclass
class Facts:
    """What happened to relations that were there before.

    ``locks`` holds those that hinder more than VACUUM FULL's like (SHARE UPDATE EXCLUSIVE and stronger), of
    tables and views; ``rewritten`` tables, and indexes of tables that were not; ``scanned`` tables that were
    not rewritten; ``indexes`` says whose each index is.
    """

    locks: dict[str, LockMode] = field(default_factory=dict)
    rewritten: set[str] = field(default_factory=set)
    scanned: set[str] = field(default_factory=set)
    indexes: dict[str, str] = field(default_factory=dict)
    sqlstate: str | None = None

    def add(self, locks: dict[str, LockMode], rewritten: set[str], scanned: set[str]) -> None:
        """Put to it what one more statement, or transaction, did."""
        for name, mode in locks.items():
            known = self.locks.get(name, LockMode.ROW_EXCLUSIVE)
            if mode.strength > known.strength:
                self.locks[name] = mode
        self.rewritten |= rewritten
        self.rewritten -= {name for name in self.rewritten if self.indexes.get(name) in self.rewritten}
        self.scanned = (self.scanned | scanned) - self.rewritten


@dataclass(frozen=True)
class _Relation:
    kind: str
    file: int
    scans: int
    name: str
    table: int


class Witness:
    """Watches cases in one database, each in a schema of its own or in a transaction that is rolled back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._make("shop", SHOP)

    def watch(self, case: Case, script: str) -> Facts:
        """Run a case, given its SQL as it is printed for a DBA, and say what it did."""
        facts = Facts()
        parts = [part for part in _transactions(script) if part[0]]
        undone = not case.given and len(parts) == 1 and parts[0][1]
        if undone:
            self._connection.execute("SET search_path = shop")
        else:
            self._make(case.revision, SHOP + case.given)
        try:
            for statements, within in parts:
                self._run(statements, facts, within=within, undone=undone)
        except psycopg.Error as error:
            facts.sqlstate = error.sqlstate
        return facts

    def _make(self, schema: str, given: str) -> None:
        self._connection.execute("DROP SCHEMA IF EXISTS old, archive, reports CASCADE")
        self._connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        self._connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        self._connection.execute(given.encode())

    def _run(self, statements: list[str], facts: Facts, *, within: bool, undone: bool) -> None:
        if not within and _ALONE.search(statements[0]):  # nothing can be watched that has no transaction
            self._connection.execute(statements[0].encode())
            return
        with self._connection.transaction(force_rollback=undone):
            self._connection.execute(_ZONE)
            before = self._relations()
            for statement in statements:
                self._connection.execute(statement.encode())
            after = self._relations()
            locks = self._locks(before)
        kept = before.keys() & after.keys()
        made = {(it.name, it.table): it.file for oid, it in after.items() if it.table and oid not in before}
        facts.indexes |= {it.name: before[it.table].name for it in before.values() if it.table}
        facts.add(
            locks,
            {before[oid].name for oid in kept if before[oid].file != after[oid].file}
            # An index that comes again under its name may have kept its file.
            | {it.name for it in before.values() if made.get((it.name, it.table), it.file) != it.file},
            {before[oid].name for oid in kept if before[oid].scans != after[oid].scans},
        )

    def _relations(self) -> dict[int, _Relation]:
        return {oid: _Relation(*told) for oid, *told in self._connection.execute(_RELATIONS)}

    def _locks(self, before: dict[int, _Relation]) -> dict[str, LockMode]:
        held: dict[str, LockMode] = {}
        for relation, name in self._connection.execute(_LOCKS):
            known, mode = before.get(relation), LockMode(name)
            if known and known.kind in _QUERIED:
                held[known.name] = max(held.get(known.name, mode), mode, key=lambda it: it.strength)
        return held


def _transactions(script: str) -> Iterator[tuple[list[str], bool]]:
    """The statements that are committed together, and whether BEGIN and COMMIT stand around them."""
    together: list[str] | None = None
    for statement in (each.text for each in split(script)[0]):
        if _ENDS.match(statement):
            yield together or [], True
            together = [] if statement[0] in "bB" else None
        elif "alembic_version" not in statement:
            if together is None:
                yield [statement], False
            else:
                together.append(statement)
