"""A fingerprint of what a revision does, that no formatter, comment or Python version changes.

Taken from the syntax tree, in a form of our own: ``ast.dump`` writes the same tree differently from one
Python to the next (3.12 added fields, 3.13 leaves empty ones out), and a ledger outlives them all.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from headway import sqlfiles
from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from pathlib import Path

_SAYS_NOTHING = frozenset({"annotation", "ctx", "kind", "returns", "type_comment", "type_ignores", "simple"})
"""Fields that change nothing of what the code does: annotations, how a string was written, what follows
from the place of a name (``ctx``)."""
_MAY_BE_IDLE = frozenset({ast.Expr, ast.AnnAssign, ast.Pass})
_NO_TREE = (SyntaxError, ValueError, RecursionError, MemoryError)
_CLOSE = ")"
_LINKS = frozenset({"revision", "down_revision", "depends_on", "branch_labels"})
"""What a file says of its place among the others; not part of what it does."""
_KIND = "2"
"""Of a :class:`Fingerprint`, written; headway 0.1 recorded a bare :func:`checksum`, which is the first."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a revision does and what it comes after, as the ledger keeps it.

    Attributes:
        content: of what it does, see :func:`content`.
        file: of its file byte by byte, see :func:`digest`: where it is the same, nothing needs to be parsed.
        parents: its ``down_revision`` and ``depends_on`` as written, sorted.
    """

    content: str
    file: str
    parents: tuple[str, ...]

    def __str__(self) -> str:
        parents = ",".join(quote(parent, safe="") for parent in self.parents)
        return f"{_KIND}:{self.content}:{self.file}:{parents}"

    @classmethod
    def read(cls, written: str) -> Fingerprint | None:
        """The reverse of ``str``; ``None`` for any other kind."""
        kind, *rest = written.split(":")
        if kind != _KIND or len(rest) != 3:  # noqa: PLR2004  # its three fields
            return None
        parents = tuple(unquote(parent) for parent in rest[2].split(",") if parent)
        return cls(rest[0], rest[1], parents)


def fingerprint(
    path: Path, parents: Iterable[str], known: MutableMapping[str, str] | None = None
) -> Fingerprint:
    """Fingerprint the revision in a file.

    Args:
        path: the file.
        parents: its ``down_revision`` and ``depends_on`` as written, in any order.
        known: as :func:`content` takes it.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # half the time of Path.read_bytes
        source = file.readall()
    return Fingerprint(_content(path, source, known), digest(source), tuple(sorted(parents)))


def content_of(path: Path) -> str:
    """Fingerprint what the revision of a file does, in Python or in SQL; of the latter it is the upper half.

    Raises:
        OSError: it cannot be read.
    """
    return _content(path, path.read_bytes())


def _content(path: Path, source: bytes, known: MutableMapping[str, str] | None = None) -> str:
    if path.suffix != ".sql":
        return content(source, known)
    undoing = sqlfiles.down_path(path)
    down = undoing.read_bytes() if undoing.exists() else None
    return sqlfiles.checksum(
        sqlfiles.read_text(source), sqlfiles.read_text(down) if down is not None else None
    )


def digest(source: bytes) -> str:
    """BLAKE2b of a file, byte by byte, in hexadecimal."""
    return hashlib.blake2b(source, digest_size=20).hexdigest()


def content(source: bytes, known: MutableMapping[str, str] | None = None) -> str:
    """Fingerprint what a revision does: :func:`checksum` without its ids, labels, parents and dependencies.

    These say where it stands among the others, and are compared by themselves.

    Args:
        source: the file's content.
        known: such fingerprints, each by the :func:`digest` of its source. What it has is not parsed, and
            what is parsed is added to it; what cannot be is not, for another Python may parse it.
    """
    known = {} if known is None else known
    key = digest(source)
    if key not in known:
        try:
            known[key] = _of_tree(tree_of(source), _LINKS)
        except _NO_TREE:
            return hashlib.sha256(source).hexdigest()
    return known[key]


def checksum(source: bytes) -> str:
    """Fingerprint one revision file.

    Left out, because it changes nothing of what the revision does: comments, blank lines, indentation, line
    ends and the encoding of the file, line breaks and trailing commas inside brackets, quotes and spelling of
    literals, docstrings, ``pass``, and annotations. Everything else counts: the ids, the imports, and every
    character of a string, so also the layout of SQL within one.

    Args:
        source: the file's content, in whatever encoding it declares.

    Returns:
        A SHA-256 in hexadecimal, the same on every Python that can parse the file. A file that does not parse
        is no revision; it is fingerprinted byte by byte.
    """
    try:
        return _of_tree(tree_of(source))
    except _NO_TREE:
        return hashlib.sha256(source).hexdigest()


