"""The layers of headway, proved over ``ast``: nothing is imported here, so a broken module is judged as well.

Imports inside functions and under TYPE_CHECKING count like all others: a layer that only names the types of
the one above it already knows too much.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "src" / "headway"

# A room may import rooms of its own rank or below. The orchestrating layer is a ladder, one rank per rung.
L0, L1, L2, SESSION, RUNNER, MIGRATOR, ABOVE_MIGRATOR, SURFACE, L4 = range(9)
SURFACE_ROOM = "__init__"
_LAYERS = {
    L0: "errors results events exports",
    L1: "revisions planning integrity sqlfiles lint settings syntax sqltext kinds url project narration "
    "lockfile rebasing checkout prepared derived verdict",
    L2: "database capabilities alembic_bridge commit diagnosis enclosure losses embedded lock timeouts "
    "peers remains bearings placement retry ledger shield signals threads watch autogenerate guc loops "
    "autocommit alone script indexes sqlite catalogue op oracle onlooking imprint surroundings baseline "
    "glance probe",
    SESSION: "session",
    RUNNER: "door attempt batch journal lost_commit statements stamping repair runner target waiting startup "
    "doctor blockers clearing upkeep latecomers doorway file_door file_run server_run runs scratch "
    "rehearsal reviewer bundle backup holding recollection work forecast",
    # env is called by a project's env.py: it drives a whole run, as the Migrator does.
    MIGRATOR: "migrator env",
    ABOVE_MIGRATOR: "fleet",
    SURFACE: SURFACE_ROOM,
    L4: "asgi telemetry pytest_plugin testing scaffold cli __main__",
}
RANKS = {room: rank for rank, rooms in _LAYERS.items() for room in rooms.split()}

NOT_IN_THE_PURE_DOMAIN = frozenset({"asyncio", "anyio", "sqlalchemy", "alembic", "asyncpg"})
# Alembic's process globals, and what is run through them. Private names anywhere in Alembic come on top.
ALEMBICS_MACHINERY = (
    "alembic.command",
    "alembic.context",
    "alembic.op",
    "alembic.operations",
    "alembic.runtime",
)
# Alembic's published interface for what compares and writes; no global is reached through it.
OPEN_TO_AUTOGENERATE = (
    "alembic.operations.MigrateOperation",
    "alembic.operations.Operations",
    "alembic.operations.ops",
    "alembic.runtime.migration.MigrationContext",
    "alembic.runtime.plugins",
)
# What the command line shares with other edges: the embedded server it hands out, and the words; of lint,
# what its rules are called and how its report is written.
OPEN_TO_CLI = frozenset({"embedded", "lint", "narration"})
MAY_PRINT = frozenset({"cli", "__main__"})
# The embedded server's watcher is a process of its own, and ends as processes do. Loops ends `alembic` as
# SIGTERM would have, once what was running is rolled back: Alembic itself knows nothing of signals.
MAY_EXIT = MAY_PRINT | {"embedded", "loops"}
# settings reads what a user configures; the others what belongs to a process or a terminal (HOME, NO_COLOR).
MAY_READ_ENVIRONMENT = frozenset({"settings", "project", "embedded", "cli"})


@dataclass(frozen=True)
class Import:
    """One imported name: ``from headway.url import Url`` is module ``headway.url``, name ``Url``."""

    module: str
    name: str | None
    line: int

    @property
    def full(self) -> str:
        return self.module if self.name is None else f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Module:
    """One source file of the package; ``path`` is relative to it."""

    path: str
    source: str

    @property
    def room(self) -> str:
        return self.path.removesuffix(".py").split("/")[0]

    def imports(self) -> Iterator[Import]:
        for node in ast.walk(ast.parse(self.source)):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, None, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                yield from (Import(origin, alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                yield from (Import(name, None, node.lineno) for name in names if isinstance(name, str))

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folder = ["headway", *self.path.split("/")[:-1]]
        above = folder[: len(folder) - node.level + 1]
        return ".".join([*above, *([node.module] if node.module else [])])


def room_of(imported: Import, rooms: frozenset[str]) -> str | None:
    """The room that an import of ours enters; ``None`` when it is somebody else's."""
    first, *rest = imported.module.split(".")
    if first != "headway":
        return None
    if rest:
        return rest[0]
    return imported.name if imported.name in rooms else SURFACE_ROOM


