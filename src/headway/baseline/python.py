"""The steps as a revision in Python: operations of Alembic for what these say exactly, else SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.baseline.indexcode import index_code
from headway.baseline.script import UNCHECKED, statements_of, told
from headway.baseline.tablecode import drop_table_code, foreign_key_code, table_code
from headway.baseline.wording import verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.baseline.steps import Step
    from headway.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class PythonCode:
    """What a template puts into a revision file: two bodies, indented by four but for their first lines."""

    upgrades: str
    downgrades: str
    imports: tuple[str, ...]


def python_of(
    steps: Sequence[Step], catalogue: Catalogue, *, vectors: bool, unspoken: Sequence[str] = ()
) -> PythonCode:
    """The revision's code; "" in both directions where there is nothing to make.

    Args:
        steps: in order.
        catalogue: the same database, read in parts that Alembic's operations are made of.
        vectors: whether the file may import pgvector.
        unspoken: what the revision leaves out, in words.
    """
    made = [line for step in steps for line in _made(step, catalogue, vectors=vectors)]
    if UNCHECKED in statements_of(steps)[0]:
        made.insert(0, executed(UNCHECKED))
    dropped = [code for step in reversed(steps) if (code := _dropped(step))]
    code = "\n".join(made)
    imports = []
    if "pgvector.sqlalchemy." in code:
        imports.append("import pgvector.sqlalchemy")
    if "postgresql." in re.sub(r"op\.execute\(.*", "", code):
        imports.append("from sqlalchemy.dialects import postgresql")
    made = [*(f"# {' '.join(line.split())}" for line in told(unspoken)), *made]
    return PythonCode("\n    ".join(made), "\n    ".join(dropped), tuple(imports))


def executed(statement: str) -> str:
    """``op.execute`` of a statement, whose text stays as it is."""
    text = verbatim(statement)
    if "\n" not in text or '"""' in text:
        return f"op.execute({text!r})"
    raw = "r" if "\\" in text else ""
    return f'op.execute(\n        {raw}"""\n{text}\n"""\n    )'


def _made(step: Step, catalogue: Catalogue, *, vectors: bool) -> Iterator[str]:
    code: str | None = None
    after: list[str] = []
    if step.part.kind == "table":
        table = table_code(step, catalogue, vectors=vectors)
        if table is not None:
            code, after = table
    elif step.part.kind == "index":
        code = index_code(step.part, catalogue)
    elif step.part.kind == "foreign key":
        code = foreign_key_code(step.part, catalogue)
    if code is None:
        yield from map(executed, step.make)
    else:
        yield code
        yield from map(executed, after)


def _dropped(step: Step) -> str | None:
    if step.part.kind == "table":
        return drop_table_code(step.part)
    return executed(step.drop) if step.drop else None
