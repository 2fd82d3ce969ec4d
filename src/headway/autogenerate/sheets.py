"""Have PostgreSQL spell what many models write, each thing once.

A thousand tables have a few dozen kinds of columns between them. Each kind becomes one column of a temporary
table, a sheet; what names other columns (a computed column, a check, an index over an expression) stands in a
sheet that has those columns, of their types, and shares it with whatever agrees about them. PostgreSQL's
answer is what it would say of the table itself, for nothing that it prints there depends on the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from headway.autogenerate.blueprint import Unit
from headway.autogenerate.scratch import build, run_script
from headway.catalogue import SCRATCH
from headway.catalogue.outlines import read_outlines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection

    from headway.catalogue.outlines import ColumnOutline, Outline, Part

PART, SHEET = "headway_part", "headway_sheet"
"""What stands for the name of a part, and of its table, in a question."""

_COLUMNS = 1000
"""Of one sheet; a table has 1,600 at most (manual, appendix K)."""


class Kind(Enum):
    """What a question is about."""

    COLUMN = "column"
    CHECK = "checks"
    EXCLUDE = "excludes"
    INDEX = "indexes"


class Question(NamedTuple):
    """What a model writes.

    Attributes:
        text: of a column what follows its name, of a constraint what follows its name, of an index the
            statement, with :data:`PART` and :data:`SHEET` for the names.
        needs: the columns that it names, with the SQL of their types.
    """

    kind: Kind
    text: str
    needs: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True)
class _Sheet:
    name: str
    columns: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Question] = field(default_factory=dict)

    def takes(self, question: Question) -> bool:
        if len(self.columns) + len(self.parts) + len(question.needs) >= _COLUMNS:
            return False
        return all(self.columns.get(name, type_) == type_ for name, type_ in question.needs)

    def unit(self, quote: Callable[[str], str]) -> Unit:
        columns = [f"{quote(name)} {type_}" for name, type_ in self.columns.items()]
        inside = [self._inside(name, question) for name, question in self.parts.items()]
        indexes = [
            question.text.replace(PART, name, 1).replace(SHEET, self.name, 1)
            for name, question in self.parts.items()
            if question.kind is Kind.INDEX
        ]
        make = f"CREATE TEMPORARY TABLE {self.name}"
        whole = f"{make} ({', '.join([*columns, *filter(None, inside)])})"
        pieces = [
            f"{make} ({', '.join(columns)})",
            *(f"ALTER TABLE {self.name} ADD {text}" for text in inside if text),
            *indexes,
        ]
        return Unit(self.name, (whole, *indexes), tuple(Unit(self.name, (piece,)) for piece in pieces))

    def _inside(self, name: str, question: Question) -> str:
        if question.kind is Kind.INDEX:
            return ""
        return f"{'' if question.kind is Kind.COLUMN else 'CONSTRAINT '}{name} {question.text}"

    def answers(self, made: Outline) -> Iterator[tuple[Question, ColumnOutline | Part]]:
        for name, question in self.parts.items():
            of_kind = made.columns if question.kind is Kind.COLUMN else getattr(made, question.kind.value)
            if name in of_kind:
                yield question, of_kind[name]


def asked(connection: Connection, questions: Iterable[Question]) -> dict[Question, ColumnOutline | Part]:
    """PostgreSQL's answers; what it does not take has none.

    The temporary tables are there afterwards: the caller rolls back. The ``search_path`` is empty then.

    Args:
        connection: in a transaction, with the search path that models are written for.
        questions: each is asked once.
    """
    sheets: list[_Sheet] = []
    for number, question in enumerate(dict.fromkeys(questions)):
        sheet = next((sheet for sheet in sheets if sheet.takes(question)), None)
        if sheet is None:
            sheet = _Sheet(f"{SHEET}_{len(sheets)}")
            sheets.append(sheet)
        sheet.columns.update(question.needs)
        sheet.parts[f"{PART}_{number}"] = question
    quote = connection.dialect.identifier_preparer.quote
    build(connection, [sheet.unit(quote) for sheet in sheets], of=None)
    empty_search_path(connection)
    made: Mapping[str, Outline] = {
        name: outline for (_, name), outline in read_outlines(connection, [SCRATCH]).items()
    }
    return {
        question: answer
        for sheet in sheets
        if sheet.name in made
        for question, answer in sheet.answers(made[sheet.name])
    }


def empty_search_path(connection: Connection) -> None:
    """Have everything printed with its schema, until the transaction or the savepoint is rolled back."""
    run_script(connection, "SELECT pg_catalog.set_config('search_path', '', true)")
