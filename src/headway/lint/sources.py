"""A revision's file as text: its functions, its statements' lines, and what it says at its top."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPOUND = (
    ast.With,
    ast.If,
    ast.For,
    ast.While,
    ast.Try,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)


class Body(StrEnum):
    """What a function of a revision does, by its text."""

    ABSENT = "absent"
    EMPTY = "empty"
    """``pass``, a docstring, or nothing but comments."""
    RAISES = "raises"
    """It says that there is no way back."""
    FULL = "full"


@dataclass(frozen=True, slots=True)
class PythonSource:
    """A revision in Python."""

    tree: ast.Module

    def function(self, name: str) -> ast.FunctionDef | None:
        """A function of the module; ``None`` when there is none of that name."""
        found = (each for each in self.tree.body if isinstance(each, ast.FunctionDef) and each.name == name)
        return next(found, None)

    def body(self, name: str) -> Body:
        """What a function does."""
        function = self.function(name)
        if function is None:
            return Body.ABSENT
        said = [each for each in function.body if not _says_nothing(each)]
        if not said:
            return Body.EMPTY
        return Body.RAISES if isinstance(said[0], ast.Raise) else Body.FULL

    def executed(self, name: str) -> Iterator[tuple[str, int]]:
        """The texts that a function executes, as far as they are written out, each with its line."""
        for node in ast.walk(self.function(name) or ast.Pass()):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "execute" and node.args:
                given = node.args[0]
                if isinstance(given, ast.Call) and len(given.args) == 1:  # text("…")
                    given = given.args[0]
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield given.value, node.lineno

    def constant(self, name: str) -> tuple[object, int] | None:
        """A constant that the module assigns, with its line; ``None`` when it assigns none of that name."""
        for each in self.tree.body:
            targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
            value = getattr(each, "value", None)
            if isinstance(value, ast.Constant) and any(_is_name(target, name) for target in targets):
                return value.value, each.lineno
        return None

    def extent(self, line: int) -> tuple[int, int]:
        """The first and last line of the statement that a line is part of; itself where it is of none."""
        found = (line, line)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt) and node.lineno <= line <= _end(node):
                found = (node.lineno, _end(node))
        return found

    @property
    def first_line(self) -> int:
        """The line of the first statement behind the docstring; what stands above is the file's head."""
        said = self.tree.body[1:] if ast.get_docstring(self.tree, clean=False) is not None else self.tree.body
        return said[0].lineno if said else 1


def _end(node: ast.stmt) -> int:
    """The last line of a statement; of one that holds others, of its head alone."""
    if not isinstance(node, _COMPOUND):
        return node.end_lineno or node.lineno
    head = (each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.stmt | ast.ExceptHandler))
    return max((getattr(each, "end_lineno", 0) or 0 for each in head), default=0) or node.lineno


def _says_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or constant


def _is_name(target: object, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


@lru_cache(maxsize=256)
def python_source(source: str) -> PythonSource | None:
    """A revision's text as Python reads it; ``None`` when it does not parse."""
    try:
        return PythonSource(tree_of(source.encode()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
