"""A revision in Python whose upgrade holds nothing but indexes."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.lint.fixing.edits import INDEX_STATEMENT, Edit, concurrent, edited
from headway.lint.sources import python_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

_STEP = "    "


def mended(source: str, lines: AbstractSet[int]) -> tuple[str, list[str]]:
    """The text, mended, and what was done to it; nothing where an index is not alone in its function.

    Args:
        source: of the revision.
        lines: where something is to be mended.
    """
    tree = python_source(source)
    function = tree.function("upgrade") if tree else None
    if tree is None or function is None:
        return source, []
    block, body = _block_of(_said(function))
    if not body or not all(_is_index(each) for each in body):
        return source, []
    if not any(each.lineno <= line <= (each.end_lineno or each.lineno) for each in body for line in lines):
        return source, []
    text = _Text(source)
    edits, done = [], []
    for each in body:
        found = list(_concurrent_edits(text, each))
        edits += found
        done += [f"line {each.lineno}: CONCURRENTLY"] if found else []
    transactional = tree.constant("transactional")
    if block is None and (transactional is None or transactional[0] is not False):
        edits += _indented(text, body)
        done.append(f"line {body[0].lineno}: autocommit_block around {_counted(body)}")
    return edited(source, edits), done


def _counted(body: list[ast.stmt]) -> str:
    return "it" if len(body) == 1 else f"all {len(body)} statements"


def _said(function: ast.FunctionDef) -> list[ast.stmt]:
    """A function's statements without its docstring."""
    return function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body


def _block_of(body: list[ast.stmt]) -> tuple[ast.With | None, list[ast.stmt]]:
    """The autocommit block that is all there is, with what is in it; else ``None`` and the statements."""
    if (
        len(body) == 1
        and isinstance(body[0], ast.With)
        and "autocommit_block" in ast.unparse(body[0].items[0])
    ):
        return body[0], body[0].body
    return None, body


def _call(statement: ast.stmt) -> ast.Call | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return value if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) else None


def _is_index(statement: ast.stmt) -> bool:
    call = _call(statement)
    if call is None or not isinstance(call.func, ast.Attribute):
        return False
    if any(keyword.arg is None for keyword in call.keywords):  # **what
        return False
    if call.func.attr in {"create_index", "drop_index"}:
        return True
    sql = _literal(call)
    return call.func.attr == "execute" and sql is not None and bool(INDEX_STATEMENT.match(str(sql.value)))


def _literal(call: ast.Call) -> ast.Constant | None:
    """The text that a call executes, written out, or within ``text()``."""
    argument = call.args[0] if len(call.args) == 1 else None
    if isinstance(argument, ast.Call) and len(argument.args) == 1:
        argument = argument.args[0]
    known = (
        isinstance(argument, ast.Constant) and isinstance(argument.value, str) and ";" not in argument.value
    )
    return argument if known and isinstance(argument, ast.Constant) else None


def _concurrent_edits(text: _Text, statement: ast.stmt) -> Iterator[Edit]:
    call = _call(statement)
    if call is None or not isinstance(call.func, ast.Attribute):
        return
    literal = _literal(call) if call.func.attr == "execute" else None
    if literal is not None:
        start, end = text.extent(literal)
        better = concurrent(text.source[start:end])
        if better != text.source[start:end]:
            yield Edit(start, end, better)
        return
    keywords = {keyword.arg: keyword for keyword in call.keywords}
    said = keywords.get("postgresql_concurrently")
    if said is None:
        _, end = text.extent(([*call.args, *(keyword.value for keyword in call.keywords)])[-1])
        yield Edit(end, end, ", postgresql_concurrently=True")
    elif not (isinstance(said.value, ast.Constant) and said.value.value is True):
        yield Edit(*text.extent(said.value), "True")
    if "if_not_exists" in keywords and call.func.attr == "create_index":
        yield Edit(*text.extent(keywords["if_not_exists"].value), "False")


def _indented(text: _Text, body: list[ast.stmt]) -> list[Edit]:
    """The statements under an autocommit block, with the comments above them; strings over lines stay."""
    first = body[0].lineno
    while text.lines[first - 2].lstrip().startswith("#"):
        first -= 1
    last = body[-1].end_lineno or body[-1].lineno
    margin = " " * body[0].col_offset
    kept = text.inside_strings()
    opening = f"{margin}with op.get_context().autocommit_block():{text.newline}"
    edits = [Edit(text.starts[first - 1], text.starts[first - 1], opening + _STEP)]
    edits += [
        Edit(text.starts[line - 1], text.starts[line - 1], _STEP)
        for line in range(first + 1, last + 1)
        if line not in kept and text.lines[line - 1].strip()
    ]
    return edits


@dataclass(slots=True)
class _Text:
    """A source with the offsets of its lines."""

    source: str

    @property
    def lines(self) -> list[str]:
        return self.source.splitlines(keepends=True)

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.source else "\n"

    @property
    def starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts

    def extent(self, node: ast.expr) -> tuple[int, int]:
        """Where a node begins and ends; Python counts bytes."""
        return (
            self._offset(node.lineno, node.col_offset),
            self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )

    def _offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def inside_strings(self) -> set[int]:
        """The lines that begin within a string."""
        read = tokenize.generate_tokens(io.StringIO(self.source).readline)
        return {
            line
            for token in read
            if token.start[0] != token.end[0] and token.type not in {tokenize.NEWLINE, tokenize.NL}
            for line in range(token.start[0] + 1, token.end[0] + 1)
        }
