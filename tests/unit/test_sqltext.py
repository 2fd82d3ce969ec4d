"""SQL as text: comments, literals, names; what is shown of a statement that may hold a secret."""

from __future__ import annotations

import pytest

from headway.sqltext import presentable, shown, skeleton, tells_literal, uncommented


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        ("-- why\nCREATE TABLE t()", "CREATE TABLE t()"),
        ("/* a /* nested */ one */ VACUUM t", "VACUUM t"),
        ("VACUUM /* never closed /* */ t", "VACUUM"),
        ("SELECT '-- no comment', '/* nor this */'", "SELECT '-- no comment', '/* nor this */'"),
        ("SELECT 'it''s -- still a literal'", "SELECT 'it''s -- still a literal'"),
        (r"SELECT E'\' -- still a literal'", r"SELECT E'\' -- still a literal'"),
        ("SELECT 'a\\' -- a comment", "SELECT 'a\\'"),
        ("DO $$ -- part of the body\n$$", "DO $$ -- part of the body\n$$"),
        ("DO $a$ $$ -- body $$ $a$ -- comment", "DO $a$ $$ -- body $$ $a$"),
        ('SELECT "-- a name"', 'SELECT "-- a name"'),
        ("SELECT a$1$b -- comment", "SELECT a$1$b"),
    ],
)
def test_comments_are_told_from_what_looks_like_one(statement: str, without: str) -> None:
    assert uncommented(statement) == without


def test_the_skeleton_says_nothing_of_literals_and_quoted_names() -> None:
    statement = """/* x */ SELECT 'RETURNING', E'a\\'b', $q$ BEGIN $q$ FROM "COMMIT" -- end"""
    assert skeleton(statement) == """SELECT '', '', '' FROM \"\""""


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE app LOGIN PASSWORD 'S3CRET'",
        "ALTER USER app ENCRYPTED PASSWORD E'S3CRET\\'S3CRET'",
        "create role app password $$S3CRET$$",
        "CREATE ROLE app PASSWORD 'it''s S3CRET'",
        "CREATE ROLE app PASSWORD 'S3CRET",
        "CREATE ROLE app PASSWORD $x$S3CRET",
        "CREATE ROLE app -- the password is S3CRET\n PASSWORD 'x'",
        "CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'u', \"pass\" 'S3CRET')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h dbname=d passfile=S3CRET' PUBLICATION p",
        "SELECT dblink_connect('c', 'S3CRET')",
        "COPY t FROM PROGRAM 'curl https://me:S3CRET@host/'",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE app PASSWORD ''S3CRET'''; END $$",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE app PASSWORD %L', 'S3CRET'); END $$",
        "INSERT INTO settings VALUES ('api_key', 'S3CRET')",
    ],
)
def test_a_statement_that_speaks_of_a_secret_is_shown_without_its_literals(statement: str) -> None:
    assert "S3CRET" not in shown(statement)
    assert "S3CRET" not in presentable(statement)
    assert presentable(statement).split()[0] == statement.split(maxsplit=1)[0]


def test_other_statements_are_shown_as_they_are() -> None:
    statement = "COMMENT ON TABLE t IS\n  'of Monday' -- why"
    assert shown(statement) == statement
    assert presentable(statement) == "COMMENT ON TABLE t IS 'of Monday' -- why"


@pytest.mark.parametrize(
    ("statement", "text", "told"),
    [
        ("SELECT 'a''b'", "it says a'b", True),
        ("SELECT E'x'", "x", True),
        ("SELECT $q$word$q$", "a word", True),
        ("SELECT 'word'", "nothing", False),
        ("SELECT ''", "anything", False),
        ('SELECT "word"', "a word", False),
    ],
)
def test_a_text_that_repeats_a_literal_is_found(statement: str, text: str, told: bool) -> None:  # noqa: FBT001  # a table
    assert tells_literal(text, statement) is told
