"""What one revision file declares, read from its syntax tree and never by running it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Remark: TypeAlias = tuple[int, str]
"""A line, counted from 1, and what is wrong there."""

_NAMES = ("revision", "down_revision", "depends_on", "branch_labels")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Declaration(NamedTuple):
    """The module attributes Alembic looks at. ``revision`` is ``None`` when the file assigns none."""

    revision: str | None = None
    line: int = 1
    parents: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    description: str = ""


class _Binding(NamedTuple):
    line: int
    value: ast.expr | None
    """``None`` when the name is bound by anything but an assignment at the top of the module."""


class _ComputedError(Exception):
    """The value is not written out in the source."""


class _WrongKindError(Exception):
    """The value is written out, and is not what Alembic takes."""


def read_source(source: bytes) -> tuple[Declaration | None, list[Remark]]:
    """Read one file's content: encoding cookie, byte order mark and line ends as Python reads them.

    Returns:
        What it declares, as far as that can be told (``None`` when it does not parse or its id cannot be
        told), and what is wrong with it (empty when nothing is).
    """
    try:
        module = tree_of(source)
    except SyntaxError as error:
        return None, [(error.lineno or 1, f"does not parse as Python: {error.msg}")]
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes before 3.12; nesting too deep
        return None, [(1, f"does not parse as Python: {error}")]
    bindings = {name: binding for statement in module.body for name, binding in _bindings(statement)}
    return _declaration(bindings, ast.get_docstring(module, clean=False) or "")


def _declaration(bindings: dict[str, _Binding], docstring: str) -> tuple[Declaration | None, list[Remark]]:
    remarks: list[Remark] = []
    values: dict[str, tuple[str, ...]] = {}
    for name in _NAMES:
        if name in bindings:
            try:
                values[name] = _names_in(bindings[name].value, single=name == "revision")
            except (_ComputedError, _WrongKindError) as error:
                remarks.append((bindings[name].line, f"`{name}` {error}"))
    if "revision" in bindings and "revision" not in values:
        return None, remarks
    line = bindings["revision"].line if "revision" in bindings else 1
    if "down_revision" not in bindings:
        remarks.append((line, "assigns no `down_revision`; a first revision says `down_revision = None`"))
    declaration = Declaration(
        revision=values["revision"][0] if "revision" in values else None,
        line=line,
        parents=values.get("down_revision", ()),
        depends_on=values.get("depends_on", ()),
        labels=values.get("branch_labels", ()),
        description=docstring.strip().partition("\n")[0].strip(),
    )
    return declaration, remarks


def _bindings(statement: ast.stmt) -> Iterator[tuple[str, _Binding]]:
    """Names of ours that a top-level statement binds."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            pairs = [pair for target in targets for pair in _unpacked(target, value)]
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            pairs = [(name, value)] if value else []
        case _:
            pairs = [(name, None) for name in _bound_inside(statement)]
    for name, bound in pairs:
        if name in _NAMES:
            yield name, _Binding(statement.lineno, bound)


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | None]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case (
            (ast.Tuple(elts=names) | ast.List(elts=names)),
            (ast.Tuple(elts=parts) | ast.List(elts=parts)),
        ) if len(names) == len(parts):
            for each, part in zip(names, parts, strict=True):
                yield from _unpacked(each, part)
        case _:
            yield from ((name, None) for name in _bound_inside(target))


def _bound_inside(node: ast.AST) -> Iterator[str]:
    """Every name that running this node could bind in the module."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _bound_inside(child)


def _names_in(node: ast.expr | None, *, single: bool) -> tuple[str, ...]:
    if node is None:
        raise _ComputedError(_COMPUTED)
    value = _literal(node)
    if isinstance(value, str):
        return (value,)
    if single:
        raise _WrongKindError("must be a string")
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _WrongKindError("must be a string, a tuple of strings or None")


_COMPUTED = "is computed; headway reads revision files without executing them, so write it out as a literal"


def _literal(node: ast.expr) -> Any:
    """The value of constants, of sequences of them (as a list), and of sums of either."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return [_literal(part) for part in parts]
        case ast.JoinedStr(values=parts):
            return "".join(_literal(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _literal(left), _literal(right)
            if type(first) is type(second) and isinstance(first, str | list):
                return first + second
    raise _ComputedError(_COMPUTED)
