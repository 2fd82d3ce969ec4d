"""Which extensions the revisions ask for, read from their source without running them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CREATE_EXTENSION = re.compile(
    r'\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:"((?:[^"]|"")+)"|([A-Za-z_][\w$]*))', re.IGNORECASE
)


def wanted_extensions(paths: Iterable[Path]) -> tuple[str, ...]:
    """The names after ``CREATE EXTENSION`` in the string literals of these files, sorted; empty when none.

    A name that is computed is not seen, and docstrings are not looked at. A file that cannot be read as
    Python is passed over: the revision graph reports it.
    """
    return tuple(sorted({name for path in paths for name in _in_file(path)}))


def _in_file(path: Path) -> Iterator[str]:
    try:
        source = path.read_bytes()
        # Parsing costs a hundred times what looking does, and few files create an extension.
        if b"EXTENSION" not in source.upper():
            return
        tree = tree_of(source)
    except (OSError, SyntaxError, ValueError):
        return
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            for match in _CREATE_EXTENSION.finditer(node.value):
                # SQL folds a name that is not quoted.
                yield match[1].replace('""', '"') if match[1] else match[2].lower()
