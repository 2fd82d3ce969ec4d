"""The schema reference, written from the models: ``python -m taskman.schema_reference [--write FILE]``.

MIGRATIONS.md holds it between two markers, and a test compares the two, so it cannot go stale.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import CheckConstraint, Column, DefaultClause, ForeignKeyConstraint, Index, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from taskman.models import Base

BEGIN = "<!-- schema:begin -->"
END = "<!-- schema:end -->"

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
_TIMESTAMPS = {"created_at", "updated_at"}


class MarkersError(ValueError):
    """The document does not hold the two markers, once each and in order."""

    def __init__(self) -> None:
        super().__init__(f"the file must hold {BEGIN} and, further down, {END}, once each")


def render() -> str:
    """The reference as Markdown: a third-level section for each table, in order of dependence."""
    purposes = {mapper.local_table: mapper.class_.__doc__ or "" for mapper in Base.registry.mappers}
    sections = ["\n".join(_section(table, purposes[table])) for table in Base.metadata.sorted_tables]
    return "\n\n".join(sections) + "\n"


def insert(document: str) -> str:
    """The document with what stands between its markers replaced by the reference.

    Raises:
        MarkersError: there is no such place, or more than one.
    """
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        raise MarkersError
    before, _, rest = document.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise MarkersError
    return f"{before}{BEGIN}\n\n{render()}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the reference, or write it into a file; 0 when done, 2 when the file has no place for it."""
    parser = argparse.ArgumentParser(prog="python -m taskman.schema_reference", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the part between the markers")
    target: Path | None = parser.parse_args(arguments).write
    if target is None:
        sys.stdout.write(render())
        return 0
    try:
        target.write_text(insert(target.read_text(encoding="utf-8")), encoding="utf-8")
    except (MarkersError, OSError) as error:
        sys.stderr.write(f"{target}: {error}\n")
        return 2
    return 0


def _section(table: Table, purpose: str) -> Iterator[str]:
    own = [column for column in table.columns if column.name not in _TIMESTAMPS]
    json = sum(isinstance(column.type, JSONB) for column in own)
    yield f"### `{table.name}`"
    yield ""
    yield purpose
    yield ""
    yield (
        f"{len(own)} columns besides `created_at` and `updated_at`, {json} of them JSONB; "
        f"{len(table.indexes)} {'index' if len(table.indexes) == 1 else 'indexes'} and the primary key."
    )
    yield ""
    yield "| column | type | null | default | meaning |"
    yield "|---|---|---|---|---|"
    yield from map(_column, table.columns)
    yield from _listed("Indexes", map(_index, sorted(table.indexes, key=lambda index: str(index.name))))
    yield from _listed("Foreign keys", sorted(map(_foreign_key, table.foreign_key_constraints)))
    checks = [item for item in table.constraints if isinstance(item, CheckConstraint)]
    yield from _listed("Checks", sorted(f"`{check.name}`: `{check.sqltext}`" for check in checks))


def _listed(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    items = [f"- {line}" for line in lines]
    if items:
        yield from ("", f"{title}:", "", *items)


def _column(column: Column[object]) -> str:
    kind = column.type.compile(dialect=_DIALECT).lower().replace("timestamp with time zone", "timestamptz")
    default = _default(column)
    cells = (
        f"`{column.name}`",
        f"`{kind}`",
        "yes" if column.nullable else "no",
        f"`{default}`" if default else "",
        column.doc or "",
    )
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _default(column: Column[object]) -> str:
    if not isinstance(column.server_default, DefaultClause):
        return ""
    value = column.server_default.arg
    return f"'{value}'" if isinstance(value, str) else str(value.compile(dialect=_DIALECT))


def _index(index: Index) -> str:
    options = index.dialect_options["postgresql"]
    method = options["using"] or "btree"
    operators = options["ops"] or {}
    columns = ", ".join(f"{column.name} {operators.get(column.name, '')}".strip() for column in index.columns)
    return f"`{index.name}`: `{method} ({columns})`"


def _foreign_key(key: ForeignKeyConstraint) -> str:
    source = ", ".join(key.column_keys)
    target = ", ".join(element.target_fullname for element in key.elements)
    return f"`{source}` → `{target}`, ON DELETE {key.ondelete or 'NO ACTION'} (`{key.name}`)"


if __name__ == "__main__":
    sys.exit(main())
