"""Expressions: what they call, name and prove."""

from __future__ import annotations

from typing import Any

from headway.lint.deeds import Expression, Reach, Type
from headway.lint.names import Name
from headway.lint.parsing.tree import below, choice, constant, inner, kind, name_of, require_parser, texts

_SQL_VALUE = "SQLValueFunction"


def expression(node: Any) -> Expression:
    """What is to be known of an expression."""
    every = list(below(node))
    functions = frozenset(name_of(each.funcname).name for each in every if kind(each) == "FuncCall")
    columns = frozenset(column_named(each) for each in every if kind(each) == "ColumnRef") - {""}
    stable = any(kind(each) == _SQL_VALUE for each in every)
    return Expression(
        text=deparsed(node),
        functions=functions,
        texts=texts(node),
        columns=columns,
        not_null=frozenset(_proved_not_null(node)),
        constant=not (functions or columns or stable),
    )


def is_null(node: Any) -> bool:
    """Whether an expression is NULL, cast or not."""
    node = inner(node)
    while kind(node) == "TypeCast":
        node = inner(node.arg)
    return kind(node) == "A_Const" and bool(node.isnull)


def deparsed(node: Any) -> str:
    """An expression as the parser writes it back."""
    parser = require_parser()
    tree = parser.parse("SELECT 1")
    wrapper = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val
    node = inner(node)
    field = next(
        each.name
        for each in type(wrapper).DESCRIPTOR.fields
        if each.message_type is not None and each.message_type.name == type(node).DESCRIPTOR.name
    )
    getattr(wrapper, field).CopyFrom(node)
    return str(parser.deparse(tree)).removeprefix("SELECT ")


def column_named(node: Any) -> str:
    """The column that a ``ColumnRef`` is; "" for a star."""
    node = inner(node)
    if kind(node) != "ColumnRef" or not node.fields or kind(node.fields[-1]) != "String":
        return ""
    return str(inner(node.fields[-1]).sval)


def _proved_not_null(node: Any) -> list[str]:
    node = inner(node)
    if kind(node) == "BoolExpr" and choice(node, "boolop") == "AND_EXPR":
        return [name for part in node.args for name in _proved_not_null(part)]
    if kind(node) == "NullTest" and choice(node, "nulltesttype") == "IS_NOT_NULL":
        return [column_named(node.arg)]
    return []


def type_of(node: Any) -> Type:
    """A type as it was written."""
    name = name_of(node.names)
    if name.schema == "pg_catalog":
        name = Name(name.name)
    modifiers = [constant(each) for each in node.typmods]
    return Type(
        name=name,
        modifiers=tuple(int(each) for each in modifiers if each is not None and each.lstrip("-").isdigit()),
        array=len(node.array_bounds) > 0,
        text=_type_text(node),
    )


def _type_text(node: Any) -> str:
    parser = require_parser()
    tree = parser.parse("SELECT NULL::int")
    tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.type_cast.type_name.CopyFrom(node)
    return str(parser.deparse(tree)).removeprefix("SELECT NULL::").strip()


def reach(node: Any | None) -> tuple[Reach, tuple[str, ...]]:
    """How many rows a condition leaves, and the columns that it compares with values."""
    if node is None:
        return Reach.ALL, ()
    parts = _conjuncts(node)
    keys = tuple(key for part in parts if (key := _equated(part)))
    if keys:
        return Reach.NAMED, keys
    alone = all(kind(part) == "NullTest" for part in parts)
    return (Reach.ALL if alone else Reach.SOME), ()


def _conjuncts(node: Any) -> list[Any]:
    node = inner(node)
    if kind(node) == "BoolExpr" and choice(node, "boolop") == "AND_EXPR":
        return [part for each in node.args for part in _conjuncts(each)]
    return [node]


def _equated(node: Any) -> str:
    """The column that a condition says the value of; "" when it says none."""
    if kind(node) != "A_Expr" or [inner(each).sval for each in node.name] != ["="]:
        return ""
    compared = choice(node, "kind")
    if compared not in {"AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY"}:
        return ""
    if compared == "AEXPR_IN":
        return column_named(node.lexpr) if _has_values(node.rexpr) else ""
    sides = [(node.lexpr, node.rexpr), (node.rexpr, node.lexpr)]
    found = [column_named(one) for one, other in sides if column_named(one) and _is_value(other)]
    return found[0] if found else ""


def _has_values(node: Any) -> bool:
    node = inner(node)
    return kind(node) == "List" and all(_is_value(item) for item in node.items)


def _is_value(node: Any) -> bool:
    names = {kind(each) for each in below(node)}
    return not names & {"ColumnRef", "SubLink", "SelectStmt"}
