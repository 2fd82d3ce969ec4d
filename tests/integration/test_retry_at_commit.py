"""A serialization failure that shows as late as in COMMIT: the whole step is tried again."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from conftest import ProjectFolder


@pytest.mark.parametrize("program", ["headway", "alembic"])
@pytest.mark.sampled(2)
def test_a_step_that_fails_in_commit_and_may_be_repeated_is_applied_by_its_second_attempt(
    project: ProjectFolder, database_url: str, program: str
) -> None:
    project.tables("a")
    project.revision("r2", "r1", upgrade="op.execute('INSERT INTO c VALUES (1)')")
    project.revision("r3", "r2", upgrade="op.execute('CREATE TABLE d()')")
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SEQUENCE attempts")  # a number once drawn stays drawn, whatever is undone
        connection.execute("CREATE TABLE c (id int)")
        connection.execute("""
            CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('attempts') = 1 THEN
                    RAISE EXCEPTION 'not yet' USING errcode = '40001';
                END IF;
                RETURN NULL;
            END $$
        """)
        connection.execute("""
            CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON c DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION fail_once()
        """)
    done = subprocess.run(
        [sys.executable, "-m", program, "-c", str(project.ini), "upgrade", "head"],
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT last_value FROM attempts").fetchall() == [(2,)]
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("r3",)]
        assert connection.execute("SELECT count(*) FROM c").fetchall() == [(1,)]
