"""The split pieces of a script, run one by one, do what the server makes of the whole script by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.sqltext import split

if TYPE_CHECKING:
    from collections.abc import Iterator

_INSIDE = st.text(alphabet="ab;'\"\\$-/*() \n\ré\u00a0E:%", max_size=6)
_GAP = st.sampled_from([" ", "\n", "\t", " -- ; '\n", "/* ; ' /* \" */ $$ */", "\r\n"])


def _quoted(body: str) -> str:
    return "'" + body.replace("'", "''") + "'"


def _escaped(body: str) -> str:
    return re.sub(r"(['\\])", r"\\\1", body)


_VALUE = st.one_of(
    _INSIDE.map(_quoted),
    _INSIDE.map(lambda body: f"E'{_escaped(body)}'"),
    st.tuples(_INSIDE, _INSIDE).map(lambda two: f"e'{_escaped(two[0])}' -- ;\n '{_escaped(two[1])}'"),
    _INSIDE.map(lambda body: "U&" + _quoted(body.replace("\\", "\\\\"))),
    _INSIDE.map(lambda body: f"$${body.replace('$', '')}$$"),
    _INSIDE.map(lambda body: f"$é1${body}$é$é1$"),
    st.sampled_from(["1.5", "2*/*;*/3", "5--;\n-1", "(ARRAY[1,2])[1:2]", "case when true then ';' end"]),
    st.sampled_from(["1 AS end", "1 AS case", '1 AS "begin;"', "1 AS a$$", "1 AS é$x$"]),
)
_STATEMENT = st.lists(st.tuples(_GAP, _VALUE, _GAP), min_size=1, max_size=3).map(
    lambda values: "SELECT" + ",".join("".join(value) for value in values)
)
_SCRIPT = st.lists(st.tuples(_GAP, _STATEMENT), min_size=1, max_size=4).map(
    lambda statements: ";".join("".join(statement) for statement in statements) + ";"
)

CATALOGUE = """
CREATE TABLE a (id int, b text DEFAULT ';''\\'); -- a comment; with a semicolon
CREATE TABLE "b;""c" (id int);
CREATE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO "b;""c" VALUES (1); DELETE FROM "b;""c" WHERE id = 2;);
CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC
    SELECT 1; SELECT CASE WHEN x > 1 THEN 2 ELSE CASE x WHEN 1 THEN 3 END END; SELECT 4 AS end;
END;
CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO a VALUES (1); /* END; */ DELETE FROM a; END;
CREATE FUNCTION g() RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
    EXECUTE $$ SELECT ';' $$;
    RETURN E'\\';';
END $body$;;
DO $do$ BEGIN IF 1 < 2 THEN CREATE TABLE made(); END IF; END $do$;
COMMENT ON TABLE a IS E'\\';' -- goes on;
    'x\\';';
CREATE VIEW v AS SELECT U&'d\\0061t;a' AS u, B'1' AS bits, ':name %s {}' AS c; /* last; */
"""
FIGURES = """
SELECT format('%s %s %s %s', c.oid::regclass, c.relkind, obj_description(c.oid), pg_get_viewdef(c.oid))
FROM pg_class c WHERE relnamespace = current_schema::regnamespace
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema::regnamespace
UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'a'::regclass
UNION ALL SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE rulename = 'r' AND ev_class = 'a'::regclass
ORDER BY 1
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def _whole(connection: psycopg.Connection, script: str) -> list[list[tuple[object, ...]]]:
    """Every statement's rows, as the server itself tells them apart (the simple query protocol)."""
    cursor = connection.execute(script.encode())
    found: list[list[tuple[object, ...]]] = [list(cursor.fetchall())]
    while cursor.nextset():
        found.append(list(cursor.fetchall()))
    return found


@given(script=_SCRIPT)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_server_finds_the_same_statements(connection: psycopg.Connection, script: str) -> None:
    statements, flaws = split(script)
    assert flaws == ()
    alone = [list(connection.execute(statement.text.encode()).fetchall()) for statement in statements]
    assert alone == _whole(connection, script)


def test_the_pieces_make_the_catalogue_that_the_whole_makes(connection: psycopg.Connection) -> None:
    made = []
    for schema in ("whole", "pieces"):
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        connection.execute(f"SET search_path = {schema}".encode())
        if schema == "whole":
            connection.execute(CATALOGUE.encode())
        else:
            for statement in split(CATALOGUE)[0]:
                connection.execute(statement.text.encode())
        made.append(
            [str(row).replace(f"{schema}.", "") for row in connection.execute(FIGURES.encode()).fetchall()]
        )
    assert made[0] == made[1]
    assert len(made[0]) == 9
