"""Whether a revision's downgrade takes back what its upgrade did."""

from __future__ import annotations

import pytest

from headway.lint import Subject, examine
from headway.results import Direction, Severity
from lint_subjects import before, lint, rules, step

SOURCE = "def upgrade():\n    op.do()\n\n\ndef downgrade():\n    {}\n"

TRUE = [
    ("ALTER TABLE users ADD a int", "ALTER TABLE users DROP a"),
    ("CREATE TABLE a (id int); CREATE INDEX i ON a (id)", "DROP TABLE a"),
    ("CREATE INDEX i ON users (age)", "DROP INDEX i"),
    ("ALTER TABLE users ADD a int; CREATE INDEX i ON users (a)", "ALTER TABLE users DROP a"),
    ("ALTER TABLE users ADD a int; ALTER TABLE users ADD CHECK (a > 0)", "ALTER TABLE users DROP a"),
    ("ALTER TABLE users RENAME age TO years", "ALTER TABLE users RENAME years TO age"),
    ("DROP TABLE posts", "CREATE TABLE posts (id int)"),
    ("ALTER TABLE users ALTER age SET NOT NULL", "ALTER TABLE users ALTER age DROP NOT NULL"),
    ("ALTER TABLE users ALTER age TYPE bigint", "ALTER TABLE users ALTER age TYPE int"),
    ("ALTER TABLE users ADD CHECK (age > 0)", "ALTER TABLE users DROP CONSTRAINT users_age_check"),
    (
        "CREATE UNIQUE INDEX i ON users (age); ALTER TABLE users ADD CONSTRAINT u UNIQUE USING INDEX i",
        "ALTER TABLE users DROP CONSTRAINT u",
    ),
    ("CREATE EXTENSION IF NOT EXISTS vector", "SELECT 1"),
    (
        "ALTER TYPE mood RENAME TO old; CREATE TYPE mood AS ENUM ('a'); DROP TYPE old",
        "ALTER TYPE mood RENAME TO new; CREATE TYPE mood AS ENUM ('b'); DROP TYPE new",
    ),
    ("CREATE SCHEMA s; CREATE TABLE s.a (id int); CREATE INDEX i ON s.a (id)", "DROP SCHEMA s CASCADE"),
    (
        "CREATE TABLE a (b int) PARTITION BY RANGE (b); CREATE TABLE a1 PARTITION OF a DEFAULT",
        "DROP TABLE a",
    ),
]

UNTRUE = [
    ("ALTER TABLE users ADD a int", "ALTER TABLE users DROP age", "does not drop column users.a"),
    ("ALTER TABLE users ADD a int", "ALTER TABLE users DROP a, DROP age", "drops column users.age"),
    ("CREATE TABLE a (b int); CREATE TYPE t AS ENUM ('x')", "DROP TABLE a", "does not drop type t"),
    ("CREATE TABLE a (b int)", "DROP TABLE posts", "drops table posts"),
    ("ALTER TABLE users DROP age", "ALTER TABLE users ADD years int", "does not bring back column users.age"),
    (
        "ALTER TABLE users ALTER age SET NOT NULL",
        "SELECT 1",
        "does not change back NOT NULL of column users.age",
    ),
]


def texts(sql: str) -> list[str]:
    return sql.split("; ")


def judged(up: str, down: str) -> list[tuple[str, str]]:
    found = lint(
        *texts(up), source=SOURCE.format("op.undo()"), undo=step(*texts(down), direction=Direction.DOWNGRADE)
    )
    return [(it.rule, it.hazard) for it in found if it.rule.startswith("downgrade-")]


@pytest.mark.parametrize(("up", "down"), TRUE)
def test_a_downgrade_that_undoes_is_left_alone(up: str, down: str) -> None:
    assert judged(up, down) == []


@pytest.mark.parametrize(("up", "down", "said"), UNTRUE)
def test_a_downgrade_that_undoes_something_else_is_found(up: str, down: str, said: str) -> None:
    [(rule, hazard)] = judged(up, down)
    assert rule == "downgrade-untrue"
    assert said in hazard


def test_an_empty_downgrade_is_an_error_and_one_that_says_so_a_warning() -> None:
    up = "ALTER TABLE users ADD a int"
    empty = step(direction=Direction.DOWNGRADE)
    [found] = lint(up, source=SOURCE.format("pass"), undo=empty)
    assert (found.rule, found.severity, found.line) == ("downgrade-missing", Severity.ERROR, 5)
    [raises] = lint(up, source=SOURCE.format("raise NotImplementedError"), undo=None)
    assert (raises.rule, raises.severity) == ("downgrade-missing", Severity.WARNING)
    [absent] = lint(up, source="def upgrade():\n    op.do()\n", undo=None)
    assert (absent.rule, absent.severity) == ("downgrade-missing", Severity.WARNING)


def test_what_leaves_nothing_to_undo_needs_no_downgrade() -> None:
    empty = step(direction=Direction.DOWNGRADE)
    for up in ("ALTER TABLE users VALIDATE CONSTRAINT x", "ALTER TYPE mood ADD VALUE 'x'", "ANALYZE users"):
        assert "downgrade-missing" not in rules(lint(up, source=SOURCE.format("pass"), undo=empty)), up


def test_an_sql_revision_without_the_file_that_undoes_is_a_warning() -> None:
    [found] = lint("ALTER TABLE users ADD a int", source="ALTER TABLE users ADD a int;", path="1_a.up.sql")
    assert (found.rule, found.severity) == ("downgrade-missing", Severity.WARNING)


def test_a_downgrade_that_cannot_be_seen_whole_is_not_called_untrue() -> None:
    undo = step(direction=Direction.DOWNGRADE, unseen="it reads data")
    assert lint("ALTER TABLE users ADD a int", source=SOURCE.format("op.undo()"), undo=undo) == ()


def test_what_was_tried_counts_more_than_the_text() -> None:
    def tried(*left: str) -> list[str]:
        subject = Subject(
            step=step("ALTER TABLE users ADD a int"),
            source=SOURCE.format("op.undo()"),
            undo=step("SELECT undo()", direction=Direction.DOWNGRADE),
            left=left,
            before=before(),
        )
        return rules(examine(subject))

    assert tried() == []
    assert tried("column users.a is left") == ["downgrade-untrue"]


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        ("UPDATE users SET age = 1 WHERE id = 1", "SELECT 1", ["data-change-irreversible"]),
        ("UPDATE users SET age = 1 WHERE id = 1", "UPDATE users SET age = 2 WHERE id = 1", []),
        ("INSERT INTO orgs VALUES (1)", "SELECT 1", ["data-change-irreversible"]),
        ("INSERT INTO orgs VALUES (1)", "DELETE FROM orgs WHERE id = 1", []),
        ("CREATE TABLE a (id int); INSERT INTO a VALUES (1)", "DROP TABLE a", []),
    ],
)
def test_changed_rows_that_do_not_come_back_are_found(up: str, down: str, expected: list[str]) -> None:
    found = lint(
        *texts(up), source=SOURCE.format("op.undo()"), undo=step(*texts(down), direction=Direction.DOWNGRADE)
    )
    assert rules(found) == expected


def test_a_column_filled_in_the_revision_that_adds_it_goes_with_it() -> None:
    found = lint(
        "ALTER TABLE users ADD a int",
        "UPDATE users SET a = 1 WHERE id = 1",
        source=SOURCE.format("op.undo()"),
        undo=step("ALTER TABLE users DROP a", direction=Direction.DOWNGRADE),
    )
    assert "data-change-irreversible" not in rules(found)
