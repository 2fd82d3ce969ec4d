"""Settings, URLs, names and inputs that are hostile: the right class, no secret, nothing changed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from urllib.parse import quote

import command
import psycopg
import pytest
from extent import WHOLE, sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laboratory import UP, Laboratory, watching
from psycopg import sql
from records import Record

import servers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from command import Ended

_SECRET = "Zq7Xw-is-secret"
_NOBODY = "127.0.0.1:1"
"""Where nobody listens."""
_EXAMPLES = 60 if WHOLE else 3

VARIABLES: dict[str, Mapping[str, str]] = {
    "a port that is none": {"DATABASE_URL": f"postgresql://u:{_SECRET}@127.0.0.1:99999/d"},
    "a port in letters": {"DATABASE_URL": f"postgresql://u:{_SECRET}@127.0.0.1:port/d"},
    "a scheme of another kind": {"DATABASE_URL": f"mysql://u:{_SECRET}@127.0.0.1/d"},
    "no scheme": {"DATABASE_URL": f"u:{_SECRET}@127.0.0.1/d"},
    "an unfinished escape": {"DATABASE_URL": f"postgresql://u:{_SECRET}%@{_NOBODY}/d"},
    "a line end": {"DATABASE_URL": f"postgresql://u:{_SECRET}@{_NOBODY}/d\n"},
    "a byte order mark": {"DATABASE_URL": f"\ufeffpostgresql://u:{_SECRET}@{_NOBODY}/d"},
    "an unknown parameter": {"DATABASE_URL": f"postgresql://u:{_SECRET}@{_NOBODY}/d?speed=high"},
    "a mode that is none": {"DATABASE_URL": f"postgresql://u:{_SECRET}@{_NOBODY}/d?sslmode=maybe"},
    "a certificate that is not there": {
        "DATABASE_URL": f"postgresql://u:{_SECRET}@{_NOBODY}/d?sslmode=verify-full&sslrootcert=/nowhere"
    },
    "options that inject": {
        "DATABASE_URL": f"postgresql://u:{_SECRET}@{_NOBODY}/d?options=-c%20a%3D'%3BDROP%20TABLE%20x"
    },
    "more ports than hosts": {"DATABASE_URL": f"postgresql://u:{_SECRET}@127.0.0.1:1,127.0.0.1:2,:3/d"},
    "a name of 70 bytes": {"DATABASE_URL": f"postgresql://u:{_SECRET}@{_NOBODY}/{'d' * 70}"},
    "nothing but space": {"DATABASE_URL": "  ", "APP_ENVIRONMENT": "production"},
    "a migration URL beside": {"MIGRATION_DATABASE_URL": f"postgresql://u:{_SECRET}@{_NOBODY}/'\"%25"},
    "a nested port": {"DATABASE_URL": "", "APP_DATABASE__PORT": "x", "APP_DATABASE__PASSWORD": _SECRET},
    "an unknown nested name": {
        "DATABASE_URL": "",
        "APP_DATABASE__HOTS": "x",
        "APP_ENVIRONMENT": "production",
    },
    "an environment that is none": {"APP_ENVIRONMENT": "moon"},
    "protection that is neither": {"HEADWAY_PROTECTED": "perhaps"},
    "a wait in words": {"HEADWAY_LOCK_WAIT": "soon"},
    "a wait below nothing": {"HEADWAY_LOCK_WAIT": "-1s"},
    "a timeout beyond all": {"HEADWAY_LOCK_TIMEOUT": "9" * 40},
    "a timeout that injects": {"HEADWAY_STATEMENT_TIMEOUT": "1'; DROP TABLE probe; --"},
}


def _settled(laboratory: Laboratory, fault: str, done: Ended, *, codes: frozenset[int]) -> None:
    """Judge a command that was not to get anywhere, and keep the record."""
    found = []
    if done.code not in codes:
        found.append(f"exit {done.code}: {done.err[-600:]}")
    said = done.out + done.err
    if _SECRET in said or quote(_SECRET, "") in said:
        found.append("a secret was printed")
    if "Traceback" in said or "internal error" in said:
        found.append(f"a traceback or internal error: {said[-1500:]}")
    wrong = {"I7 honest exit": found} if found else {}
    laboratory.records.add(Record(fault, "", "up", None, 0, done.code, wrong))
    assert wrong == {}, fault


@pytest.mark.parametrize("name", sample(VARIABLES))
def test_what_cannot_be_meant_is_said_and_not_done(laboratory: Laboratory, name: str) -> None:
    with laboratory.database("up") as url:
        done = command.run(laboratory.folder, url, *UP, variables=VARIABLES[name])
        with watching(url) as admin:
            tables = admin.execute("SELECT to_regclass('alembic_version'), to_regclass('shelf')").fetchone()
    assert tables == (None, None)
    _settled(laboratory, f"setting: {name}", done, codes=frozenset({1, 2}))


DATABASES = ('"', "'; --", "%s %(x)s 100%", "a b\\", "$user", "é" * 31, "-", "{}", "?&=#@:/")


@pytest.mark.parametrize("name", sample(DATABASES))
def test_a_database_may_be_called_anything(laboratory: Laboratory, name: str) -> None:
    with laboratory.database("up") as url:
        with watching(laboratory.server) as admin:
            plain = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
            called = f"{name}{str(plain)[-1:]}"
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            admin.execute(rename.format(sql.Identifier(str(plain)), sql.Identifier(called)))
        try:
            done = command.run(laboratory.folder, servers.sibling(url, database=called), *UP)
        finally:
            with watching(laboratory.server) as admin:
                admin.execute(rename.format(sql.Identifier(called), sql.Identifier(str(plain))))
        with watching(url) as admin:
            assert admin.execute("SELECT version_num FROM alembic_version").fetchone() == ("r6",)
    _settled(laboratory, f"database called {name}", done, codes=frozenset({0}))


SCHEMAS = ('a"b', "it's", "100%s", "$user", "a.b", "a b", "", "é" * 31, "s" * 64, "é" * 40, "pg_mine")


@pytest.mark.parametrize("name", sample(SCHEMAS, every=9))
@pytest.mark.parametrize("how", ["version_table_schema", "search_path"])
def test_a_schema_may_be_called_anything_and_no_neighbour_is_touched(
    laboratory: Laboratory, name: str, how: str, tmp_path: Path
) -> None:
    """A name that PostgreSQL would cut short is another's; one that it does not allow ends in words."""
    folder = tmp_path / "project"
    shutil.copytree(laboratory.folder, folder)
    stored = name.encode()[:63].decode(errors="ignore")
    with laboratory.database("up") as url, watching(url) as admin:
        if stored and not stored.startswith("pg_"):
            admin.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(stored)))
        if how == "search_path":
            path = sql.SQL("ALTER DATABASE {} SET search_path = {}, public")
            admin.execute(path.format(sql.Identifier(admin.info.dbname), sql.Identifier(stored or "none")))
        else:
            env = folder / "alembic" / "env.py"
            env.write_text(f"from headway import env\n\nenv.run(version_table_schema={name!r})\n", "utf-8")
        before = _tables(admin)
        done = command.run(folder, url, *UP)
        made = _tables(admin) - before
        again = command.run(folder, url, *UP)
    assert again.code == done.code
    if done.code:
        assert not made
    elif how == "version_table_schema":
        assert (name or "public", "alembic_version") in made
    _settled(
        laboratory, f"schema called {name[:12] or 'nothing'}, {how}", done, codes=frozenset({0, 1, 2, 3})
    )


