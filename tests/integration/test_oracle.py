"""What PostgreSQL is seen doing with a statement: locks on what was there before, rewrites and scans."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import op
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from headway.alembic_bridge import AlembicProject, RevisionCode, Scope
from headway.oracle import Trace, trace
from headway.planning import Step
from headway.project import load_project
from headway.results import Direction, LockMode
from headway.session import open_session
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from conftest import ProjectFolder
    from headway.results import StatementReview

AE, SRE, S, SUE, RE, AS, RS, X = (
    LockMode.ACCESS_EXCLUSIVE,
    LockMode.SHARE_ROW_EXCLUSIVE,
    LockMode.SHARE,
    LockMode.SHARE_UPDATE_EXCLUSIVE,
    LockMode.ROW_EXCLUSIVE,
    LockMode.ACCESS_SHARE,
    LockMode.ROW_SHARE,
    LockMode.EXCLUSIVE,
)

SHOP = """
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TABLE users (id integer PRIMARY KEY, name varchar(20), at timestamp, price numeric(8, 2),
                        n integer, kept integer CONSTRAINT kept_there CHECK (kept IS NOT NULL));
    CREATE INDEX users_name ON users (name);
    CREATE TABLE orders (id integer PRIMARY KEY, user_id integer, old_user integer
                         CONSTRAINT orders_old REFERENCES users);
    CREATE TABLE events (id integer, day date) PARTITION BY RANGE (day);
    CREATE TABLE events_rest PARTITION OF events DEFAULT;
    CREATE TABLE days (id integer, day date) PARTITION BY RANGE (day);
    CREATE TABLE day_one (id integer, day date);
    CREATE TABLE day_two (id integer, day date,
        CHECK (day IS NOT NULL AND day >= '2024-01-02' AND day < '2024-01-03'));
    CREATE MATERIALIZED VIEW names AS SELECT id FROM users;
    CREATE UNIQUE INDEX names_id ON names (id);
    CREATE VIEW few AS SELECT id FROM users;
    CREATE UNLOGGED TABLE unlogged (id integer);
