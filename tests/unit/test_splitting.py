"""Where statements end: by PostgreSQL's own lexical rules, and by those of its grammar that matter for it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.sqltext import Kind, split, tokens


def texts(sql: str) -> list[str]:
    statements, flaws = split(sql)
    assert flaws == ()
    for statement in statements:
        assert sql.startswith(statement.text, statement.start)
    return [statement.text for statement in statements]


@pytest.mark.parametrize(
    ("sql", "statements"),
    [
        ("", []),
        (" ;; \n-- only this; and that\n;/* and; this */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("-- before\nSELECT 1 -- behind\n;\n/* last */", ["SELECT 1"]),
        ("/* /* ; */ ; */ SELECT 1;x", ["SELECT 1", "x"]),
        ("SELECT 5--3;\n;x", ["SELECT 5", "x"]),
        ("SELECT 5 -- here\r;x", ["SELECT 5", "x"]),
    ],
)
def test_comments_around_a_statement_are_no_part_of_it(sql: str, statements: list[str]) -> None:
    assert texts(sql) == statements


BODY = """create or replace function f() returns int begin /**/ atomic
    select 1; select case when true then 2 else case 1 when 1 then 3 end end; select 4 as end;
end"""


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 /* between; */ + 2",
        "SELECT ';', 'it''s; one'",
        'SELECT ";", "a"";b"',
        r"SELECT 'a\'",
        r"SELECT E'a\';b'",
        r"SELECT e'\\'",
        r"SELECT somee'\'",
        "SELECT E'a' -- goes on\n  'b\\';c'",
        "SELECT E'a' 'b\\'",
        "SELECT E'a'/**/\n'b\\'",
        r"""SELECT U&'\0061;', U&"d\0061t;a" FROM t""",
        "SELECT B'1', X'F;', N';'",
        "DO $$;$$",
        "DO $a$ $$;$$ $b$;$b$ $a$",
        "DO $é$;$é$",
        "SELECT a$$",
        "SELECT é$a$",
        "SELECT 1$$;$$",
        "EXECUTE p($1)",
        "SELECT 2*/*c;*/3",
        "SELECT 1 @-- c;\n2",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b;)",
        BODY,
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (CASE WHEN true THEN 1 END); END",
        "CREATE TABLE begin(atomic int)",
        "END",
        "SELECT ':name', a[1:n], '%s {}' , x % 2",
    ],
)
def test_a_semicolon_within_a_statement_does_not_end_it(statement: str) -> None:
    assert texts(f"{statement};x; {statement}") == [statement, "x", statement]


@pytest.mark.parametrize(
    ("sql", "offset", "said"),
    [
        ("SELECT 'never", 7, "string is never closed"),
        ("SELECT E'never\\'", 7, "string is never closed"),
        ("SELECT E'a'\n'never", 7, "string is never closed"),
        ("DO $x$ never $y$", 3, "string is never closed"),
        ('SELECT "never;', 7, "name is never closed"),
        ("SELECT 1; /* /* never */", 10, "comment is never closed"),
        ("SELECT 1;\n\\connect other", 10, "psql"),
        ("SELECT (1; SELECT 2", 7, "parenthesis is never closed"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2", 38, "has no END"),
    ],
)
def test_what_keeps_statements_from_being_told_apart_is_found_where_it_begins(
    sql: str, offset: int, said: str
) -> None:
    (flaw,) = split(sql)[1]
    assert flaw.offset == offset
    assert said in flaw.message


# -- properties ----------------------------------------------------------------------------------------------

_INSIDE = st.text(alphabet="ab;'\"\\$-/*() \n\réE", max_size=8)


def _dollars(body: str) -> str:
    return f"$q${body.replace('$', '')}$q$"


_WHOLE = st.one_of(
    _INSIDE.map(lambda body: "'" + body.replace("'", "''") + "'"),
    _INSIDE.map(lambda body: "E'" + re.sub(r"([\\'])", r"\\\1", body) + "'"),
    _INSIDE.map(lambda body: '"a' + body.replace('"', '""') + '"'),
    _INSIDE.map(_dollars),
    _INSIDE.map(lambda body: "/*" + body.replace("*", "").replace("/", "") + "/* ; */*/"),
    _INSIDE.map(lambda body: "--" + re.sub(r"[\n\r]", "", body) + "\n"),
    st.sampled_from(
        ["SELECT", "a$1", "1.5", "$1", "+", "::", "(a; b)", "begin", "end", "case", ",", "é", ":n"]
    ),
)
# A blank between the parts: side by side, they would make other tokens.
_STATEMENTS = st.lists(_WHOLE, min_size=1, max_size=6).map(lambda parts: "x " + " ".join(parts) + " x")


@given(
    st.lists(_STATEMENTS, max_size=5),
    st.lists(st.sampled_from(["", " ", "\n", "-- ;\n", "/*;*/", ";"]), max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_statements_that_were_joined_are_split_again(statements: list[str], between: list[str]) -> None:
    gaps = [*between, *[""] * len(statements)]
    joined = "".join(f"{gap}{statement};" for gap, statement in zip(gaps, statements, strict=False))
    assert texts(joined) == statements


@given(st.text(alphabet="aE';\"$\\-/*().1 \n\r\0é", max_size=30))
@settings(max_examples=300, deadline=None)
def test_tokens_are_the_whole_text_and_coarse_ones_agree_with_them(sql: str) -> None:
    loud = {Kind.COMMENT, Kind.LITERAL, Kind.NAME}
    fine, coarse = list(tokens(sql)), list(tokens(sql, coarse=True))
    for found in (fine, coarse):
        assert "".join(sql[token.start : token.end] for token in found) == sql
    assert [token for token in fine if token.kind in loud] == [
        token for token in coarse if token.kind in loud
    ]
