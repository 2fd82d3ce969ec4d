"""UPDATE and DELETE as the same change of some rows at a time."""

from __future__ import annotations

from typing import Any

from headway.lint.names import quoted
from headway.lint.parsing.expressions import deparsed, expression
from headway.lint.parsing.tree import below, choice, inner, kind, require_parser, said

# Values of these parts are the same when they are computed again from what they made.
_SETTLED = frozenset({"ColumnRef", "A_Const", "String", "CoalesceExpr", "TypeCast", "TypeName", "Integer"})
_SETTLED_CALLS = frozenset({"lower", "upper", "btrim", "ltrim", "rtrim", "initcap"})


def some_of(node: Any) -> str:
    """A change of rows as one of some of them; its limit and a bracket are to follow.

    Returns:
        "" where it is not certain that repeating it comes to an end.
    """
    field, word = ("from_clause", "FROM") if kind(node) == "UpdateStmt" else ("using_clause", "USING")
    used = _listed(getattr(node, field))
    left = _left(node, alone=not used)
    if node.HasField("with_clause") or left is None:
        return ""
    where = _conjunct(node.where_clause) if node.HasField("where_clause") else ""
    named = node.relation.HasField("alias")
    own = quoted(node.relation.alias.aliasname if named else node.relation.relname)
    ctid = f"{own}.ctid" if used or named else "ctid"
    conditions = " AND ".join(each for each in (where, left) if each)
    inside = ", ".join(each for each in (_listed([node.relation]), used) if each)
    some = f"{ctid} IN (SELECT {ctid} FROM {inside}" + (f" WHERE {conditions}" if conditions else "")
    beside = (
        f" {word} {used} WHERE {where} AND"
        if used and where
        else f" {word} {used} WHERE"
        if used
        else " WHERE"
    )
    return f"{_bare(node, field)}{beside} {some}"


def _left(node: Any, *, alone: bool) -> str | None:
    """What holds for rows that are not changed yet; ``None`` where no condition tells.

    Beside other tables none does: there may be several values for a row, which take turns.
    """
    if kind(node) == "DeleteStmt":
        return ""
    set_to = [(inner(each).name, inner(inner(each).val)) for each in node.target_list]
    columns = frozenset(name for name, _ in set_to)
    empty = _nulls(said(node, "where_clause")) & columns
    for name, value in set_to:
        if alone and name in empty and kind(value) != "MultiAssignRef":
            known = kind(value) == "A_Const" and not value.isnull
            return "" if known else f"({deparsed(value)}) IS NOT NULL"
    if not alone or not all(_settles(value, columns) for _, value in set_to):
        return None
    differing = [f"{quoted(name)} IS DISTINCT FROM {_bracketed(value)}" for name, value in set_to]
    return differing[0] if len(differing) == 1 else f"({' OR '.join(differing)})"


def _nulls(where: Any) -> frozenset[str]:
    """The columns that a condition wants to be NULL."""
    if where is None:
        return frozenset()
    parts = [inner(each) for each in where.args] if kind(where) == "BoolExpr" else [where]
    if kind(where) == "BoolExpr" and choice(where, "boolop") != "AND_EXPR":
        return frozenset()
    return frozenset(
        name
        for part in parts
        if kind(part) == "NullTest" and choice(part, "nulltesttype") == "IS_NULL"
        for name in expression(part.arg).columns
    )


def _settles(value: Any, changed: frozenset[str]) -> bool:
    """Whether a row that was changed once would stay as it is."""
    known = expression(value)
    kinds = {kind(each) for each in below(value)}
    if kinds & {"MultiAssignRef", "SetToDefault", "SQLValueFunction"} or known.functions - _SETTLED_CALLS:
        return False
    return not known.columns & changed or kinds <= _SETTLED | {"FuncCall"}


def _conjunct(where: Any) -> str:
    """A condition that AND may follow."""
    either = kind(where) == "BoolExpr" and choice(inner(where), "boolop") == "OR_EXPR"
    return f"({deparsed(where)})" if either else deparsed(where)


def _bracketed(value: Any) -> str:
    simple = kind(value) in {"A_Const", "ColumnRef", "FuncCall", "CoalesceExpr", "TypeCast"}
    return deparsed(value) if simple else f"({deparsed(value)})"


def _listed(tables: Any) -> str:
    """Tables as FROM names them."""
    parser = require_parser()
    tree = parser.parse("SELECT FROM t")
    select = tree.stmts[0].stmt.select_stmt
    del select.from_clause[:]
    for each in tables:
        held = select.from_clause.add()
        if kind(each) == "RangeVar":
            held.range_var.CopyFrom(inner(each))
        else:
            held.CopyFrom(each)
    return str(parser.deparse(tree)).partition("FROM ")[2]


def _bare(node: Any, field: str) -> str:
    """The statement with no condition, and no other table."""
    parser = require_parser()
    verb = "UPDATE t SET a = 1" if kind(node) == "UpdateStmt" else "DELETE FROM t"
    tree = parser.parse(verb)
    held = inner(tree.stmts[0].stmt)
    held.CopyFrom(node)
    for each in ("where_clause", "returning_clause", "returning_list", field):
        if each in held.DESCRIPTOR.fields_by_name:
            held.ClearField(each)
    return str(parser.deparse(tree))
