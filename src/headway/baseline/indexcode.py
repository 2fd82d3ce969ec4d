"""Indexes as Alembic's operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.baseline.wording import verbatim

if TYPE_CHECKING:
    from headway.catalogue import Catalogue, Index, IndexElement, Part


def index_code(part: Part, catalogue: Catalogue) -> str | None:
    """``op.create_index``; ``None`` where SQL says it better."""
    table = catalogue.tables.get((part.schema or "", part.table or ""))
    index = next((each for each in table.indexes if each.name == part.name), None) if table else None
    if index is None or index.nulls_not_distinct or not all(map(_plain, index.elements)):
        return None
    elements = ", ".join(map(_element, index.elements))
    words = [f"op.f({index.name!r})", repr(part.table), f"[{elements}]", f"unique={index.unique}"]
    words += [f"schema={part.schema!r}"] if part.schema != "public" else []
    words += _options(index)
    return f"op.create_index({', '.join(words)})"


def _plain(element: IndexElement) -> bool:
    """Whether the operation can say it exactly; an operator class goes by the name of a column."""
    in_order = not element.descending and not element.nulls_first
    classes = element.opclass is None or (
        element.column is not None and element.opclass[0] in {"pg_catalog", "public"}
    )
    return in_order and classes and element.collation is None and not element.options


def _element(element: IndexElement) -> str:
    return repr(element.column) if element.column else f"sa.text({verbatim(element.text)!r})"


def _options(index: Index) -> list[str]:
    words = []
    if index.method != "btree":
        words.append(f"postgresql_using={index.method!r}")
    classes = {each.column: each.opclass[1] for each in index.elements if each.opclass}
    if classes:
        words.append(f"postgresql_ops={classes!r}")
    if index.include:
        words.append(f"postgresql_include={[*index.include]!r}")
    if index.options:
        words.append(f"postgresql_with={dict(option.split('=', 1) for option in index.options)!r}")
    if index.where:
        words.append(f"postgresql_where=sa.text({verbatim(index.where)!r})")
    return words
