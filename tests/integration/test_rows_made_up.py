"""Rows for any schema, and pictures of one, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from headway import DatabaseURL
from headway.testing.picture import read_picture
from headway.testing.rows import fill, read_tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio

# Every table here can be filled; what is written into them is what the test looks at.
FILLABLE = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0 AND VALUE < 50);
CREATE DOMAIN email AS text NOT NULL CHECK (VALUE ~ '^[^@]+@[^@]+\\.[a-z]+$');
CREATE DOMAIN short_email AS email CHECK (length(VALUE) < 60);
CREATE TABLE "Org Unit" (
    id bigserial PRIMARY KEY, "Na me" varchar(5) UNIQUE NOT NULL, parent_id bigint REFERENCES "Org Unit"
);
CREATE TABLE users (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email short_email UNIQUE, mood mood NOT NULL,
    moods mood[] NOT NULL, age positive, lo int NOT NULL, hi int NOT NULL,
    CHECK (lo < hi AND lo BETWEEN 10 AND 20), kind text CHECK (kind IN ('a', 'b')),
    pct numeric(3, 2) CHECK (pct > 0 AND pct <= 1), code char(2) NOT NULL CHECK (code = upper(code)),
    doc jsonb NOT NULL CHECK (jsonb_typeof(doc) = 'array'), span int4range NOT NULL, days daterange,
    full_name text GENERATED ALWAYS AS (kind || 'x') STORED,
    tags text[] NOT NULL CHECK (cardinality(tags) > 0), a int, b int, CHECK ((a IS NULL) <> (b IS NULL))
);
CREATE UNIQUE INDEX one_happy ON users (mood) WHERE mood = 'happy';
CREATE TABLE membership (
    org bigint NOT NULL REFERENCES "Org Unit", member int NOT NULL REFERENCES users, PRIMARY KEY (org, member)
);
CREATE TABLE profile (id int PRIMARY KEY REFERENCES users);
CREATE TABLE hen (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id serial PRIMARY KEY, hen int NOT NULL REFERENCES hen);
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
CREATE TABLE selfish (id uuid PRIMARY KEY, self uuid NOT NULL REFERENCES selfish);
CREATE TABLE patient (
    id int PRIMARY KEY, up int NOT NULL REFERENCES patient DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE one (id int PRIMARY KEY, other int);
CREATE TABLE other (id int PRIMARY KEY, one int REFERENCES one);
ALTER TABLE one ADD FOREIGN KEY (other) REFERENCES other;
CREATE TABLE tenant (id int PRIMARY KEY);
CREATE TABLE thing (tenant int NOT NULL REFERENCES tenant, id int, PRIMARY KEY (tenant, id));
CREATE TABLE link (
    tenant int NOT NULL, a int NOT NULL, b int NOT NULL, FOREIGN KEY (tenant, a) REFERENCES thing,
    FOREIGN KEY (tenant, b) REFERENCES thing
);
CREATE TABLE measure (at date NOT NULL, id int NOT NULL, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE measure_1 PARTITION OF measure FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
CREATE TABLE measure_2 PARTITION OF measure FOR VALUES FROM ('2020-02-01') TO ('2020-03-01');
CREATE TABLE room (id int PRIMARY KEY, during tsrange NOT NULL, EXCLUDE USING gist (during WITH &&));
CREATE TABLE of_all_types (
    a int2, b int4, c int8, d numeric, e float4, f float8, g money, h text, i varchar, j char(3), k "char",
    l name, m bytea, n time, o timetz, p interval, q json, r cidr, s macaddr, t macaddr8, u point, v line,
    w lseg, x box, y path, z polygon, aa circle, bb tsvector, cc tsquery, dd pg_lsn, ee varbit(7),
    ff tstzrange, gg numrange, hh int8multirange, ii uuid, jj date, kk timestamp, ll jsonpath, mm oid,
    nn inet, oo int[][], pp uuid[], qq boolean, rr bit(4)
);
CREATE TABLE noted (
    id int PRIMARY KEY, starts timestamptz NOT NULL, ends timestamptz NOT NULL,
    CHECK (ends > starts + interval '1 hour'), url text NOT NULL CHECK (url LIKE 'https://%'),
    price numeric(10, 2) NOT NULL CHECK (price >= 9.99), code text NOT NULL CHECK (char_length(code) = 3),
    year smallint NOT NULL CHECK (year BETWEEN 1900 AND 2100)
);
CREATE TABLE bare ();
"""

OF_USERS = ("mood", "moods", "age", "kind", "days", "full_name", "a", "b")

# None of these can be filled wholly: each with how many rows it gets, and a word of the reason.
UNFILLABLE = {
    "never": ("(id int NOT NULL CHECK (id > 5 AND id < 3))", 0, "never_id_check"),
    "single": ("(id bool PRIMARY KEY DEFAULT true CHECK (id))", 1, "single_pkey"),
    "late": ("(id int, flag bool NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED)", 2, "late_flag_key"),
    "guarded": ("(id int)", 0, "no rows here"),
    "strange": ("(id pair NOT NULL)", 0, "no value is known of the type pair of its column id"),
}
GUARD = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no rows here'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(**DatabaseURL.parse(database_url).connect_arguments())
    yield connection
    await connection.close()


