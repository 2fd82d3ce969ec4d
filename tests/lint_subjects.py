"""Steps for the tests of lint's rules: statements as they would be sent, with no server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headway.lint import Policy, Schema, Subject, examine
from headway.results import Direction, LockMode, RelationLock, StatementReview, StepReview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.results import Finding

IRREVERSIBLE = "def upgrade():\n    ...\n\n\ndef downgrade():\n    raise NotImplementedError\n"
"""A revision that says that there is no way back, which tests of other rules do not look at."""

MADE_BEFORE = (
    "CREATE TABLE orgs (id bigint PRIMARY KEY)",
    """CREATE TABLE users (
        id bigint PRIMARY KEY, email varchar(50), age int, price numeric(10, 2), seen timestamp,
        org_id bigint, note varchar(50), CONSTRAINT users_email_known CHECK (email IS NOT NULL)
    )""",
    "CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint CONSTRAINT posts_user REFERENCES users (id))",
    "CREATE TABLE events (id bigint, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE events_old (id bigint, at date)",
    "CREATE TABLE events_proved (id bigint, at date, CHECK (at >= '2020-01-01' AND at < '2021-01-01'))",
    "CREATE INDEX users_age ON users (age)",
    "CREATE UNIQUE INDEX users_age_unique ON users (age)",
    "CREATE UNIQUE INDEX users_email_unique ON users (email)",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE DOMAIN anything AS int",
    "CREATE TABLE amounts (amount positive)",
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE VIEW grown AS SELECT * FROM users WHERE age > 17",
    "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM users",
)


def step(
    *statements: str | StatementReview,
    direction: Direction = Direction.UPGRADE,
    path: str = "versions/r1.py",
    unseen: str | None = None,
) -> StepReview:
    """A step; statements that begin with ``!`` run outside its transaction. Lines are counted from 11."""
    reviews = [
        it
        if isinstance(it, StatementReview)
        else StatementReview(
            number, it.removeprefix("!"), line=10 + number, transactional=not it.startswith("!")
        )
        for number, it in enumerate(statements, start=1)
    ]
    return StepReview("r1", direction, "words", Path(path), statements=tuple(reviews), unseen=unseen)


def traced(
    sql: str,
    *locks: tuple[str, LockMode],
    rewritten: Sequence[str] = (),
    scanned: Sequence[str] = (),
    kind: str = "table",
) -> StatementReview:
    """A statement that PostgreSQL was watched running."""
    held = tuple(RelationLock(name, kind, mode) for name, mode in locks)
    return StatementReview(
        1, sql, line=11, traced=True, locks=held, rewritten=tuple(rewritten), scanned=tuple(scanned)
    )


def before() -> Schema:
    """What the revisions before have made."""
    return Schema().after(step(*MADE_BEFORE))


def lint(
    *statements: str | StatementReview,
    source: str = IRREVERSIBLE,
    policy: Policy | None = None,
    undo: StepReview | None = None,
    path: str = "versions/r1.py",
) -> tuple[Finding, ...]:
    """The findings of an upgrade; of its way back only where ``undo`` or ``source`` are given."""
    subject = Subject(step=step(*statements, path=path), source=source, undo=undo, before=before())
    found = examine(subject, policy)
    if source is IRREVERSIBLE:
        return tuple(it for it in found if it.rule != "downgrade-missing")
    return found


def rules(found: Sequence[Finding]) -> list[str]:
    """The slugs, in order."""
    return [finding.rule for finding in found]
