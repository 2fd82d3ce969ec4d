"""Recipes, written as the revision is: in Python with Alembic's operations, or in SQL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.lint.names import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.lint.names import Name


_OWN = "# a revision of its own:"
_OWN_IN_SQL = "-- in a revision of its own with transactional=no in its header:"


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes code for one revision; ``python`` or else SQL."""

    python: bool

    def remark(self, text: str) -> str:
        """A comment."""
        return f"{'#' if self.python else '--'} {text}"

    def run(self, *statements: str) -> str:
        """Statements in the revision's own transaction."""
        if self.python:
            return "\n".join(f"op.execute({text(each)})" for each in statements)
        return "\n".join(f"{each};" for each in statements)

    def online(self, *statements: str, calls: Sequence[str] = ()) -> str:
        """Statements outside any transaction; ``calls`` say the same in Alembic's operations."""
        if not self.python:
            return (
                f"-- in a revision of its own with transactional=no in its header:\n{self.run(*statements)}"
            )
        lines = calls or [f"op.execute({text(each)})" for each in statements]
        inside = "\n".join(f"    {line}" for line in lines)
        return f"# in a revision of its own:\nwith op.get_context().autocommit_block():\n{inside}"

    def stepwise(self, *statements: str, calls: Sequence[str] = (), imports: str = "") -> str:
        """A revision whose statements commit one by one; ``calls`` say the same in Python."""
        if not self.python:
            return (
                f"-- in a revision of its own with transactional=no in its header:\n{self.run(*statements)}"
            )
        lines = calls or [f"op.execute({text(each)})" for each in statements]
        inside = "\n".join(f"    {line}" for line in lines)
        needed = f"{imports}\n\n" if imports else ""
        wish = "transactional = False  # each statement commits by itself"
        return f"{_OWN}\n{needed}{wish}\n\n\ndef upgrade() -> None:\n{inside}"

    def validated(self, table: Name, constraint: str) -> str:
        """The second revision of a constraint that was added as NOT VALID."""
        if not self.python:
            return f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT {quoted(constraint)};"
        return (
            "# import headway.op\n"
            f"headway.op.validate_constraint({text(constraint)}, {text(table.name)}{schema_of(table)})"
        )

    def second(self, first: str, then: str) -> str:
        """Two revisions, one after the other."""
        then = then.removeprefix(f"{_OWN}\n")
        return f"{first}\n\n{self.remark('in a second revision:')}\n{then}"


def text(value: str) -> str:
    """A text as Python takes it."""
    return json.dumps(value, ensure_ascii=False)


def listed(values: Sequence[str]) -> str:
    """A list of texts as Python takes it."""
    return f"[{', '.join(map(text, values))}]"


def schema_of(name: Name, keyword: str = "schema") -> str:
    """The keyword argument that says a schema; "" where none was said."""
    return f", {keyword}={text(name.schema)}" if name.schema else ""
