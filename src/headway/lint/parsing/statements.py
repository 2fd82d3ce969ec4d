"""Statements other than ALTER TABLE, and the way in."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from headway.lint import deeds
from headway.lint.deeds import Deed, Reading
from headway.lint.names import Name
from headway.lint.parsing.expressions import deparsed, reach, type_of
from headway.lint.parsing.tables import alterations, domain_of, table_parts
from headway.lint.parsing.tree import (
    below,
    choice,
    constant,
    inner,
    kind,
    name_of,
    relation,
    relations,
    require_parser,
    said,
    strings,
    texts,
)
from headway.results import LockMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["read", "require_parser"]

# What changes no object and no row, or none that a downgrade would have to put back.
_INERT = frozenset(
    """SelectStmt ExplainStmt VariableShowStmt CommentStmt TransactionStmt NotifyStmt ListenStmt UnlistenStmt
    CheckPointStmt ConstraintsSetStmt LoadStmt DiscardStmt DoStmt CallStmt PrepareStmt ExecuteStmt
    DeallocateStmt SecLabelStmt""".split()  # noqa: SIM905  # a list of words reads better so
)


@lru_cache(maxsize=4096)
def read(sql: str) -> Reading:
    """Read one text, which should hold one statement.

    Returns:
        Its deeds; none, and why, for what PostgreSQL's grammar does not know.

    Raises:
        ConfigurationError: the parser is not installed.
    """
    parser = require_parser()
    try:
        tree = parser.parse(sql)
    except (parser.PgQueryError, ValueError) as error:
        return Reading(problem=str(error))
    nodes = [inner(each.stmt) for each in tree.stmts]
    return Reading(tuple(tuple(_deeds(node)) for node in nodes), tuple(texts(node) for node in nodes))


def _deeds(node: Any) -> Iterator[Deed]:
    what = kind(node)
    known = _STATEMENTS.get(what)
    if what in {"SelectStmt", "InsertStmt"} and node.HasField("with_clause"):
        changing = (each for each in below(node.with_clause) if kind(each) in {"UpdateStmt", "DeleteStmt"})
        yield from map(_change, changing)
    if known is None:
        yield deeds.Other(what, inert=what in _INERT)
    else:
        found = known(node)
        yield from [found] if not hasattr(found, "__iter__") else found


def _create_table(node: Any) -> Deed:
    columns, constraints = table_parts(node.table_elts)
    parents = [relation(inner(each)) for each in node.inh_relations]
    bound = node.HasField("partbound")
    return deeds.CreateTable(
        relation(node.relation),
        columns,
        constraints,
        parent=parents[0] if bound and parents else None,
        by=choice(node.partspec, "strategy").rpartition("_")[2] if node.HasField("partspec") else None,
        default_partition=bound and bool(node.partbound.is_default),
        if_not_exists=bool(node.if_not_exists),
        temporary=node.relation.relpersistence == "t",
    )


def _create_as(node: Any) -> Deed:
    name = relation(node.into.rel)
    if choice(node, "objtype") == "OBJECT_MATVIEW":
        return deeds.CreateView(name, materialized=True)
    return deeds.CreateTable(
        name, if_not_exists=bool(node.if_not_exists), sources=relations(node, within="query")
    )


def _create_index(node: Any) -> Deed:
    elements = [inner(each) for each in node.index_params]
    return deeds.CreateIndex(
        Name(node.idxname, node.relation.schemaname or None) if node.idxname else None,
        relation(node.relation),
        tuple(each.name for each in elements if each.name),
        unique=bool(node.unique),
        concurrently=bool(node.concurrent),
        if_not_exists=bool(node.if_not_exists),
        only=not node.relation.inh,
        plain=_is_plain(node, elements),
    )


def _is_plain(node: Any, elements: Iterable[Any]) -> bool:
    """Whether an index says no more than its columns."""
    more = (
        ("where_clause",) if node.HasField("where_clause") else (*node.index_including_params, *node.options)
    )
    return (
        not more
        and node.access_method == "btree"
        and not node.nulls_not_distinct
        and all(
            each.name
            and not each.opclass
            and not each.collation
            and choice(each, "ordering") == "SORTBY_DEFAULT"
            and choice(each, "nulls_ordering") == "SORTBY_NULLS_DEFAULT"
            for each in elements
        )
    )


def _words(node: Any, field: str) -> str:
    """PostgreSQL's word for a kind of object: ``materialized view``."""
    word = choice(node, field).removeprefix("OBJECT_").replace("_", " ").lower()
    return "materialized view" if word == "matview" else word


