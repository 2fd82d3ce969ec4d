"""What an env.py asks of ``context.configure``, and does besides, read from its syntax tree."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# What is headway's business, so env.py's own value is left aside.
IGNORED = frozenset(
    {
        "as_sql",
        "connection",
        "dialect",
        "dialect_name",
        "dialect_opts",
        "fn",
        "literal_binds",
        "output_buffer",
        "starting_rev",
        "tag",
        "transaction_per_migration",
        "transactional_ddl",
        "url",
    }
)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef)
_HARMLESS = re.compile(r"advisory|(lock|statement|idle_in_transaction_session)_timeout", re.IGNORECASE)
"""SQL that headway has no need of: it locks and limits by its own means."""


def own_sql(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What it does to its connection besides configuring: line and words; nothing as a rule."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="execute" | "exec_driver_sql"), lineno=line):
                if not _HARMLESS.search(ast.unparse(node)):
                    yield line, f"runs SQL of its own ({ast.unparse(node)})"
            case ast.Attribute(attr="default_schema_name", ctx=ast.Store(), lineno=line):
                yield line, "sets the connection's default schema"
            case ast.keyword(arg="schema_translate_map", lineno=line):
                yield line, "translates schemas"


def own_urls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where it takes the database from, if not from ``sqlalchemy.url`` of the configuration."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(
                    func=ast.Attribute(attr="set_main_option"), args=[ast.Constant("sqlalchemy.url"), value]
                )
                | ast.Call(func=ast.Name(id="create_engine" | "create_async_engine"), args=[value, *_])
                | ast.Assign(targets=[ast.Subscript(slice=ast.Constant("sqlalchemy.url"))], value=value)
                | ast.keyword(arg="url", value=value)
            ):
                # A bare name was made elsewhere, and is met there.
                if not isinstance(value, ast.Name) and "get_main_option" not in ast.unparse(value):
                    yield value.lineno, ast.unparse(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if "url" in name.lower():
                if "environ" in ast.unparse(value) or "getenv" in ast.unparse(value):
                    yield value.lineno, ast.unparse(value)


def configure_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Every call of Alembic's ``context.configure``, in no particular order."""
    names = {"context"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "alembic":
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "context"}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="configure")):
                called = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", None)
                if called in names:
                    yield node


def online_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Those that are given a connection."""
    for call in configure_calls(tree):
        if call.args or any(keyword.arg == "connection" for keyword in call.keywords):
            yield call


def wording(call: ast.Call) -> str:
    """What it is given that is not headway's business, in an order of its own."""
    given = sorted(ast.unparse(keyword) for keyword in call.keywords if keyword.arg not in IGNORED)
    return ", ".join(given)


def function_around(tree: ast.Module, call: ast.Call) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function around a call."""
    around = [node for node in ast.walk(tree) if isinstance(node, _SCOPES) and call in ast.walk(node)]
    return around[-1] if around else None


def statements_needed(expression: ast.AST, scope: ast.AST | None) -> list[ast.stmt]:
    """The statements of the function that make the local names which an expression uses, in order.

    Raises:
        LookupError: one of them is a parameter, or bound in a way that running one statement does not repeat.
    """
    if not isinstance(scope, _SCOPES):
        return []
    parameters = {argument.arg for argument in ast.walk(scope.args) if isinstance(argument, ast.arg)}
    bindings = _bindings(scope)
    needed: dict[str, ast.stmt] = {}

    def require(node: ast.AST) -> None:
        for name in _loaded(node):
            if name in parameters or len(bindings.get(name, [None])) > 1:
                raise LookupError(name)
            if name in bindings and name not in needed:
                statement = bindings[name][0]
                if not isinstance(statement, ast.FunctionDef | ast.Assign | ast.AnnAssign):
                    raise LookupError(name)
                needed[name] = statement
                require(statement)

    require(expression)
    return [statement for statement in scope.body if statement in needed.values()]


def _bindings(scope: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, list[ast.stmt]]:
    """Which statements bind each local name; those inside nested functions are theirs."""
    found: dict[str, list[ast.stmt]] = {}

    for statement in scope.body:
        for name in _named(statement):
            found.setdefault(name, []).append(statement)
    return found


def _named(statement: ast.stmt) -> Collection[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    return _stored(statement)


def _stored(node: ast.AST) -> set[str]:
    return {
        each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def _loaded(node: ast.AST) -> set[str]:
    return {
        each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }
