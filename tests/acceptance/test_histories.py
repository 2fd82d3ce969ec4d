"""Histories of long-lived projects end the same under headway as under plain Alembic, forward and back."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headway import DatabaseURL, embedded

if TYPE_CHECKING:
    from collections.abc import Sequence

HISTORIES = Path(__file__).parents[1] / "histories"
ENV_OF_HEADWAY = "from headway import env\n\nenv.run()\n"
# What each tool keeps for itself.
_KEPT = ("alembic_version", "migration_history", "migration_history_id_seq", "schema_migrations")
# A dump begins and ends with a key that is made up for it.
_KEY = re.compile(r"^\\(?:un)?restrict .*$", re.MULTILINE)


@pytest.fixture
def pg_dump() -> str:
    return str(embedded.locate().bin / "pg_dump")


def schema_of(pg_dump: str, url: str) -> str:
    skipped = [f"--exclude-table=public.{name}" for name in _KEPT]
    whole = DatabaseURL.parse(url)
    secret = whole.password.get_secret_value() if whole.password else ""
    done = subprocess.run(
        [pg_dump, "--schema-only", *skipped, dataclasses.replace(whole, password=None).render()],
        env={**os.environ, "PGPASSWORD": secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return _KEY.sub("", done.stdout)


def run(*command: str, folder: Path, **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shop", "billing", "tenants"])
def test_a_history_leaves_the_same_schema_as_under_alembic_forward_and_back(
    name: str, tmp_path: Path, database_urls: Sequence[str], pg_dump: str
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        shutil.copytree(HISTORIES / name, folder)
        shutil.copy(HISTORIES / "env_of_alembic.py", folder / "migrations" / "env.py")
    (ours / "migrations" / "env.py").write_text(ENV_OF_HEADWAY, encoding="utf-8")
    plain, safe = database_urls[:2]
    plain_url = DatabaseURL.parse(plain).render().replace("postgresql://", "postgresql+psycopg://")
    empty = schema_of(pg_dump, plain)
    for direction, target in (("upgrade", "heads"), ("downgrade", "base"), ("upgrade", "heads")):
        confirmed = ["--yes"] if direction == "downgrade" else []
        run("alembic", direction, target, folder=theirs, PLAIN_URL=plain_url)
        run("headway", direction, target, *confirmed, folder=ours, DATABASE_URL=safe)
        expected = schema_of(pg_dump, plain)
        assert schema_of(pg_dump, safe) == expected
        assert (expected == empty) is (target == "base")