def _of_tree(tree: ast.Module, leave_out: frozenset[str] = frozenset()) -> str:
    tree.body = [statement for statement in tree.body if not _assigns(statement, leave_out)]
    return hashlib.sha256("\n".join([*_tokens(tree), ""]).encode("ascii")).hexdigest()


def _assigns(statement: ast.stmt, names: frozenset[str]) -> bool:
    """Whether a statement is ``name = …`` for one of the names, and no more."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name in names
    return False


def _tokens(tree: ast.AST) -> list[str]:
    """The tree written out, depth first; on a stack, because a sum of a thousand strings is as deep."""
    said: list[str] = []
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if type(item) is str:
            said.append(item)
        elif type(item) is list:
            said.append("[")
            waiting.append(_CLOSE)
            waiting.extend(reversed(item))
        else:
            waiting.append(_CLOSE)
            waiting.extend(reversed(_taken_apart(item)))
    return said


def _taken_apart(node: Any) -> list[Any]:
    """A node's name and the fields that say something: tokens, and what is to be taken apart in its turn."""
    kind: Any = type(node)  # a class, which mypy does not take for hashable
    if kind is ast.AnnAssign and node.value is not None:
        return ["(Assign", ".targets", [_written(node.target)], ".value", _written(node.value)]
    if kind is ast.JoinedStr:
        merged = _merged(node.values)
        return ["(JoinedStr", ".values", [_written(part) for part in merged]] if merged else ["(JoinedStr"]
    opening, fields = _shape_of(kind)
    parts: list[Any] = [opening]
    for name, token in fields:
        held: Any = getattr(node, name, None)
        if type(held) is list:
            items = [_written(item) for item in held if type(item) not in _MAY_BE_IDLE or not _is_idle(item)]
            if items:
                parts += (token, items)
        elif held is not None and not _is_empty_format(held):
            parts += (token, _written(held))
    return parts


def _written(item: Any) -> Any:
    """All tokens of what nothing deep can be below, which is most of a file; a node else, as it is."""
    kind = type(item)
    if kind is ast.Constant:
        return f"(Constant\n.value\n{_constant(item.value)}\n)"
    if kind is ast.Name:
        return f"(Name\n.id\nstr {item.id!a}\n)"
    if kind is ast.Attribute and type(item.value) is ast.Name:
        return f"(Attribute\n.value\n(Name\n.id\nstr {item.value.id!a}\n)\n.attr\nstr {item.attr!a}\n)"
    return item if isinstance(item, ast.AST) else _constant(item)


@functools.cache
def _shape_of(kind: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    """How a kind of node begins, and the names of its fields that say something, each with its token."""
    return f"({kind.__name__}", tuple(
        (name, f".{name}") for name in kind._fields if name not in _SAYS_NOTHING
    )


def _is_idle(item: Any) -> bool:
    """Whether a statement does nothing: ``pass``, a docstring or another bare constant, ``name: type``."""
    if isinstance(item, ast.Expr):
        return isinstance(item.value, ast.Constant)
    if isinstance(item, ast.AnnAssign):
        return item.value is None and item.simple == 1
    return isinstance(item, ast.Pass)


def _is_empty_format(value: Any) -> bool:
    """``f"{x:}"`` formats as ``f"{x}"`` does; Pythons disagree on how to write it as a tree."""
    return type(value) is ast.JoinedStr and not _merged(value.values)


def _merged(values: Iterable[ast.expr]) -> list[ast.expr]:
    """An f-string's parts, neighbouring texts as one: where they are cut depends on the Python version."""
    parts: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            parts.append(value)
        elif parts and isinstance(parts[-1], ast.Constant):
            parts[-1] = ast.Constant(str(parts[-1].value) + str(value.value))
        elif value.value != "":
            parts.append(value)
    return parts


def _constant(value: Any) -> str:
    """A constant in ASCII; ``repr`` depends on the Unicode version that a Python was built with."""
    if type(value) is str:
        return f"str {value!a}"
    # int has no limit in hexadecimal, and one in decimal (sys.set_int_max_str_digits).
    text = hex(value) if isinstance(value, int) else ascii(value)
    return f"{type(value).__name__} {text}"