def faults_of(module: Module, *, rooms: frozenset[str], exported: frozenset[str]) -> list[str]:
    """What a module does that its room may not; one line each."""
    if module.room not in RANKS:
        advice = "assign it one in _LAYERS (design.md, section 3)"
        return [f"{module.path}: the room {module.room!r} has no layer; {advice}"]
    found = [*_import_faults(module, rooms=rooms, exported=exported), *_behaviour_faults(module)]
    return [f"{module.path}:{line}: {fault}" for line, fault in found]


def _import_faults(
    module: Module, *, rooms: frozenset[str], exported: frozenset[str]
) -> Iterator[tuple[int, str]]:
    for imported in module.imports():
        target = room_of(imported, rooms)
        if target is None:
            fault = _foreign_fault(module.room, imported)
        elif RANKS.get(target, L0) > RANKS[module.room]:
            fault = f"{module.room} imports {target}, which is above it"
        elif module.room == "cli" and RANKS.get(target, L0) < SURFACE and target not in OPEN_TO_CLI:
            outside = imported.name not in exported
            fault = f"cli imports {imported.full}, which headway.__all__ does not export" if outside else None
        else:
            fault = None
        if fault:
            yield imported.line, fault


def _foreign_fault(room: str, imported: Import) -> str | None:
    package = imported.module.split(".")[0]
    if RANKS[room] == L1 and package in NOT_IN_THE_PURE_DOMAIN:
        return f"{room} is pure domain and imports {package}"
    if package != "alembic" or room == "alembic_bridge":
        return None
    if room == "autogenerate" and f"{imported.full}.".startswith(
        tuple(f"{name}." for name in OPEN_TO_AUTOGENERATE)
    ):
        return None
    if any(part.startswith("_") for part in imported.full.split(".")):
        return f"{room} imports {imported.full}; only alembic_bridge touches Alembic's private names"
    if f"{imported.full}.".startswith(tuple(f"{name}." for name in ALEMBICS_MACHINERY)):
        return f"{room} imports {imported.full}; only alembic_bridge touches Alembic's contexts and globals"
    return None


def _behaviour_faults(module: Module) -> Iterator[tuple[int, str]]:
    tree = ast.parse(module.source)
    # To catch somebody else's SystemExit is the opposite of raising one.
    caught = {
        name
        for handler in ast.walk(tree)
        if isinstance(handler, ast.ExceptHandler) and handler.type is not None
        for name in ast.walk(handler.type)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.Attribute | ast.ImportFrom) or node in caught:
            continue
        words = _words(node)
        if words & {"print"} and module.room not in MAY_PRINT:
            yield node.lineno, "prints; only the command line does"
        if words & {"sys.exit", "os._exit", "exit", "quit", "SystemExit"} and module.room not in MAY_EXIT:
            yield node.lineno, "ends the process; only the command line does"
        if words & {"os.environ", "os.environb", "os.getenv"} and module.room not in MAY_READ_ENVIRONMENT:
            yield node.lineno, "reads the environment; only settings does"


