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
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cases
from machine import described
from page import origin, put, rendered
from progress import say
from server import VARIABLE, scratch, served

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from measurement import Measurement
    from server import Server

FORMAT_VERSION = 2


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


async def run(server: Server, chosen: argparse.Namespace, known: Mapping[str, ModuleType]) -> None:
    """Run the cases one after another; each is told, and written, as soon as it is measured."""
    document: dict[str, Any] = {"format_version": FORMAT_VERSION, "quick": chosen.quick}
    document |= await described(server) | {"cases": {}}
    for name in chosen.cases or known:
        measured: Measurement = await known[name].measure(server, quick=chosen.quick)
        document["cases"][name] = measured.document()
        text = rendered(measured, quick=chosen.quick)
        print(f"{name}: {summary(known[name])}\n\n{text}", flush=True)
        if chosen.json:
            chosen.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        if chosen.page:
            put(chosen.page, name, f"{text}\n{origin(document)}")
    print(origin(document))


def main(words: Sequence[str] | None = None) -> int:
    known = found()
    chosen = arguments(words, known)
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C does: what was made is removed on the way out
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with scratch() as folder:
            # Whoever makes a temporary folder makes it there, processes too: nothing stays behind.
            tempfile.tempdir = os.environ["TMPDIR"] = os.fspath(folder)
            with served() as server:
                asyncio.run(run(server, chosen, known))
    except KeyboardInterrupt:
        say("interrupted; what had been started is ended, what had been made is removed")
        return 130
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
