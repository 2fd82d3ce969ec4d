"""What a plan meets in a live database: sizes, who is in the way; and that looking leaves no trace."""

from __future__ import annotations

import dataclasses
import re
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import Engine, event

from headway import (
    DatabaseURL,
    Direction,
    LockMode,
    Migrator,
    RelationLock,
    StatementReview,
    StepReview,
)
from headway.session import Session, open_session
from headway.surroundings import Surroundings, survey_surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def session(database_url: str) -> AsyncIterator[Session]:
    async with open_session(DatabaseURL.parse(database_url)) as session:
        yield session


def _execute(database_url: str, *statements: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def _holding(database_url: str, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """A session that has done something and sits idle in its transaction."""
    with psycopg.connect(database_url, application_name="idler") as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection
        connection.rollback()


def _steps(*statements: StatementReview) -> tuple[StepReview, ...]:
    return (StepReview("r1", Direction.UPGRADE, "", Path("r1.py"), statements=statements),)


def _locking(relation: str, mode: LockMode = LockMode.ACCESS_EXCLUSIVE) -> tuple[StepReview, ...]:
    return _steps(StatementReview(1, "ALTER TABLE", locks=(RelationLock(relation, "table", mode),)))


async def _survey(session: Session, steps: tuple[StepReview, ...]) -> Surroundings:
    return await session.run(lambda connection: survey_surroundings(connection, steps))


async def test_tables_are_measured_under_the_names_that_reviews_give_them(
    session: Session, database_url: str
) -> None:
    _execute(
        database_url,
        "CREATE TABLE t AS SELECT i, repeat('x', 500) AS s FROM generate_series(1, 1000) AS i",
        'CREATE SCHEMA "Odd s" CREATE TABLE "T t" (id int PRIMARY KEY)',
        "CREATE TABLE same (id int)",
        "CREATE SCHEMA other CREATE TABLE same (id int)",
        "ANALYZE t",
    )
    names = ("t", "Odd s.T t", "other.same", "absent")
    review = StatementReview(1, "x", rewritten=names, scanned=("Odd s.T t_pkey",))
    tables = {it.relation: it for it in (await _survey(session, _steps(review))).tables}
    assert tables.keys() == {"t", "Odd s.T t", "Odd s.T t_pkey", "other.same"}
    assert (tables["t"].kind, tables["t"].rows) == ("table", 1000)
    assert 500_000 < tables["t"].size_bytes < 2_000_000
    assert (tables["Odd s.T t"].rows, tables["Odd s.T t"].size_bytes) == (None, 0)
    assert tables["Odd s.T t_pkey"].kind == "index"


async def test_a_partitioned_table_is_as_large_as_its_partitions_however_many_there_are(
    session: Session, database_url: str
) -> None:
    _execute(
        database_url,
        "CREATE TABLE p (i int) PARTITION BY RANGE (i)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000)",
        "INSERT INTO p SELECT generate_series(0, 1999)",
        "ANALYZE p1",
        "ANALYZE p2",
    )
    found = await _survey(session, _steps(StatementReview(1, "x", scanned=("p", "p1"))))
    whole, part = found.tables
    assert (whole.relation, whole.rows, whole.partition_of) == ("p", 2000, None)
    assert (part.relation, part.rows, part.partition_of) == ("p1", 1000, "p")
    assert whole.size_bytes == 2 * part.size_bytes > 0
    with _holding(database_url, "INSERT INTO p2 VALUES (1500)"):
        [obstacle] = (await _survey(session, _locking("p"))).obstacles
    assert (obstacle.relation, obstacle.held) == ("p", LockMode.ROW_EXCLUSIVE)


@pytest.mark.parametrize(
    ("held", "wanted", "blocks"),
    [
        ("SELECT * FROM t", LockMode.ACCESS_EXCLUSIVE, True),
        ("SELECT * FROM t", LockMode.SHARE_ROW_EXCLUSIVE, False),
        ("INSERT INTO t VALUES (1)", LockMode.SHARE, True),
        ("INSERT INTO t VALUES (1)", LockMode.SHARE_UPDATE_EXCLUSIVE, False),
    ],
)
async def test_a_session_with_a_lock_that_conflicts_is_in_the_way(
    session: Session, database_url: str, held: str, wanted: LockMode, blocks: object
) -> None:
    _execute(database_url, "CREATE TABLE t (id int)")
    with _holding(database_url, held) as holder:
        found = (await _survey(session, _locking("t", wanted))).obstacles
        pid = holder.info.backend_pid
    if not blocks:
        assert found == ()
        return
    [obstacle] = found
    assert obstacle.peer.pid == pid
    assert (obstacle.peer.application_name, obstacle.peer.state) == ("idler", "idle in transaction")
    assert obstacle.peer.since is not None
    assert (obstacle.revision, obstacle.statement, obstacle.wanted) == ("r1", 1, wanted)


async def test_a_session_is_named_at_the_table_and_not_at_its_indexes_too(
    session: Session, database_url: str
) -> None:
    _execute(database_url, "CREATE TABLE t (id int PRIMARY KEY)")
    table = RelationLock("t", "table", LockMode.ACCESS_EXCLUSIVE)
    index = RelationLock("t_pkey", "index", LockMode.ACCESS_EXCLUSIVE)
    with _holding(database_url, "INSERT INTO t VALUES (1)", "SELECT * FROM t WHERE id = 1"):
        both = await _survey(session, _steps(StatementReview(1, "ALTER TABLE", locks=(index, table))))
        alone = await _survey(session, _steps(StatementReview(1, "REINDEX INDEX", locks=(index,))))
    assert [it.relation for it in both.obstacles] == ["t"]
    assert [it.relation for it in alone.obstacles] == ["t_pkey"]


async def test_who_only_looks_at_something_else_is_in_the_way_of_concurrently_alone(
    session: Session, database_url: str
) -> None:
    _execute(database_url, "CREATE TABLE t (id int)", "CREATE TABLE u (id int)")
    lock = RelationLock("t", "table", LockMode.SHARE_UPDATE_EXCLUSIVE)
    concurrently = StatementReview(
        3, "CREATE INDEX CONCURRENTLY i ON t (id)", transactional=False, locks=(lock,)
    )
    with _holding(
        database_url, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM u"
    ) as idler:
        [obstacle] = (await _survey(session, _steps(concurrently))).obstacles
        assert (obstacle.peer.pid, obstacle.held) == (idler.info.backend_pid, None)
        assert (await _survey(session, _locking("t"))).obstacles == ()


async def test_a_table_that_somebody_alters_is_measured_without_waiting_for_it(
    session: Session, database_url: str
) -> None:
    _execute(database_url, "CREATE TABLE t AS SELECT generate_series(1, 1000)", "ANALYZE t")
    with _holding(database_url, "ALTER TABLE t ADD n int"):
        found = await _survey(session, _locking("t"))
    assert found.tables[0].size_bytes > 0
    assert found.obstacles[0].held is LockMode.ACCESS_EXCLUSIVE


@contextmanager
def _watched(database_url: str) -> Iterator[tuple[list[str], set[str]]]:
    """What SQLAlchemy sends to a database, and the locks that are held there behind each statement."""
    sent: list[str] = []
    locks: set[str] = set()
    query = (
        "SELECT mode FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'relation' AND datname = current_database() AND pid <> pg_backend_pid()"
    )
    with psycopg.connect(database_url, autocommit=True) as watcher:

        def watch(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
            sent.append(" ".join(statement.split()))
            locks.update(row[0] for row in watcher.execute(query))

        event.listen(Engine, "after_cursor_execute", watch)
        try:
            yield sent, locks
        finally:
            event.remove(Engine, "after_cursor_execute", watch)


async def test_a_plan_writes_nothing_and_locks_nothing_as_a_role_that_may_only_look(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users")
    await Migrator(project.ini, url=database_url).upgrade()
    project.revision("r2", "r1", upgrade="op.drop_table('users')")
    role = f"onlooker_{secrets.token_hex(4)}"
    _execute(
        database_url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        "INSERT INTO users VALUES (1)",
    )
    parsed = DatabaseURL.parse(database_url)
    url = dataclasses.replace(parsed, parameters=(("options", f"-c role={role}"),)).render()
    try:
        with _watched(database_url) as (sent, locks):
            migrator = Migrator(project.ini, url=url)
            plan = await migrator.plan()
            preview = await migrator.preview(plan)
            await migrator.seal(plan, preview, target="head")
    finally:
        _execute(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert [loss.rows for loss in preview.losses] == [1]
    assert len(sent) > 5
    assert [it for it in sent if not re.match(r"SELECT|WITH|SHOW|SET TRANSACTION READ ONLY", it)] == []
    assert locks == {"AccessShareLock"}
