"""Whole projects end the same whether their revisions are sent in one message or statement by statement."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import headway
from database_contents import contents

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
SOURCE = Path(headway.__file__).parent.parent
EXAMPLES = ("orchestrator", "pgvector_search", "sql_first")
PROJECTS = {
    **{f"history {name}": ROOT / "tests" / "histories" / name for name in ("shop", "billing", "tenants")},
    **{
        f"example {name}": ROOT / "examples" / name
        for name in ("orchestrator", "pgvector_search", "sql_first")
    },
    "the reference application": ROOT,
}
_ENV = "from headway import env\n\nenv.run()\n"
_APART = """
import sys
from headway import server_run
from headway.cli import main
server_run.can_batch = lambda _: False
sys.exit(main())
"""
_TOGETHER = """
import sys
from headway.alembic_bridge.recording import Recording
from headway.cli import main
record = Recording.of

def counted(self, code, **how):
    statements = record(self, code, **how)
    print("recorded" if statements is not None else "not recorded", file=sys.stderr)
    return statements

Recording.of = counted
sys.exit(main())
"""


def upgraded(folder: Path, url: str, code: str) -> str:
    """Bring a database to its heads; returns what was said to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", code, "upgrade", "heads"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(folder)]), "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_ends_the_same_either_way(name: str, tmp_path: Path, database_urls: Sequence[str]) -> None:
    folder = PROJECTS[name]
    if name.startswith("history"):
        folder = shutil.copytree(folder, tmp_path / "project")
        (folder / "migrations" / "env.py").write_text(_ENV, encoding="utf-8")
    together, apart = database_urls[:2]
    said = upgraded(folder, together, _TOGETHER)
    assert "\nrecorded" in f"\n{said}"
    upgraded(folder, apart, _APART)
    assert contents(together) == contents(apart)
