"""A bundle applied by psql, and what it leaves beside what a run leaves."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from headway import DatabaseURL, embedded

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 60

_LEDGER = """
    SELECT version_table, revision, operation, outcome, applied, transactional, description, checksum,
        sqlstate, error, statements_done, statements_total, database_user, versions->'server' AS server,
        (SELECT jsonb_agg(line - ARRAY['started_at', 'finished_at', 'digest', 'backend_pid', 'backend_start']
                || jsonb_build_object('done', line ->> 'finished_at' IS NOT NULL, 'indexes_before',
                    regexp_replace(line ->> 'indexes_before', '[0-9]+', 'oid', 'g')) ORDER BY place)
            FROM jsonb_array_elements(journal) WITH ORDINALITY AS line (line, place)) AS journal
    FROM migration_history ORDER BY id
"""


def psql(url: str, *words: str | Path, wait: bool = True) -> Any:
    """Run psql to its end, or begin to; stderr comes with stdout."""
    database = DatabaseURL.parse(url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    if database.password:
        environment["PGPASSWORD"] = database.password.get_secret_value()
    line = [
        str(embedded.locate().bin / "psql"),
        *["-X", "-v", "ON_ERROR_STOP=1", "-d", dataclasses.replace(database, password=None).render()],
        *map(str, words),
    ]
    process = subprocess.Popen(
        line,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    return finished(process) if wait else process


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """What came of a psql that was begun."""
    told, _ = process.communicate(timeout=DEADLINE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, told, "")


def schema_of(url: str) -> str:
    """Everything that pg_dump writes of a database's schema, with the version table's rows."""
    database = DatabaseURL.parse(url)
    environment = {**os.environ}
    if database.password:
        environment["PGPASSWORD"] = database.password.get_secret_value()
    written = subprocess.run(
        [
            embedded.locate().bin / "pg_dump",
            "--schema-only",
            dataclasses.replace(database, password=None).render(),
        ],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    ).stdout
    # pg_dump 17.6 and newer fences its output with a random word.
    lines = [line for line in written.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    with psycopg.connect(url) as connection:
        there = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if there and there[0]:
            lines += map(str, connection.execute("SELECT * FROM alembic_version ORDER BY 1").fetchall())
    return "\n".join(lines)


def ledger_of(url: str) -> list[dict[str, Any]]:
    """What the ledger says, without numbers, times and who it was."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(_LEDGER).fetchall()
