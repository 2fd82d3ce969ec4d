"""Compare headway with what people use today, in one run on one server: python benchmarks [CASE ...].

A case is a module in ``cases`` with a function ``measure(server, *, quick)`` that returns a ``Measurement``;
being there registers it, and the first line of its docstring says what it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import pkgutil
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cases
from page import write_page
from server import VARIABLE, served

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from measurement import Measurement
    from server import Server

FORMAT_VERSION = 1
PACKAGES = ("headway", "alembic", "sqlalchemy", "asyncpg")


def found() -> Mapping[str, ModuleType]:
    """Every case by its name on the command line."""
    names = sorted(module.name for module in pkgutil.iter_modules(cases.__path__))
    return {name.replace("_", "-"): importlib.import_module(f"cases.{name}") for name in names}


def summary(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


def arguments(words: Sequence[str] | None, known: Mapping[str, ModuleType]) -> argparse.Namespace:
    listing = "\n".join(f"  {name:<14}  {summary(module)}" for name, module in known.items())
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        description="Compare headway with what people use today, in one run on one server.",
        epilog=f"cases:\n{listing}\n\nThe server is an embedded one, or that of {VARIABLE}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="which to run; all when none is named")
    parser.add_argument(
        "--quick", action="store_true", help="once and short: shows that it works, not how fast"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there as well")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the tables between its markers")
    chosen = parser.parse_args(words)
    if unknown := [name for name in chosen.cases if name not in known]:
        parser.error(f"no such case: {', '.join(unknown)} (there are: {', '.join(known)})")
    return chosen


def document(
    measured: Mapping[str, Measurement], server_version: str, load: float, *, quick: bool
) -> dict[str, Any]:
    """The run as JSON."""
    return {
        "format_version": FORMAT_VERSION,
        "quick": quick,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": load,
        "server": server_version,
        "packages": {name: version(name) for name in PACKAGES},
        "cases": {name: measurement.document() for name, measurement in measured.items()},
    }


async def run(
    server: Server, names: Sequence[str], known: Mapping[str, ModuleType], *, quick: bool
) -> dict[str, Any]:
    measured: dict[str, Measurement] = {}
    load = os.getloadavg()[0]
    for name in names:
        measured[name] = await known[name].measure(server, quick=quick)
        print(f"{name}: {summary(known[name])}\n{measured[name].table()}\n", flush=True)
    return document(measured, await server.version(), load, quick=quick)


def main(words: Sequence[str] | None = None) -> int:
    known = found()
    chosen = arguments(words, known)
    with served() as server:
        result = asyncio.run(run(server, chosen.cases or list(known), known, quick=chosen.quick))
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if chosen.page:
        write_page(chosen.page, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