def _tables(admin: psycopg.Connection) -> set[tuple[str, str]]:
    query = """
        SELECT nspname, relname FROM pg_class JOIN pg_namespace AS place ON place.oid = relnamespace
        WHERE relkind IN ('r', 'v') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    """
    return {(schema, name) for schema, name in admin.execute(query)}


# -- fuzz ----------------------------------------------------------------------------------------------------
# URLs and the splitting of SQL are fuzzed in tests/unit/test_url_secrets.py, tests/unit/test_splitting.py and
# tests/integration/test_splitting_against_postgresql.py. Here it is whole commands.

_FUZZ = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_LINE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
_NAME = st.sampled_from(
    [
        *("APP_DATABASE__HOST", "APP_DATABASE__PORT", "APP_DATABASE__USER", "APP_DATABASE__PASSWORD"),
        *("APP_DATABASE__DATABASE", "APP_ENVIRONMENT", "HEADWAY_PROTECTED", "HEADWAY_LOCK_WAIT"),
        *("HEADWAY_LOCK_TIMEOUT", "HEADWAY_STATEMENT_TIMEOUT", "NO_COLOR", "COLUMNS"),
    ]
)


@_FUZZ
@given(query=_LINE, database=_LINE, variables=st.dictionaries(_NAME, _LINE, max_size=4))
def test_no_settings_lead_to_a_traceback(
    laboratory: Laboratory, query: str, database: str, variables: dict[str, str]
) -> None:
    variables.pop("APP_DATABASE__HOST", None)  # nobody's name is looked up
    url = f"postgresql://u:{_SECRET}@{_NOBODY}/{database}?{query}"
    done = command.run(laboratory.folder, url, "pending", variables=variables)
    _settled(laboratory, "fuzz: settings", done, codes=frozenset({1, 2}))


