"""Run Alembic's own autogenerate tests for PostgreSQL on asyncpg, without headway's plugin and with it.

Usage: ``python tests/peers/alembic_suite.py [--url URL] [--sdist FILE] [PYTEST ARGUMENTS]``. It fetches the
source distribution of the Alembic that is installed, with pip; the wheel holds no tests. Without ``--url`` the
tests run on an embedded server that is gone afterwards. The outcome of every test must be the same both ways;
exit 1 when one is not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import psycopg

import headway
from headway import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODULES = (
    "test_autogen_check_constraints",
    "test_autogen_composition",
    "test_autogen_diffs",
    "test_autogen_indexes",
    "test_autogen_render",
    "test_postgresql",
    "test_suite",
)
"""All that compare on the backend they are given; ``test_suite`` brings in ``alembic.testing.suite``."""

_DATABASE = "alembic_suite"
_SYNCHRONOUS = "        asyncio.ENABLE_ASYNCIO = False\n"


def main() -> int:
    """Run both ways and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a superuser's URL on a server to use")
    parser.add_argument("--sdist", type=Path, help="alembic-*.tar.gz that was fetched before")
    known, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="headway-peer-") as folder:
        place = Path(folder)
        place.chmod(0o755)  # the embedded server may run as another user
        source = _unpacked(known.sdist or _fetched(place), place)
        if known.url:
            return _compare(source, known.url, rest)
        directory = place / "server"
        try:
            with embedded.acquire(directory) as lease:
                return _compare(source, lease.url, rest)
        finally:
            embedded.reset(directory, force=True)


def _fetched(place: Path) -> Path:
    command = [*(sys.executable, "-m", "pip", "download"), "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--dest", str(place), f"alembic=={version('alembic')}"], check=True)
    return next(place.glob("alembic-*.tar.gz"))


def _unpacked(sdist: Path, place: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    source = next(path for path in place.glob("alembic-*") if path.is_dir())
    conftest = source / "tests" / "conftest.py"
    text = conftest.read_text(encoding="utf-8")
    # Else SQLAlchemy's test plugin runs no test inside a greenlet, and asyncpg needs one.
    if _SYNCHRONOUS not in text:
        raise SystemExit(f"{conftest} is not as expected: this Alembic needs another script")
    conftest.write_text(text.replace(_SYNCHRONOUS, "        pass\n"), encoding="utf-8")
    return source


def _compare(source: Path, url: str, rest: Sequence[str]) -> int:
    stock = _outcomes(source, url, rest, with_headway=False)
    ours = _outcomes(source, url, rest, with_headway=True)
    for name, found in (("Alembic", stock), ("with headway", ours)):
        print(f"{name:>12}: {_counted(found)}")
    different = {test for test in {*stock, *ours} if stock.get(test) != ours.get(test)}
    for test in sorted(different):
        print(f"{test}: {stock.get(test, 'not run')} without headway, {ours.get(test, 'not run')} with it")
    return 1 if different or "passed" not in stock.values() else 0


def _outcomes(source: Path, url: str, rest: Sequence[str], *, with_headway: bool) -> dict[str, str]:
    database = _fresh_database(url)
    report = source / "report.xml"
    pythonpath = [str(Path(__file__).parent), str(Path(headway.__file__).parents[1])]
    environment = {name: value for name, value in os.environ.items() if name != "HEADWAY_PEER"}
    environment["PYTHONPATH"] = os.pathsep.join(pythonpath)
    plugins = ["-p", "under_headway", "-p", "no:cacheprovider", "-p", "no:warnings", "-p", "no:logging"]
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--tb=short", "-o", "addopts=", *plugins),
            *("--dburi", database, "--junit-xml", str(report), *rest),
            *(f"tests/{module}.py" for module in MODULES),
        ],
        cwd=source,
        env=environment | ({"HEADWAY_PEER": "1"} if with_headway else {}),
        check=False,
    )
    return dict(_read(report))


def _read(report: Path) -> Iterator[tuple[str, str]]:
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  # our own pytest wrote it
        found = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        yield f"{case.get('classname')}::{case.get('name')}", (found or ["passed"])[0]


def _counted(outcomes: dict[str, str]) -> str:
    kinds = sorted({*outcomes.values()})
    return ", ".join(f"{sum(kind == outcome for outcome in outcomes.values())} {kind}" for kind in kinds)


def _fresh_database(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {_DATABASE} TEMPLATE template0")
    database = replace(headway.DatabaseURL.parse(url), database=_DATABASE).render()
    with psycopg.connect(database, autocommit=True) as connection:
        for schema in ("test_schema", "test_schema_2"):  # SQLAlchemy's tests expect them
            connection.execute(f"CREATE SCHEMA {schema}".encode())
    return database.replace("postgresql://", "postgresql+asyncpg://", 1)


if __name__ == "__main__":
    sys.exit(main())