async def test_every_table_gets_three_rows_that_its_constraints_allow(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    await connection.execute(FILLABLE)
    filling = await fill(connection, await read_tables(connection, ()))
    assert filling.unfilled == {}
    assert {*filling.rows.values()} == {3}
    assert (
        len(filling.rows) == FILLABLE.count("CREATE TABLE") - 2
    )  # the partitions are filled by their parent
    columns = [f"count({name})" for name in OF_USERS]
    users = await connection.fetchrow(f"SELECT count(DISTINCT email), {', '.join(columns)} FROM users")  # noqa: S608
    assert users is not None
    assert [*users][:3] == [3, 3, 3]
    assert 0 not in [*users]
    all_types = "SELECT * FROM of_all_types"
    values = [[*row] for row in await connection.fetch(all_types)]
    assert None not in values[0]
    assert {*values[1]} == {None}
    assert (await connection.fetchval("SELECT count(other) + count(one) FROM one, other")) > 0
    assert await connection.fetchval('SELECT count(parent_id) FROM "Org Unit"') > 0
    again = await fill(connection, await read_tables(connection, ()))
    assert again.rows == {}


async def test_a_table_that_cannot_be_filled_is_named_with_the_reason(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    await connection.execute("CREATE TYPE pair AS (a int, b int)")
    for name, (columns, _, _) in UNFILLABLE.items():
        await connection.execute(f"CREATE TABLE {name} {columns}")
    await connection.execute(GUARD)
    filling = await fill(connection, await read_tables(connection, ()))
    assert filling.unfilled.keys() == UNFILLABLE.keys()
    for name, (_, rows, reason) in UNFILLABLE.items():
        assert filling.rows.get(name, 0) == rows
        assert reason in filling.unfilled[name]


# Each statement, and the beginning of the lines by which the schema then differs.
CHANGES = {
    "CREATE SCHEMA more": ["left over: schema more"],
    "CREATE TABLE t (a int)": ["left over: column public.t.a", "left over: relation public.t"],
    "ALTER TABLE t ALTER a SET DEFAULT 1": ["changed: column public.t.a: default is 1, was nothing"],
    "ALTER TABLE t ALTER a SET NOT NULL": ["changed: column public.t.a: not null is true, was false"],
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID": ["left over: constraint public.t.c"],
    "ALTER TABLE t VALIDATE CONSTRAINT c": [
        "changed: constraint public.t.c: definition is CHECK ((a > 0)), was"
    ],
    "CREATE INDEX i ON t (a)": ["left over: index public.i"],
    "ALTER INDEX i SET (fillfactor = 50)": ["changed: index public.i: definition is"],
    "COMMENT ON COLUMN t.a IS 'x'": ["changed: column public.t.a: comment is x, was nothing"],
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY": [
        "changed: relation public.t: row security is true, was false"
    ],
    "CREATE POLICY p ON t USING (a > 1)": ["left over: policy public.t.p"],
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": ["left over: function public.f()"],
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'": [
        "changed: function public.f(): definition is"
    ],
    "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION "
    "suppress_redundant_updates_trigger()": ["left over: trigger public.t.g"],
    "ALTER TABLE t DISABLE TRIGGER g": ["changed: trigger public.t.g: enabled is D, was O"],
    "CREATE VIEW v AS SELECT a FROM t": ["left over: column public.v.a", "left over: relation public.v"],
    "CREATE SEQUENCE s": ["left over: relation public.s", "left over: sequence public.s"],
    "ALTER SEQUENCE s INCREMENT 5": ["changed: sequence public.s: increment is 5, was 1"],
    "ALTER SEQUENCE s OWNED BY t.a": ["changed: sequence public.s: owned by is public.t.a, was nothing"],
    "CREATE TYPE e AS ENUM ('a')": ["left over: type public.e"],
    "ALTER TYPE e ADD VALUE 'b' BEFORE 'a'": ['changed: type public.e: labels is ["b", "a"], was ["a"]'],
    "CREATE DOMAIN d AS int CHECK (VALUE > 0)": ["left over: type public.d"],
    "CREATE STATISTICS st ON a, (a + 1) FROM t": ["left over: statistics public.t.st"],
    "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING": ["left over: rule public.t.r"],
    "GRANT SELECT ON t TO PUBLIC": ["changed: relation public.t: privileges is"],
    "REVOKE SELECT ON t FROM PUBLIC": ["changed: relation public.t: privileges is"],
    "GRANT SELECT ON v TO PUBLIC; REVOKE SELECT ON v FROM PUBLIC": [],
    "DROP VIEW v": ["missing: column public.v.a", "missing: relation public.v"],
    "CREATE AGGREGATE agg (int) (sfunc = int4pl, stype = int)": ["left over: function public.agg(integer)"],
}


async def test_every_kind_of_change_shows_in_the_picture_and_bookkeeping_does_not(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    before = await read_picture(connection, ["kept_out"])
    await connection.execute("CREATE TABLE kept_out (id serial PRIMARY KEY)")
    await connection.execute("DROP SEQUENCE kept_out_id_seq CASCADE")
    for statement, beginnings in CHANGES.items():
        await connection.execute(statement)
        after = await read_picture(connection, ["kept_out"])
        found = after.differences(before)
        assert len(found) == len(beginnings), (statement, found)
        assert [line[: len(begin)] for line, begin in zip(found, beginnings, strict=True)] == beginnings
        before = after
