"""The parser, and its tree: protobuf messages, which carry no types of Python's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.errors import ConfigurationError
from headway.lint.names import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NODE = "node"


def require_parser() -> Any:
    """The parser's module.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import postgast
    except ImportError:
        raise ConfigurationError(
            "the extra `lint`",
            "lint reads SQL with PostgreSQL's own parser, which is not installed",
            example="pip install 'headway[lint]'",
        ) from None
    return postgast


def inner(node: Any) -> Any:
    """The message that a ``Node`` holds; one that is no ``Node`` is itself."""
    if type(node).DESCRIPTOR.name != "Node":
        return node
    which = node.WhichOneof(_NODE)
    return getattr(node, which) if which else node


def kind(node: Any) -> str:
    """What a node is: ``AlterTableStmt``."""
    return str(type(inner(node)).DESCRIPTOR.name)


def said(node: Any, field: str) -> Any:
    """A field's message; ``None`` where it is not there."""
    return inner(getattr(node, field)) if node.HasField(field) else None


def choice(node: Any, field: str) -> str:
    """The name of an enum's value: ``AT_AddColumn``."""
    number = getattr(node, field)
    return str(type(node).DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[number].name)


def strings(nodes: Iterable[Any]) -> tuple[str, ...]:
    """The texts of ``String`` nodes."""
    return tuple(inner(node).sval for node in nodes if kind(node) == "String")


def name_of(parts: Iterable[Any]) -> Name:
    """The name that a list of ``String`` nodes is."""
    words = strings(parts)
    return Name(words[-1], words[-2] if len(words) > 1 else None) if words else Name("")


def relation(node: Any) -> Name:
    """The name that a ``RangeVar`` is."""
    return Name(node.relname, node.schemaname or None)


def below(node: Any) -> Iterator[Any]:
    """A message and all within it."""
    node = inner(node)
    yield node
    for field, value in node.ListFields():
        if field.message_type is None:
            continue
        for child in [value] if hasattr(value, "DESCRIPTOR") else value:
            yield from below(child)


def relations(node: Any, *, within: str | None = None) -> tuple[Name, ...]:
    """The tables that a query reads, each once; names of its own WITH are not among them."""
    if within is not None:
        if not node.HasField(within):
            return ()
        node = getattr(node, within)
    every = list(below(node))
    own = {each.ctename for each in every if kind(each) == "CommonTableExpr"}
    found = (relation(each) for each in every if kind(each) == "RangeVar")
    return tuple(dict.fromkeys(name for name in found if name.schema or name.name not in own))


def texts(node: Any) -> frozenset[str]:
    """The string constants within a message."""
    return frozenset(
        each.sval.sval for each in below(node) if kind(each) == "A_Const" and each.WhichOneof("val") == "sval"
    )


def constant(node: Any) -> str | None:
    """What a constant says, as text; ``None`` for anything else."""
    node = inner(node)
    if kind(node) != "A_Const":
        return None
    which = node.WhichOneof("val")
    if which is None:
        return None
    return str(getattr(getattr(node, which), which))
