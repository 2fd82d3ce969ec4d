"""Lint's recipes, run by headway as they are printed: they do what the hazard would have done."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import Migrator, load_settings
from headway.lint import Schema, Subject, examine
from headway.results import Direction, StatementReview, StepReview

if TYPE_CHECKING:
    from conftest import ProjectFolder
    from headway.results import Finding

MADE = """\
CREATE TABLE orgs (id bigint PRIMARY KEY);
CREATE TABLE users (id bigint PRIMARY KEY, org_id bigint, age int, name text, gone int);
CREATE INDEX users_age ON users (age);
INSERT INTO orgs VALUES (1);
INSERT INTO users SELECT n, 1, n, n::text FROM generate_series(1, 6000) AS n;
"""
HAZARDS = (
    "ALTER TABLE users ALTER age SET NOT NULL",
    "ALTER TABLE users ADD CONSTRAINT grown CHECK (age > 0)",
    "ALTER TABLE users ADD CONSTRAINT of_org FOREIGN KEY (org_id) REFERENCES orgs (id)",
    "ALTER TABLE users ADD CONSTRAINT one_name UNIQUE (name)",
    "CREATE INDEX users_name ON users (name)",
    "DROP INDEX users_age",
    "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE users ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    "DELETE FROM users WHERE age > 5500",
)
# Where one revision of a recipe ends and the next begins.
_NEXT = re.compile(r"^# in a second revision:\n|^# in a third one:\n|^# and in a last one:\n", re.MULTILINE)


def findings() -> list[Finding]:
    def step(*statements: str) -> StepReview:
        reviews = tuple(StatementReview(number, sql) for number, sql in enumerate(statements, start=1))
        return StepReview("r", Direction.UPGRADE, "", Path("r.py"), statements=reviews)

    schema = Schema().after(step(*MADE.strip().split("\n")))
    first = [examine(Subject(step=step(sql), source="raise", before=schema)) for sql in HAZARDS]
    return [next(it for it in found if it.recipe) for found in first]


def write(project: ProjectFolder, recipes: list[str]) -> None:
    """Each recipe as a chain of revisions behind the one that makes the tables."""
    project.revision("r0", upgrade="\n".join(f"op.execute({line!r})" for line in MADE.strip().split("\n")))
    parts = [part for recipe in recipes for part in _NEXT.split(recipe)]
    for number, part in enumerate(parts, start=1):
        path = project.revision(f"r{number}", f"r{number - 1}")
        head, _, _ = path.read_text(encoding="utf-8").partition("\n\ndef upgrade")
        if "def upgrade()" not in part:
            body = f"import headway.op\n\n\ndef upgrade():\n{textwrap.indent(part, '    ')}"
        else:
            body = part
        path.write_text(
            f"{head}\n{body}\n\n\ndef downgrade():\n    raise NotImplementedError\n", encoding="utf-8"
        )


@pytest.mark.asyncio
async def test_each_recipe_runs_as_it_is_printed_and_ends_where_the_hazard_would_have(
    project: ProjectFolder, database_url: str
) -> None:
    write(project, [finding.recipe for finding in findings()])
    async with Migrator(project.ini, settings=load_settings(url=database_url)) as migrator:
        await migrator.upgrade("head")
    with psycopg.connect(database_url) as connection:

        def ask(sql: str) -> list[tuple[object, ...]]:
            return connection.execute(sql.encode()).fetchall()

        constraints = ask(
            "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'users'::regclass"
        )
        assert {name: valid for name, valid in constraints if name in {"grown", "of_org", "one_name"}} == {
            "grown": True,
            "of_org": True,
            "one_name": True,
        }
        columns = ask(
            "SELECT attname, attnotnull, attidentity <> '' FROM pg_attribute "
            "WHERE attrelid = 'users'::regclass"
        )
        assert ("age", True, False) in columns
        assert ("number", True, True) in columns
        indexes = {
            name for (name,) in ask("SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid")
        }
        assert "users_name" in indexes
        assert "users_age" not in indexes
        assert ask("SELECT count(*), count(DISTINCT token), count(DISTINCT number) FROM users") == [
            (5500, 5500, 5500)
        ]
        connection.execute("INSERT INTO users (id, org_id, age, name) VALUES (99999, 1, 1, 'new')")
        assert ask("SELECT token IS NOT NULL, number > 6000 FROM users WHERE name = 'new'") == [(True, True)]