def _words(node: ast.Name | ast.Attribute | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {f"{node.module}.{alias.name}" for alias in node.names}
    return {ast.unparse(node)}


def modules() -> list[Module]:
    """Every source file of the package."""
    return [
        Module(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def rooms_of(all_modules: list[Module]) -> frozenset[str]:
    return frozenset(module.room for module in all_modules) - {SURFACE_ROOM}


def exported_names(source: str) -> frozenset[str]:
    """What ``__all__`` lists, read without importing; empty when there is none."""
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return frozenset(ast.literal_eval(node.value))  # type: ignore[attr-defined]  # an Assign, see above
    return frozenset()


def test_no_module_of_headway_looks_where_it_may_not() -> None:
    everything = modules()
    rooms = rooms_of(everything)
    exported = exported_names((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    assert {"errors", "cli"} <= rooms, "the package was not found, so nothing would be proved"
    faults = [fault for module in everything for fault in faults_of(module, rooms=rooms, exported=exported)]
    assert faults == [], "\n".join(faults)


def test_no_two_rooms_import_each_other() -> None:
    everything = modules()
    rooms = rooms_of(everything)
    graph: dict[str, set[str]] = {}
    for module in everything:
        targets = {room_of(imported, rooms) for imported in module.imports()}
        graph.setdefault(module.room, set()).update(
            target for target in targets if target and target != module.room
        )
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("rooms import each other: " + " <- ".join(error.args[1]))


FORBIDDEN = [
    ("errors.py", "from headway.settings import Settings", "errors imports settings"),
    ("planning.py", "import headway.database", "planning imports database"),
    ("planning.py", "from headway import database", "planning imports database"),
    ("planning.py", "def late():\n    from headway.runner import Runner", "planning imports runner"),
    (
        "planning.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from headway.session import Session",
        "planning imports session",
    ),
    ("runner.py", "import importlib\nimportlib.import_module('headway.migrator')", "runner imports migrator"),
    ("alembic_bridge/offline.py", "from ..session import Session", "alembic_bridge imports session"),
    ("session.py", "from headway.runner import Runner", "session imports runner"),
    ("runner.py", "from headway.migrator import Migrator", "runner imports migrator"),
    ("migrator.py", "from headway.fleet import Fleet", "migrator imports fleet"),
    ("migrator.py", "from headway import Migrator", "migrator imports __init__"),
    ("migrator.py", "from headway.cli import main", "migrator imports cli"),
    ("revisions.py", "import asyncio", "pure domain"),
    ("url.py", "from sqlalchemy import URL", "pure domain"),
    ("lint/rules.py", "from alembic.script import ScriptDirectory", "pure domain"),
    ("narration/peers.py", "from headway.peers import blockers_of", "narration imports peers"),
    ("settings.py", "def late():\n    import asyncpg", "pure domain"),
    ("env.py", "from alembic import context", "contexts and globals"),
    ("env.py", "import alembic.op", "contexts and globals"),
    ("runner.py", "from alembic.runtime.migration import MigrationContext", "contexts and globals"),
    ("runner.py", "from alembic.script.revision import _RevisionIdentifierType", "private names"),
    ("runner.py", "print('done')", "prints"),
    ("runner.py", "import sys\nsys.exit(1)", "ends the process"),
    ("runner.py", "from sys import exit", "ends the process"),
    ("runner.py", "raise SystemExit(1)", "ends the process"),
    ("database.py", "import os\nos.environ['DATABASE_URL']", "reads the environment"),
    ("database.py", "import os\nos.getenv('DATABASE_URL')", "reads the environment"),
    ("database.py", "from os import environ", "reads the environment"),
    ("cli/entry.py", "from headway.runner import Runner", "headway.__all__ does not export"),
    ("cli/entry.py", "import headway.planning", "headway.__all__ does not export"),
    ("utils.py", "", "assign it one in _LAYERS"),
]

ALLOWED = [
    ("planning.py", "from headway.errors import HeadwayError\nfrom headway.revisions import Graph"),
    ("migrator.py", "from headway.runner import Runner\nfrom headway import env"),
    ("alembic_bridge/execution.py", "from alembic import context, op\nfrom .routing import x"),
    ("autogenerate/compare.py", "from alembic.autogenerate import comparators"),
    ("autogenerate/compare.py", "from alembic.operations.ops import AlterColumnOp"),
    ("autogenerate/plugin.py", "from alembic.runtime.plugins import Plugin"),
    ("settings.py", "import os\nos.environ"),
    (
        "cli/entry.py",
        "import sys\nfrom headway import Migrator\nfrom headway.results import Status\nprint(1)",
    ),
    ("cli/progress.py", "from headway.narration import sentences"),
    ("telemetry/logs.py", "from headway.narration import sentences\nfrom headway.events import Event"),
    ("cli/commands/dev.py", "from headway.embedded import Server\nfrom headway.cli.terminal import Terminal"),
    ("__init__.py", "from headway.migrator import Migrator\n__all__ = ['Migrator']"),
    ("__main__.py", "import sys\nfrom headway.cli import main\nsys.exit(main())"),
]

SYNTHETIC_EXPORTS = frozenset({"Migrator", "Status"})


@pytest.mark.parametrize(("path", "source", "complaint"), FORBIDDEN)
def test_a_forbidden_line_is_reported(path: str, source: str, complaint: str) -> None:
    found = faults_of(Module(path, source), rooms=frozenset(RANKS), exported=SYNTHETIC_EXPORTS)
    assert len(found) >= 1
    assert complaint in found[0]
    assert found[0].startswith(path)


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_an_allowed_line_is_not_reported(path: str, source: str) -> None:
    assert faults_of(Module(path, source), rooms=frozenset(RANKS), exported=SYNTHETIC_EXPORTS) == []


def test_the_exported_names_are_read_from_the_source() -> None:
    assert exported_names('"""Doc."""\n__all__ = ["Migrator", "Status"]') == SYNTHETIC_EXPORTS
    assert exported_names('"""Doc."""') == frozenset()
