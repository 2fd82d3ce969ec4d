"""Putting a reused database back as it was at head, after a test that committed to it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

import asyncpg

from headway.database import connect
from headway.errors import DatabaseError
from headway.testing.survey import Survey, question, survey_of

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    from headway.url import DatabaseURL

_PATIENCE_S = 1.0
"""How long a transaction that a test left may take to end by itself, as after its client has gone."""
_POLL_S = 0.005
_LARGE = 1024 * 1024
"""Bytes of a table from which emptying it by DELETE alone would slow down every look at it afterwards."""

_OPEN = """
SELECT pid, application_name, state,
       pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - xact_start)::numeric, 1) AS seconds,
       (SELECT pg_catalog.string_agg(DISTINCT relation::regclass::text, ', ') FROM pg_catalog.pg_locks AS held
         WHERE held.pid = other.pid AND granted AND relation >= 16384) AS tables
  FROM pg_catalog.pg_stat_activity AS other
 WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
   AND xact_start IS NOT NULL AND backend_type = 'client backend'
 ORDER BY xact_start
"""


class Verdict(Enum):
    """What became of a database."""

    CLEAN = auto()
    SPOILT = auto()
    """It cannot be put back by emptying tables: the catalogue or rows of head may have changed."""


@dataclass(frozen=True, slots=True)
class Resetter:
    """Holds one connection to a reused database, with the question prepared."""

    survey: Survey
    _connection: asyncpg.Connection[asyncpg.Record]
    _question: PreparedStatement[asyncpg.Record]
    _superuser: bool

    @classmethod
    async def open(cls, url: DatabaseURL, survey: Survey | None) -> Self:
        """Connect to a fresh clone.

        Args:
            url: of the clone.
            survey: of its template, when another clone was looked at before.
        """
        named = replace(url, parameters=(*url.parameters, ("application_name", "headway.testing")))
        connection = await connect(named)
        try:
            await connection.execute(f"SET jit = off; SET lock_timeout = '{_PATIENCE_S:g}s'")
            superuser = await connection.fetchval(
                "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
            )
            if superuser:
                # No trigger fires and no key is checked, so that the order of tables is no matter. For the
                # whole session: each change throws away every plan (assign_session_replication_role).
                await connection.execute("SET session_replication_role = replica")
            survey = survey or await survey_of(connection)
            begin = await connection.fetchval(
                "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::xid::text"
            )
            prepared = await connection.prepare(question(survey, begin), name="headway_changes")
        except BaseException:
            connection.terminate()
            raise
        return cls(survey, connection, prepared, bool(superuser))

    async def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError, TimeoutError, asyncpg.InterfaceError):
            await self._connection.close(timeout=_PATIENCE_S)

    async def clean(self) -> Verdict:
        """Empty what was written and put sequences back; one round trip where nothing was, two as a rule.

        Raises:
            DatabaseError: the test left a transaction open, which was cut; the database is clean all the same
                unless the verdict of another look says otherwise.
        """
        try:
            found, left = await self._changes()
            if self.survey.hidden:
                verdict = Verdict.SPOILT
            elif not found:
                verdict = Verdict.CLEAN
            elif {row["kind"] for row in found} & {"catalogue", "seeded"}:
                verdict = Verdict.SPOILT
            else:
                verdict = await self._emptied(found)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            # The test has dropped its database, cut our connection, or taken a lock that nothing ends.
            return Verdict.SPOILT
        if left:
            raise LeftOpenError(left, verdict)
        return verdict

    async def _changes(self) -> tuple[list[asyncpg.Record], list[str]]:
        """What is not as it was, and the transactions that had to be cut to find out; as a rule none."""
        left: list[str] = []
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while True:
            try:
                found = await self._question.fetch()
            except asyncpg.LockNotAvailableError:
                left += await self._cut()
                continue
            if not any(row["kind"] == "writer" for row in found):
                return found, left
            if asyncio.get_running_loop().time() > deadline:
                left += await self._cut()
            await asyncio.sleep(_POLL_S)

    async def _cut(self) -> list[str]:
        """End every transaction of others; a line on each."""
        lines = []
        for row in await self._connection.fetch(_OPEN):
            name = f" ({row['application_name']})" if row["application_name"] else ""
            locks = f", with locks on {row['tables']}" if row["tables"] else ""
            lines.append(f"backend {row['pid']}{name}: {row['state']}, begun {row['seconds']} s ago{locks}")
            await self._connection.fetchval("SELECT pg_catalog.pg_terminate_backend($1, 10000)", row["pid"])
        return lines

    async def _emptied(self, found: list[asyncpg.Record]) -> Verdict:
        written = [row for row in found if row["kind"] == "written"]
        names = [self.survey.empty[row["number"]] for row in sorted(written, key=lambda row: row["number"])]
        moved = [self.survey.sequences[row["number"]] for row in found if row["kind"] == "sequence"]
        statements = [f"DELETE FROM {name}" for name in names]  # noqa: S608  # quoted by the server
        if moved:
            statements.append(f"SELECT {', '.join(sequence.restore for sequence in moved)}")
        try:
            await self._connection.execute(f"BEGIN; {'; '.join(statements)}; COMMIT")
        except asyncpg.PostgresError:
            return Verdict.SPOILT
        for row in written:
            if row["bytes"] > _LARGE:
                await self._connection.execute(f"VACUUM {self.survey.empty[row['number']]}")
        if not self._superuser and await self._question.fetch():
            return Verdict.SPOILT  # a trigger, a rule or a policy had its own mind
        return Verdict.CLEAN


class LeftOpenError(DatabaseError):
    """A test has left a transaction open.

    Attributes:
        verdict: what became of the database all the same.
    """

    def __init__(self, left: list[str], verdict: Verdict) -> None:
        super().__init__(
            "the test left a transaction open on its database: " + "; ".join(left),
            hint="It was cut, so that the next test finds a clean database. Close what the test opens: "
            "`async with engine.begin()`, `async with AsyncSession(…)`; dispose of a pool.",
        )
        self.verdict = verdict