_PYTHON = st.lists(
    st.sampled_from(
        [
            *("revision = 'r9'\n", "revision = None\n", "revision = 9\n", "revision: str = 'r9'\n"),
            *("down_revision = 'r6'\n", "down_revision = ('r6', 'r5')\n", "down_revision = ()\n"),
            *("down_revision = ['r6', None]\n", "depends_on = 'r9'\n", "branch_labels = ('x@y',)\n"),
            *("transactional = 'no'\n", "transactional = False\n", "lock_timeout = object()\n"),
            *("def upgrade():\n    pass\n", "def upgrade(x):\n    pass\n", "upgrade = None\n"),
            *("async def upgrade():\n    pass\n", "class upgrade:\n    pass\n", "from alembic import op\n"),
            *("def downgrade():\n    raise StopIteration\n", "\\", "'''", "\t", "\f", "é = 1\n", "# \x00\n"),
        ]
    ),
    max_size=6,
).map("".join)
_SQL = st.lists(
    st.sampled_from(
        [
            *("-- headway: revision=r9 parent=r6\n", "-- headway: revision=r9\n", "-- headway: parent=\n"),
            *(
                "-- headway: transactional=maybe\n",
                "-- headway:\n",
                "SELECT 1;\n",
                "'",
                "$$",
                "/*",
                "*/",
                ";",
            ),
            *("\\copy x from y\n", ":name", "%(x)s", "COMMIT;\n", "-- migrate:up\n", "\x00", "\ufeff", "é"),
        ]
    ),
    max_size=5,
).map("".join)


@_FUZZ
@given(
    content=st.one_of(_PYTHON, _SQL, _LINE),
    name=st.sampled_from(["r9.py", "9_x.up.sql", "9_x.down.sql", "r9.sql"]),
)
def test_no_revision_file_leads_to_a_traceback(
    laboratory: Laboratory, tmp_path: Path, content: str, name: str
) -> None:
    folder = tmp_path / "project"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(laboratory.folder, folder)
    (folder / "alembic" / "versions" / name).write_bytes(content.encode())
    for words in (("history",), ("upgrade", "head", "--sql")):
        done = command.run(folder, f"postgresql://u:{_SECRET}@{_NOBODY}/d", *words)
        _settled(laboratory, f"fuzz: revision file, {words[0]}", done, codes=frozenset({0, 1, 2, 3, 6, 7}))


@_FUZZ
@given(versions=st.lists(st.one_of(st.sampled_from(["r1", "r6", ""]), _LINE), max_size=4, unique=True))
def test_no_version_table_leads_to_a_traceback(laboratory: Laboratory, versions: list[str]) -> None:
    with laboratory.database("down") as url, watching(url) as admin:
        admin.execute("ALTER TABLE alembic_version ALTER version_num TYPE text")
        admin.execute("DELETE FROM alembic_version")
        for version in versions:
            admin.execute("INSERT INTO alembic_version VALUES (%s)", (version,))
        rows = admin.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
        for words in (("status",), UP):
            done = command.run(laboratory.folder, url, *words)
            codes = frozenset({0, 1, 2, 3, 4, 7, 8})
            _settled(laboratory, f"fuzz: version table, {words[0]}", done, codes=codes)
            if done.code:
                assert admin.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall() == rows
