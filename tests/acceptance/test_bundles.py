"""The reference application and the examples: applied by psql from a bundle, and by a run, they are alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from bundles import ledger_of, psql, schema_of
from commandline import CommandLine
from servers import sibling

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
PROJECTS = [
    pytest.param("examples/sql_first"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (".", "examples/assessments", "examples/orchestrator", "examples/pgvector_search")
    ),
]


@pytest.mark.parametrize("name", PROJECTS)
def test_a_bundle_leaves_what_a_run_leaves(
    name: str, tmp_path: Path, database_urls: Sequence[str], server_url: str
) -> None:
    by_hand, online, *_ = database_urls
    headway = CommandLine(ROOT / name, online)
    folder = tmp_path / "bundle"
    written = headway("sql", "--bundle", str(folder), "--no-scratch")
    assert written.returncode == 0, written.stderr
    done = psql(by_hand, "-f", folder / "upgrade.sql")
    assert done.returncode == 0, done.stdout
    assert headway("upgrade").returncode == 0
    left = schema_of(by_hand), ledger_of(by_hand)
    assert left == (schema_of(online), ledger_of(online))

    assert "already applied" in psql(by_hand, "-f", folder / "upgrade.sql").stdout
    assert left == (schema_of(by_hand), ledger_of(by_hand))
    assert headway("log", "--verify", url=by_hand).returncode == 0
    scratch = sibling(server_url, password=None)
    verified = headway("verify", "--bundle", str(folder), "--scratch-url", scratch, url=by_hand)
    assert verified.returncode == 0, verified.stdout

    first = min(folder.glob("001_*.upgrade.sql"))
    with psycopg.connect(by_hand) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'elsewhere'")
    wrong = psql(by_hand, "-f", first)
    assert wrong.returncode == 3
    assert "the database is at elsewhere" in wrong.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", PROJECTS)
def test_the_way_back_leaves_what_a_downgrade_leaves(
    name: str, tmp_path: Path, database_urls: Sequence[str]
) -> None:
    by_hand, online, *_ = database_urls
    headway = CommandLine(ROOT / name, online)
    folder = tmp_path / "bundle"
    assert headway("sql", "--bundle", str(folder), "--no-scratch").returncode == 0
    for url in (by_hand, online):
        assert headway("upgrade", url=url).returncode == 0
    done = psql(by_hand, "-f", folder / "rollback.sql")
    gone = headway("downgrade", "base", "--yes")
    assert (done.returncode, gone.returncode) == (0, 0), (done.stdout, gone.stderr)
    assert (schema_of(by_hand), ledger_of(by_hand)) == (schema_of(online), ledger_of(online))
