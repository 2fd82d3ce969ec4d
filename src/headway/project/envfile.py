"""What ``env.py`` says, read from its source without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.project.asking import configure_calls
from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NAMES = ("version_table", "version_table_schema")
# Where the ledger is; a project that says so has its env.py run to know.
_LEDGER_NAMES = frozenset({"history_table", "history_schema", "history_view"})


@dataclass(frozen=True, slots=True)
class VersionTable:
    """The table that holds the applied revisions; ``schema`` ``None`` is the connection's own."""

    name: str = "alembic_version"
    schema: str | None = None


def version_table(path: Path) -> VersionTable | None:
    """Find ``version_table=`` and ``version_table_schema=`` in the file's calls.

    Returns:
        ``None`` when only running the file can tell: it cannot be read, it computes either value, gives two
        different ones, passes ``**options`` on, names the ledger, or has another module configure.
    """
    try:
        tree = tree_of(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # ValueError: a NUL byte
        return None
    nodes = list(ast.walk(tree))
    keywords = [keyword for node in nodes if isinstance(node, ast.Call) for keyword in node.keywords]
    spread = any(keyword.arg is None or keyword.arg in _LEDGER_NAMES for keyword in keywords)
    mentioned = any(isinstance(node, ast.Constant) and node.value in _NAMES for node in nodes)
    if spread or mentioned or not any(map(_configures, nodes)):
        return None
    given = {name: [keyword.value for keyword in keywords if keyword.arg == name] for name in _NAMES}
    values = {name: _one_literal(expressions) for name, expressions in given.items() if expressions}
    if any(value is ... for value in values.values()):
        return None
    name = values.get("version_table") or VersionTable().name
    schema = values.get("version_table_schema")
    return VersionTable(str(name), str(schema) if schema else None)


def hands_over(path: Path) -> bool:
    """Whether the file imports headway, so that headway connects for it; also when it cannot be read."""
    try:
        tree = tree_of(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return any(_imports_headway(node) for node in ast.walk(tree))


def connects_itself(path: Path) -> bool:
    """Whether the file calls Alembic's ``context.configure``, and leaves nothing to headway."""
    try:
        tree = tree_of(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return not hands_over(path) and any(configure_calls(tree))


def _configures(node: ast.AST) -> bool:
    """Whether it is Alembic's ``configure(…)`` or an import of headway, whose own call is plain to see."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        return name == "configure"
    return _imports_headway(node)


def _imports_headway(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] == "headway"
    return isinstance(node, ast.Import) and any(
        alias.name.partition(".")[0] == "headway" for alias in node.names
    )


def _one_literal(expressions: Iterable[ast.expr]) -> object:
    """The one string or ``None`` that all of them are; ``...`` when they are not."""
    values = {
        expression.value
        if isinstance(expression, ast.Constant) and isinstance(expression.value, str | None)
        else ...
        for expression in expressions
    }
    return values.pop() if len(values) == 1 else ...
