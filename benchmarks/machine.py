"""Where figures come from: machine, versions, settings, date."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sql_contenders import DBMATE

if TYPE_CHECKING:
    from server import Server

PACKAGES = (
    *("headway", "alembic", "sqlalchemy", "asyncpg", "click", "pytest"),
    *("psycopg", "psycopg2-binary", "Django", "yoyo-migrations"),
)
_SETTINGS = ("fsync", "synchronous_commit")


async def described(server: Server) -> dict[str, Any]:
    """All that a reader needs to judge the figures; the load is that of this moment."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "python": platform.python_version(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
            "load": round(os.getloadavg()[0], 2),
        },
        "server": await server.setting("server_version"),
        "settings": {name: await server.setting(name) for name in _SETTINGS},
        "packages": {name: found for name in PACKAGES if (found := _version(name))} | _dbmate(),
    }


def _dbmate() -> dict[str, str]:
    binary = DBMATE.binary()
    if binary is None:
        return {}
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return {"dbmate": told.split()[-1]}


def _processor() -> str:
    try:
        models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # another system than Linux
        models = []
    return models[0] if models else platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