def _object(node: Any) -> Name:
    node = inner(node)
    match kind(node):
        case "List":
            return name_of(node.items)
        case "TypeName":
            return name_of(node.names)
        case "ObjectWithArgs":
            return name_of(node.objname)
        case _:
            return name_of([node])


def _drop(node: Any) -> Iterable[Deed]:
    return [
        deeds.Drop(
            _words(node, "remove_type"),
            _object(each),
            concurrently=bool(node.concurrent),
            cascade=choice(node, "behavior") == "DROP_CASCADE",
            if_exists=bool(node.missing_ok),
        )
        for each in node.objects
    ]


def _rename(node: Any) -> Deed:
    what = _words(node, "rename_type")
    if what in {"column", "attribute"} and node.HasField("relation"):
        return deeds.RenameColumn(relation(node.relation), node.subname, node.newname)
    if what == "tabconstraint":
        return deeds.RenameConstraint(relation(node.relation), node.subname, node.newname)
    name = relation(node.relation) if node.HasField("relation") else _object(node.object)
    return deeds.Rename(what, name, Name(node.newname, name.schema))


def _move(node: Any) -> Deed:
    name = relation(node.relation) if node.HasField("relation") else _object(node.object)
    return deeds.Rename(_words(node, "object_type"), name, Name(name.name, node.newschema))


def _alter_enum(node: Any) -> Deed:
    if node.old_val:
        return deeds.RenameLabel(name_of(node.type_name), node.old_val, node.new_val)
    return deeds.AddLabel(name_of(node.type_name), node.new_val)


def _reindex(node: Any) -> Deed:
    options = {inner(each).defname for each in node.params}
    what = choice(node, "kind").removeprefix("REINDEX_OBJECT_").lower()
    name = relation(node.relation) if node.HasField("relation") else Name(node.name) if node.name else None
    return deeds.Reindex(what, name, concurrently="concurrently" in options)


def _vacuum(node: Any) -> Deed:
    if not node.is_vacuumcmd:
        return deeds.Other("AnalyzeStmt", inert=True)
    options = {inner(each).defname for each in node.options}
    return deeds.Vacuum(tuple(relation(inner(each).relation) for each in node.rels), full="full" in options)


def _set(node: Any) -> Deed:
    said_values = [constant(each) for each in node.args]
    value = ", ".join(each for each in said_values if each is not None)
    gone = choice(node, "kind") in {"VAR_RESET", "VAR_RESET_ALL", "VAR_SET_DEFAULT"}
    name = node.name or "all"
    return deeds.SetParameter(name, None if gone else value, local=bool(node.is_local))


def _change(node: Any) -> Deed:
    where = said(node, "where_clause")
    how, keys = reach(where)
    targets = [inner(each) for each in getattr(node, "target_list", ())]
    verb = {"UpdateStmt": "UPDATE", "DeleteStmt": "DELETE"}[kind(node)]
    columns = tuple(each.name for each in targets)
    text = "" if where is None else deparsed(where)
    return deeds.ChangeRows(verb, relation(node.relation), how, columns, keys, text)


def _merge(node: Any) -> Deed:
    return deeds.ChangeRows("MERGE", relation(node.relation), deeds.Reach.SOME)


