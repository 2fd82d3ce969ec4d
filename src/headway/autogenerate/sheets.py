"""Have PostgreSQL spell what many models write, each thing once.

A thousand tables have a few dozen kinds of columns between them. Each kind becomes one column of a temporary
table, a sheet; what names other columns (a computed column, a check, an index over an expression) stands in a
sheet that has those columns, of their types, and shares it with whatever agrees about them. PostgreSQL's
answer is what it would say of the table itself, for nothing that it prints there depends on the table: in
outline to see what differs, and in full for what does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from headway.autogenerate.blueprint import Unit
from headway.autogenerate.scratch import build, run_script
from headway.catalogue import SCRATCH, Column, Constraint, Index
from headway.catalogue.outlines import read_outlines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection

    from headway import catalogue
    from headway.catalogue.outlines import ColumnOutline, Outline, Part

Spelling: TypeAlias = Column | Constraint | Index
"""What PostgreSQL makes of something, in full."""

PART, SHEET = "headway_part", "headway_sheet"
"""What stands for the name of a part, and of its table, in a question."""

_COLUMNS = 1000
"""Of one sheet; a table has 1,600 at most (manual, appendix K)."""


class Kind(Enum):
    """What a question is about."""

    COLUMN = "columns"
    KEY = "keys"
    UNIQUE = "uniques"
    CHECK = "checks"
    EXCLUDE = "excludes"
    INDEX = "indexes"

    @property
    def spelling(self) -> type[Spelling]:
        """What an answer is, in full."""
        return {Kind.COLUMN: Column, Kind.INDEX: Index}.get(self, Constraint)

    def of(self, outline: Outline) -> Mapping[str, Any]:
        """What a table has of the kind, by name."""
        return getattr(outline, self.value)  # type: ignore[no-any-return]  # of its attributes, those that are so


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
    has_key: bool = False

    def takes(self, question: Question) -> bool:
        if len(self.columns) + len(self.parts) + len(question.needs) >= _COLUMNS:
            return False
        if question.kind is Kind.KEY and self.has_key:
            return False
        return all(self.columns.get(name, type_) == type_ for name, type_ in question.needs)

    def add(self, question: Question, name: str) -> None:
        self.columns.update(question.needs)
        self.parts[name] = question
        self.has_key |= question.kind is Kind.KEY

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

    def in_outline(self, made: Outline) -> Iterator[tuple[Question, ColumnOutline | Part]]:
        for name, question in self.parts.items():
            if found := question.kind.of(made).get(name):
                yield question, found

    def in_full(self, made: catalogue.Table) -> Iterator[tuple[Question, Spelling]]:
        every: tuple[Spelling, ...] = (*made.columns, *made.constraints, *made.indexes)
        named = {(type(item), item.name): item for item in every}
        for name, question in self.parts.items():
            if found := named.get((question.kind.spelling, name)):
                yield question, found


class Sheets:
    """The temporary tables on which questions stand, each once; the caller rolls back.

    Args:
        connection: in a transaction.
        questions: what to ask.
    """

    def __init__(self, connection: Connection, questions: Iterable[Question]) -> None:
        self._connection = connection
        self._sheets: list[_Sheet] = []
        for number, question in enumerate(dict.fromkeys(questions)):
            sheet = next((sheet for sheet in self._sheets if sheet.takes(question)), None)
            if sheet is None:
                sheet = _Sheet(f"{SHEET}_{len(self._sheets)}")
                self._sheets.append(sheet)
            sheet.add(question, f"{PART}_{number}")

    def made(self) -> dict[Question, ColumnOutline | Part]:
        """Make them, and read PostgreSQL's answers in outline; what it does not take has none.

        The search path is the one that models are written for, and empty afterwards.
        """
        quote = self._connection.dialect.identifier_preparer.quote
        build(self._connection, [sheet.unit(quote) for sheet in self._sheets], of=None)
        empty_search_path(self._connection)
        made = {name: outline for (_, name), outline in read_outlines(self._connection, [SCRATCH]).items()}
        return {
            question: answer
            for sheet in self._sheets
            if sheet.name in made
            for question, answer in sheet.in_outline(made[sheet.name])
        }

    def in_full(self, tables: Iterable[catalogue.Table]) -> dict[Question, Spelling]:
        """The same answers in full; ``tables`` are this session's temporary ones."""
        made = {table.name: table for table in tables}
        return {
            question: answer
            for sheet in self._sheets
            if sheet.name in made
            for question, answer in sheet.in_full(made[sheet.name])
        }


def empty_search_path(connection: Connection) -> None:
    """Have everything printed with its schema, until the transaction or the savepoint is rolled back."""
    run_script(connection, "SELECT pg_catalog.set_config('search_path', '', true)")
