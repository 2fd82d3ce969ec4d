"""Running a project's migrations on a fresh database of ours, whatever its env.py is like."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from headway.database import driver_connection
from headway.errors import EnvironmentFileError
from headway.glance import fetch_versions
from headway.migrator import Migrator
from headway.project import VersionTable
from headway.settings import variables_for
from headway.threads import in_thread

if TYPE_CHECKING:
    from headway.project import Project
    from headway.url import DatabaseURL

_HAND_OVER = (
    "Let it hand over to headway, `from headway import env; env.run(target_metadata)`, or take its URL from "
    'config.get_main_option("sqlalchemy.url"), from DATABASE_URL, or its connection from '
    'config.attributes["connection"].'
)
_HANDS_OVER = re.compile(rb"^[ \t]*(?:from|import)[ \t]+headway\b", re.MULTILINE)
_ASYNCHRONOUS = (b"async_engine_from_config", b"create_async_engine")
_SYNCHRONOUS = ("psycopg", "psycopg2", "pg8000")


async def build(project: Project, url: DatabaseURL, revision: str) -> None:
    """Upgrade a database of ours to a revision.

    An env.py that hands over to headway runs in this process. Any other runs in one of its own, as the
    `alembic` command would run it, and is first asked which database it would migrate.

    Raises:
        EnvironmentFileError: env.py leads to another database, which is left as it is, or fails.
        HeadwayError: whatever ``Migrator.upgrade`` raises.
    """
    if project.env_file.is_file() and _HANDS_OVER.search(project.env_file.read_bytes()) is None:
        await in_thread(lambda: _run_by_alembic(project, url, revision))
        await _require_migrated(project, url)
        return
    async with Migrator(project, url=url.render(), environment="development") as migrator:
        await migrator.upgrade(revision)


def _run_by_alembic(project: Project, url: DatabaseURL, revision: str) -> None:
    driver = _driver(project)
    written = url.render().replace("postgresql://", f"postgresql+{driver}://", 1)
    with tempfile.TemporaryDirectory(prefix="headway-") as folder:
        answer = Path(folder, "answer.json")
        task = {
            "config_file": str(project.config_file) if project.config_file else None,
            "toml_file": str(project.pyproject) if project.pyproject else None,
            "section": project.section,
            "sys_path": [*map(str, project.sys_path), *sys.path],
            "url": written,
            "connection_url": url.render(),
            "database": url.name,
            "revision": revision,
            "answer": str(answer),
        }
        done = subprocess.run(
            [sys.executable, "-m", "headway.testing.alembic_process"],
            input=json.dumps(task),
            env=variables_for(written),
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
        )
        outcome = json.loads(answer.read_text(encoding="utf-8")) if answer.is_file() else {}
    if outcome.get("elsewhere"):
        raise EnvironmentFileError(
            f"{project.env_file} does not lead to the database it is given, but to {outcome['elsewhere']}; "
            "nothing was migrated",
            hint=_HAND_OVER,
        )
    if not outcome.get("done"):
        last = url.redact("\n  ".join(done.stderr.splitlines()[-12:]))
        raise EnvironmentFileError(f"{project.env_file} failed:\n  {last}", hint=_HAND_OVER)


async def _require_migrated(project: Project, url: DatabaseURL) -> None:
    """It said it was done; only the version table can tell that this was committed, and here."""
    async with driver_connection(url) as connection:
        versions = await fetch_versions(connection, project.version_table() or VersionTable())
    if not versions:
        raise EnvironmentFileError(
            f"{project.env_file} ran to its end, and the database it was given holds no revision",
            hint=_HAND_OVER,
        )


def _driver(project: Project) -> str:
    """The driver that env.py works with: as it says itself, or its ini file does."""
    if any(word in project.env_file.read_bytes() for word in _ASYNCHRONOUS):
        return "asyncpg"
    scheme = (project.url or "").partition("://")[0]
    if "+" in scheme:
        return scheme.partition("+")[2]
    return next((name for name in _SYNCHRONOUS if find_spec(name) is not None), "asyncpg")