def _insert(node: Any) -> Deed:
    return deeds.Insert(relation(node.relation), relations(node, within="select_stmt"))


def _select(node: Any) -> Deed:
    if node.HasField("into_clause"):
        return deeds.CreateTable(relation(node.into_clause.rel), sources=relations(node)[1:])
    for target in (inner(each) for each in node.target_list):
        call = inner(target.val)
        if kind(call) == "FuncCall" and name_of(call.funcname).name == "set_config":
            said_values = [constant(each) for each in call.args]
            if len(said_values) == 3 and said_values[0]:  # noqa: PLR2004  # set_config takes three
                return deeds.SetParameter(said_values[0], said_values[1])
    return deeds.Other("SelectStmt", inert=True)


def _domain(node: Any) -> Deed:
    constrained = any(
        choice(inner(each), "contype") in {"CONSTR_CHECK", "CONSTR_NOTNULL"} for each in node.constraints
    )
    return deeds.CreateDomain(name_of(node.domainname), constrained, type_of(node.type_name))


def _function(node: Any) -> Deed:
    options = {inner(each).defname: inner(each) for each in node.options}
    volatility = inner(options["volatility"].arg).sval if "volatility" in options else "volatile"
    return deeds.Create(
        "function", name_of(node.funcname), if_not_exists=bool(node.replace), steady=volatility != "volatile"
    )


_LOCKS = list(LockMode)

_STATEMENTS: dict[str, Callable[[Any], Deed | Iterable[Deed]]] = {
    "CreateStmt": _create_table,
    "CreateTableAsStmt": _create_as,
    "IndexStmt": _create_index,
    "ViewStmt": lambda node: deeds.CreateView(relation(node.view), replaces=bool(node.replace)),
    "CreateEnumStmt": lambda node: deeds.CreateEnum(name_of(node.type_name), strings(node.vals)),
    "CreateDomainStmt": _domain,
    "CreateSeqStmt": lambda node: deeds.Create(
        "sequence", relation(node.sequence), if_not_exists=bool(node.if_not_exists)
    ),
    "CompositeTypeStmt": lambda node: deeds.Create("type", relation(node.typevar)),
    "CreateRangeStmt": lambda node: deeds.Create("type", name_of(node.type_name)),
    "CreateSchemaStmt": lambda node: deeds.Create(
        "schema", Name(node.schemaname), if_not_exists=bool(node.if_not_exists)
    ),
    "CreateExtensionStmt": lambda node: deeds.Create(
        "extension", Name(node.extname), if_not_exists=bool(node.if_not_exists)
    ),
    "CreateFunctionStmt": _function,
    "CreateTrigStmt": lambda node: deeds.Create(
        "trigger", Name(node.trigname, node.relation.relname), if_not_exists=bool(node.replace)
    ),
    "DropStmt": _drop,
    "AlterTableStmt": alterations,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _move,
    "AlterEnumStmt": _alter_enum,
    "AlterDomainStmt": domain_of,
    "ReindexStmt": _reindex,
    "VacuumStmt": _vacuum,
    "ClusterStmt": lambda node: deeds.Cluster(relation(node.relation) if node.HasField("relation") else None),
    "RefreshMatViewStmt": lambda node: deeds.Refresh(
        relation(node.relation), concurrently=bool(node.concurrent), with_data=not node.skip_data
    ),
    "LockStmt": lambda node: deeds.LockTable(
        tuple(relation(inner(each)) for each in node.relations), _LOCKS[node.mode - 1]
    ),
    "TruncateStmt": lambda node: deeds.Truncate(tuple(relation(inner(each)) for each in node.relations)),
    "VariableSetStmt": _set,
    "UpdateStmt": _change,
    "DeleteStmt": _change,
    "MergeStmt": _merge,
    "InsertStmt": _insert,
    "SelectStmt": _select,
}
