"""Which extensions the revisions ask for, read from their source without running them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from headway import sqlfiles
from headway.sqltext import split, uncommented
from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CREATE_EXTENSION = re.compile(
    r'\s*CREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:"([^"]+)"|([A-Za-z_][\w$]*)(?=[\s;]|\Z))',
    re.IGNORECASE,
)

_NOT_CERTAIN = (
    *(ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.Try, ast.TryStar, ast.While),
    *(ast.FunctionDef, ast.Lambda),
    *(ast.JoinedStr, ast.BinOp),
)
"""What is inside may not run, or is a part of a string that is computed."""
_NOT_AS_IT_STANDS = (ast.Expr, ast.Attribute)
"""Above a string that is a docstring, or that a method is called on."""


def wanted_extensions(revisions: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """The extensions that upgrades are sure to create, each with the revisions that do.

    What is looked at are the strings in ``upgrade()`` that begin with ``CREATE EXTENSION``, the names that
    ``op.create_extension`` is given, and statements of SQL revisions. A run is refused for what is found
    here, so what is not certain is passed over and left to the server: a name that is computed, a statement
    under a condition (``if``, ``try``, a function that may return early, a ``DO`` block), one in a function
    that ``upgrade()`` calls.

    Args:
        revisions: each revision with its file. A file that cannot be read as Python is passed over: the
            revision graph reports it.

    Returns:
        Names, sorted, with their revisions in the order given; empty when there are none.
    """
    found: dict[str, list[str]] = {}
    for revision, path in revisions.items():
        for name in sorted(set(_in_file(path))):
            found.setdefault(name, []).append(revision)
    return {name: tuple(found[name]) for name in sorted(found)}


def _in_file(path: Path) -> Iterator[str]:
    try:
        source = path.read_bytes()
        # Parsing costs a hundred times what looking does, and few files create an extension.
        if b"EXTENSION" not in source.upper():
            return
        if path.suffix == ".sql":
            yield from _in_sql(sqlfiles.read_text(source))
            return
        tree = tree_of(source)
    except (OSError, SyntaxError, ValueError):
        return
    for function in tree.body:
        if _is_upgrade(function) and not any(isinstance(node, ast.Return) for node in ast.walk(function)):
            for text in _certain(function):
                if match := _CREATE_EXTENSION.match(text):
                    # SQL folds a name that is not quoted.
                    yield match[1] or match[2].lower()


def _in_sql(text: str) -> Iterator[str]:
    statements, _ = split(text)
    for statement in statements:
        if match := _CREATE_EXTENSION.match(uncommented(statement.text)):
            yield match[1] or match[2].lower()


def _is_upgrade(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "upgrade"


def _certain(node: ast.AST) -> Iterator[str]:
    """The strings that running a node is sure to use as they stand."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant):
            if isinstance(child.value, str) and not isinstance(node, _NOT_AS_IT_STANDS):
                yield child.value
        elif not isinstance(child, _NOT_CERTAIN):
            yield from _certain(child)
            yield from _directive(child)


def _directive(node: ast.AST) -> Iterator[str]:
    """What ``op.create_extension("name")`` sends."""
    match node:
        case ast.Call(func=ast.Attribute(attr="create_extension"), args=[ast.Constant(value=str(name)), *_]):
            yield f'CREATE EXTENSION "{name}"'