"""


@dataclass(frozen=True)
class Case:
    """Statements; and of the last one what is expected: locks but the weakest, rewrites, scans."""

    sql: str | tuple[str, ...]
    locks: Mapping[str, LockMode] = field(default_factory=dict)
    rewritten: set[str] = field(default_factory=set)
    scanned: set[str] = field(default_factory=set)
    since: int = 0

    @property
    def statements(self) -> tuple[str, ...]:
        return (self.sql,) if isinstance(self.sql, str) else self.sql


USERS_ANEW = {"users", "users_pkey", "users_name"}

CASES = {
    "add column": Case("ALTER TABLE users ADD c integer", {"users": AE}),
    "constant default": Case("ALTER TABLE users ADD c integer DEFAULT 7", {"users": AE}),
    "default now()": Case("ALTER TABLE users ADD c timestamptz DEFAULT now()", {"users": AE}),
    "volatile default": Case(
        "ALTER TABLE users ADD c uuid DEFAULT gen_random_uuid()", {"users": AE}, rewritten=USERS_ANEW
    ),
    "inline check": Case("ALTER TABLE users ADD c integer CHECK (c > 0)", {"users": AE}, scanned={"users"}),
    "check not valid": Case("ALTER TABLE users ADD CONSTRAINT k CHECK (n > 0) NOT VALID", {"users": AE}),
    "check": Case("ALTER TABLE users ADD CONSTRAINT k CHECK (n > 0)", {"users": AE}, scanned={"users"}),
    "constrained domain": Case("ALTER TABLE users ADD c positive", {"users": AE}, rewritten=USERS_ANEW),
    "domain constraint": Case(
        ("ALTER TABLE users ADD c positive", "-- alone", "ALTER DOMAIN positive ADD CHECK (VALUE > 1)"),
        {"users": S},
        scanned={"users"},
    ),
    "wider varchar": Case("ALTER TABLE users ALTER name TYPE varchar(40)", {"users": AE}),
    "narrower varchar": Case(
        "ALTER TABLE users ALTER name TYPE varchar(10)", {"users": AE}, rewritten=USERS_ANEW
    ),
    "wider numeric": Case("ALTER TABLE users ALTER price TYPE numeric(12, 2)", {"users": AE}),
    "bigint": Case("ALTER TABLE users ALTER n TYPE bigint", {"users": AE}, rewritten=USERS_ANEW),
    "timestamptz": Case("ALTER TABLE users ALTER at TYPE timestamptz", {"users": AE}, rewritten=USERS_ANEW),
    "timestamptz in UTC": Case(
        ("SET LOCAL timezone = 'UTC'", "ALTER TABLE users ALTER at TYPE timestamptz"), {"users": AE}
    ),
    "set not null": Case("ALTER TABLE users ALTER n SET NOT NULL", {"users": AE}, scanned={"users"}),
    "set not null, proved": Case("ALTER TABLE users ALTER kept SET NOT NULL", {"users": AE}),
    "set not null with the proof dropped": Case(
        "ALTER TABLE users ALTER kept SET NOT NULL, DROP CONSTRAINT kept_there",
        {"users": AE},
        scanned={"users"},
    ),
    "foreign key": Case(
        "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (user_id) REFERENCES users",
        {"orders": SRE, "users": SRE},
        scanned={"orders"},
    ),
    "foreign key not valid": Case(
        "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (user_id) REFERENCES users NOT VALID",
        {"orders": SRE, "users": SRE},
    ),
    "validate": Case(
        (
            "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (user_id) REFERENCES users NOT VALID",
            "-- alone",
            "ALTER TABLE orders VALIDATE CONSTRAINT k",
        ),
        {"orders": SUE, "users": RS},
        scanned={"orders"},
    ),
    "drop foreign key": Case("ALTER TABLE orders DROP CONSTRAINT orders_old", {"orders": AE, "users": AE}),
    "drop referring table": Case("DROP TABLE orders", {"orders": AE, "users": AE}),
    "create index": Case("CREATE INDEX i ON users (n)", {"users": S}, scanned={"users"}),
    "create index on only": Case("CREATE INDEX i ON ONLY events (id)", {"events": S}),
    "create index concurrently": Case(
        ("-- alone", "CREATE INDEX CONCURRENTLY i ON users (n)"), {"users": SUE}, scanned={"users"}
    ),
    "drop index concurrently": Case(
        ("-- alone", "DROP INDEX CONCURRENTLY users_name"), {"users": SUE, "users_name": SUE}
    ),
    "reindex concurrently": Case(
        ("-- alone", "REINDEX INDEX CONCURRENTLY users_name"),
        {"users": SUE, "users_name": SUE},
        rewritten={"users_name"},
        scanned={"users"},
    ),
    "reindex": Case(
        "REINDEX TABLE users", {"users": S}, rewritten={"users_pkey", "users_name"}, scanned={"users"}
    ),
    "vacuum": Case(("-- alone", "VACUUM users"), {"users": SUE}, scanned={"users"}),
    "vacuum full": Case(("-- alone", "VACUUM FULL users"), {"users": AE}, rewritten=USERS_ANEW),
    "unique": Case("ALTER TABLE users ADD UNIQUE (n)", {"users": AE}, scanned={"users"}),
    "primary key": Case("ALTER TABLE day_one ADD PRIMARY KEY (id)", {"day_one": AE}, scanned={"day_one"}),
    "primary key using index, nullable": Case(
        (
            "CREATE UNIQUE INDEX u ON day_one (id)",
            "-- alone",
            "ALTER TABLE day_one ADD PRIMARY KEY USING INDEX u",
        ),
        {"day_one": AE},
        scanned={"day_one"},
    ),
    "primary key using index": Case(
        (
            "ALTER TABLE day_one ALTER id SET NOT NULL",
            "CREATE UNIQUE INDEX u ON day_one (id)",
            "-- alone",
            "ALTER TABLE day_one ADD PRIMARY KEY USING INDEX u",
        ),
        {"day_one": AE},
    ),
    "exclude": Case("ALTER TABLE users ADD EXCLUDE USING btree (n WITH =)", {"users": AE}, scanned={"users"}),
    "attach": Case(
        "ALTER TABLE days ATTACH PARTITION day_one FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')",
        {"days": SUE, "day_one": AE},
        scanned={"day_one"},
    ),
    "attach, proved": Case(
        "ALTER TABLE days ATTACH PARTITION day_two FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')",
        {"days": SUE, "day_two": AE},
    ),
    "attach beside a default": Case(
        "ALTER TABLE events ATTACH PARTITION day_two FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')",
        {"events": SUE, "day_two": AE, "events_rest": AE},
        scanned={"events_rest"},
    ),
    "partition of": Case(
        "CREATE TABLE e PARTITION OF events FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')",
        {"events": AE, "events_rest": AE},
        scanned={"events_rest"},
    ),
    "detach concurrently": Case(
        (
            "ALTER TABLE days ATTACH PARTITION day_two FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')",
            "-- alone",
            "ALTER TABLE days DETACH PARTITION day_two CONCURRENTLY",
        ),
        {"days": SUE, "day_two": AE},
    ),
    "identity": Case(
        "ALTER TABLE users ADD c integer GENERATED ALWAYS AS IDENTITY", {"users": AE}, rewritten=USERS_ANEW
    ),
    "stored": Case(
        "ALTER TABLE users ADD c integer GENERATED ALWAYS AS (n + 1) STORED",
        {"users": AE},
        rewritten=USERS_ANEW,
    ),
    "virtual": Case(
        "ALTER TABLE users ADD c integer GENERATED ALWAYS AS (n + 1) VIRTUAL", {"users": AE}, since=18
    ),
    "set logged": Case("ALTER TABLE unlogged SET LOGGED", {"unlogged": AE}, rewritten={"unlogged"}),
    "created in the same transaction": Case(
        ("CREATE TABLE fresh (id integer)", "CREATE INDEX ON fresh (id)")
    ),
    "filled in the same transaction": Case(
        ("CREATE TABLE fresh (id integer REFERENCES users)", "ALTER TABLE fresh ALTER id TYPE bigint"),
        {"users": AE},  # for the foreign key is dropped and made anew
    ),
    "cluster": Case("CLUSTER users USING users_name", {"users": AE}, rewritten=USERS_ANEW),
    "refresh": Case(
        "REFRESH MATERIALIZED VIEW names", {"names": AE}, rewritten={"names", "names_id"}, scanned={"users"}
    ),
    "refresh concurrently": Case(
        "REFRESH MATERIALIZED VIEW CONCURRENTLY names", {"names": X}, scanned={"names", "users"}
    ),
    "truncate": Case("TRUNCATE orders", {"orders": AE}),
    "update": Case("UPDATE users SET n = 1", {"users": RE}, scanned={"users"}),
    "drop view": Case("DROP VIEW few", {"few": AE}),
    "the same lock again": Case(
        ("ALTER TABLE users ADD c integer", "ALTER TABLE users ADD d integer"), {"users": AE}
    ),
    "renamed on the way": Case(
        ("ALTER TABLE unlogged RENAME TO other", "ALTER TABLE other ADD c integer"), {"other": AE}
    ),
}
"""``-- alone`` begins what an ``autocommit_block`` commits by itself. Locks that hinder nobody: left out."""


class Bench:
    """A database to try revisions in."""

    def __init__(self, url: str, project: ProjectFolder) -> None:
        self.url = url
        self._project = AlembicProject(load_project(project.ini))
        self.path = project.root / "revision.py"

    def prepare(self, sql: str) -> int:
        """Begin with this and nothing else; the server's major version."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute(sql)
            return connection.info.server_version // 10000

    def trace(self, function: Callable[[], None], *, transactional: bool = True) -> Trace:
        """Run a revision."""
        step = Step("r1", Direction.UPGRADE, "", self.path, (), ("r1",), ())
        code = RevisionCode(function, transactional=transactional)

        def work(connection: Connection) -> Trace:
            scope = Scope(self._project.on(connection))
            scope.create_version_table()
            found = trace(scope, code, step)
            assert scope.versions() == ("r1",)
            return found

        async def run() -> Trace:
            async with open_session(DatabaseURL.parse(self.url, variable="URL")) as session:
                return await session.run(work)

        return asyncio.run(run())

    def query(self, sql: str) -> object:
        """A value."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(sql).fetchone()
            return row and row[0]


@pytest.fixture
def bench(database_url: str, project: ProjectFolder) -> Bench:
    return Bench(database_url, project)


def _sending(statements: Sequence[str]) -> Callable[[], None]:
    def upgrade() -> None:
        inside = statements[: statements.index("-- alone")] if "-- alone" in statements else statements
        for statement in inside:
            op.execute(text(statement.replace(":", r"\:")))
        if len(inside) < len(statements):
            with op.get_context().autocommit_block():
                for statement in statements[len(inside) + 1 :]:
                    op.execute(statement)

    return upgrade


def _hindering(review: StatementReview) -> dict[str, LockMode]:
    """Its locks, without those that every query takes, and without those on indexes of a table."""
    return {
        lock.relation: lock.mode
        for lock in review.locks
        if lock.mode is not AS and (lock.kind != "index" or "CONCURRENTLY users_name" in review.sql)
    }


def test_what_each_statement_does(bench: Bench) -> None:
    wrong = []
    for name, case in CASES.items():
        if bench.prepare(SHOP) < case.since:
            continue
        found = bench.trace(_sending(case.statements))
        last = found.statements[-1]
        seen = (_hindering(last), {*last.rewritten}, {*last.scanned}, last.error, found.unseen)
        if seen != (case.locks, case.rewritten, case.scanned, None, None):
            wrong.append(f"{name}: {last.sql}\n   {seen}")
    assert not wrong, "\n".join(wrong)


def test_what_fails_for_want_of_rows_is_left_out_and_the_rest_is_watched(bench: Bench) -> None:
    bench.prepare(SHOP)

    def upgrade() -> None:
        op.execute("CREATE TABLE fresh (id integer)")
        op.execute("INSERT INTO users (id) SELECT max(id) FROM users")
        op.execute("CREATE INDEX i ON users (n)")

    found = bench.trace(upgrade)
    made, failed, built = found.statements
    assert (made.error, built.error, built.scanned) == (None, None, ("users",))
    assert failed.error is not None
    assert "null value" in failed.error
    assert not failed.traced
    assert (found.unseen, found.complete) == (None, False)
    assert bench.query("SELECT to_regclass('fresh') IS NOT NULL AND to_regclass('i') IS NOT NULL") is True


def test_what_is_committed_is_not_done_again_when_something_fails_behind_it(bench: Bench) -> None:
    bench.prepare(SHOP)

    def upgrade() -> None:
        op.execute("INSERT INTO orders VALUES (1)")
        with op.get_context().autocommit_block():
            op.execute("INSERT INTO orders VALUES (2)")
            op.execute("INSERT INTO orders VALUES (2)")
        op.execute("INSERT INTO orders VALUES (3)")

    found = bench.trace(upgrade)
    assert [it.transactional for it in found.statements] == [True, False, False, True]
    assert [it.error is None for it in found.statements] == [True, True, False, True]
    assert bench.query("SELECT count(*) FROM orders") == 3


def test_a_revision_that_is_not_transactional_is_watched_statement_by_statement(bench: Bench) -> None:
    bench.prepare(SHOP)

    def upgrade() -> None:
        op.execute("CREATE TABLE fresh (id integer)")
        op.execute("CREATE INDEX CONCURRENTLY i ON fresh (id)")
        with op.get_context().autocommit_block():
            op.execute("ALTER TABLE fresh ALTER id TYPE bigint")

    found = bench.trace(upgrade, transactional=False)
    assert [it.transactional for it in found.statements] == [False] * 3
    assert [
        {lock.relation: lock.mode for lock in it.locks if lock.kind == "table"} for it in found.statements
    ] == [
        {},
        {"fresh": SUE},
        {"fresh": AE},
    ]
    assert [it.rewritten for it in found.statements] == [(), (), ("fresh", "i")]


def test_a_statement_that_may_not_run_in_the_transaction_is_said_to_fail(bench: Bench) -> None:
    bench.prepare(SHOP)
    found = bench.trace(_sending(["CREATE INDEX CONCURRENTLY i ON users (n)", "DROP VIEW few"]))
    refused, after = found.statements
    assert refused.error is not None
    assert "transaction block" in refused.error
    assert (after.error, after.strongest) == (None, AE)


def test_a_failure_that_a_savepoint_takes_back_is_the_revisions_own_affair(bench: Bench) -> None:
    bench.prepare(SHOP)

    def upgrade() -> None:
        connection = op.get_bind()
        with suppress(DBAPIError), connection.begin_nested():
            connection.exec_driver_sql("DROP TABLE nothing")
        op.execute("DROP VIEW few")

    found = bench.trace(upgrade)
    assert (found.unseen, found.complete) == (None, True)
    assert [(it.sql, it.strongest) for it in found.statements] == [("DROP VIEW few", AE)]


def test_questions_to_the_catalogue_and_secrets_are_not_shown(bench: Bench) -> None:
    bench.prepare(SHOP)

    def upgrade() -> None:
        assert inspect(op.get_bind()).has_table("users")
        op.execute("COMMENT ON TABLE users IS 'password hunter2'")

    (only,) = bench.trace(upgrade).statements
    assert only.sql.startswith("COMMENT ON TABLE users")
    assert "hunter2" not in only.sql


def test_a_revision_that_raises_keeps_what_it_made_until_then(bench: Bench) -> None:
    bench.prepare(SHOP)

    def upgrade() -> None:
        op.execute("CREATE TABLE fresh (id integer)")
        raise LookupError("no rows")

    found = bench.trace(upgrade)
    assert found.unseen == "it ends early in an empty database: LookupError: no rows"
    assert bench.query("SELECT to_regclass('fresh') IS NOT NULL") is True
