"""A model's table in outline: what the catalogue should say of it, as far as SQLAlchemy knows, and questions.

What an outline has and this cannot say exactly is :class:`UnclearError`: such a table is compared in full.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, Sequence, UniqueConstraint
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.functions import next_value

from headway import catalogue
from headway.autogenerate.blueprint import Draughtsman
from headway.autogenerate.blueprint import Part as ModelPart
from headway.autogenerate.names import name_of
from headway.autogenerate.scratch import Spelled
from headway.autogenerate.sheets import PART, SHEET, Kind, Question
from headway.catalogue import SCRATCH
from headway.catalogue.outlines import IndexOutline, Key, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect, ForeignKeyConstraint, Table

    from headway.autogenerate.sheets import Spelling
    from headway.catalogue.outlines import ColumnOutline, Outline, Part

_KINDS: dict[type[ModelPart], Kind] = {
    PrimaryKeyConstraint: Kind.KEY,
    UniqueConstraint: Kind.UNIQUE,
    CheckConstraint: Kind.CHECK,
    ExcludeConstraint: Kind.EXCLUDE,
    Index: Kind.INDEX,
}
_ACTIONS = {
    "NO ACTION": "a",
    "RESTRICT": "r",
    "CASCADE": "c",
    "SET NULL": "n",
    "SET DEFAULT": "d",
}
_MATCHES = {"SIMPLE": "s", "FULL": "f"}
_WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')
_KEY_OPTIONS = frozenset({"postgresql_include", "postgresql_nulls_not_distinct"})
_INDEX_OPTIONS = _KEY_OPTIONS | {
    "postgresql_concurrently",
    "postgresql_ops",
    "postgresql_using",
    "postgresql_with",
}
"""Those that are compared here; an index with another is asked about."""


class UnclearError(Exception):
    """A model has something that only the full comparison knows."""


class DraftPart(NamedTuple):
    """An index of the models, or a constraint that is no foreign key.

    Attributes:
        part: the model's.
        name: ``None`` where none is compared: when the model gives none, and of a primary key.
        made: what it is, when the database has the very same; else what PostgreSQL must be asked.
    """

    part: ModelPart
    name: str | None
    made: Part | Question

    def outline(self, answers: Mapping[Question, ColumnOutline | Part]) -> ColumnOutline | Part | None:
        """What it is; ``None`` when PostgreSQL does not take it."""
        return answers.get(self.made) if isinstance(self.made, Question) else self.made


@dataclass(slots=True)
class Draft:
    """One table of the models."""

    columns: dict[str, Question] = field(default_factory=dict)
    nullable: set[str] = field(default_factory=set)
    comments: dict[str, str] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    parts: dict[Kind, list[DraftPart]] = field(default_factory=lambda: {kind: [] for kind in _KINDS.values()})

    def questions(self) -> Iterator[Question]:
        """What PostgreSQL must be asked to compare it."""
        yield from self.columns.values()
        for parts in self.parts.values():
            yield from (part.made for part in parts if isinstance(part.made, Question))

    def matches(self, found: Outline, answers: Mapping[Question, ColumnOutline | Part]) -> bool:
        """Whether the database's table is certainly the same; false is no answer."""
        return (
            self.nullable == found.nullable
            and self.comments == found.comments
            and sorted(self.references) == sorted(found.references)
            and {name: answers.get(question) for name, question in self.columns.items()} == found.columns
            and all(_same(parts, kind.of(found), answers) for kind, parts in self.parts.items())
        )

    def spelled(
        self, found: Outline, actual: catalogue.Table, answers: Mapping[Question, Spelling]
    ) -> Spelled | None:
        """The table as :func:`~headway.autogenerate.scratch.spell` has it; ``None`` when that must be asked.

        Args:
            found: the database's, in outline.
            actual: the database's, in full: what is the same there is spelt the same.
            answers: those to the questions, in full.
        """
        if not all(question in answers for question in self.questions()):
            return None
        columns: list[Any] = [replace(answers[asked], name=name) for name, asked in self.columns.items()]
        # Generated columns last, as there: they name others.
        columns.sort(key=lambda column: bool(column.generated))
        every: tuple[Spelling, ...] = (*actual.constraints, *actual.indexes)
        there = {(type(item), item.name): item for item in every}
        made: dict[ModelPart, Any] = {}
        for kind, parts in self.parts.items():
            for part in parts:
                if isinstance(part.made, Question):
                    made[part.part] = answers[part.made]
                else:
                    name = part.name or next(n for n, other in kind.of(found).items() if other == part.made)
                    made[part.part] = there[kind.spelling, name]
        return Spelled(
            catalogue.Table(SCRATCH, actual.name, None, None, None, columns=tuple(columns)),
            frozenset(made),
            {part: item for part, item in made.items() if isinstance(item, catalogue.Constraint)},
            {part: item for part, item in made.items() if isinstance(item, catalogue.Index)},
        )


def _same(
    wanted: list[DraftPart], found: Mapping[str, Part], answers: Mapping[Question, ColumnOutline | Part]
) -> bool:
    """Whether each has its own: by name, and where there is none, by what it says."""
    rest = dict(found)
    made = [(part.name, part.outline(answers)) for part in wanted]
    for name, part in made:
        if name is not None and (part is None or rest.pop(name, None) != part):
            return False
    for name, part in made:
        if name is None:
            match = next((name for name in sorted(rest) if rest[name] == part), None)
            if match is None:
                return False
            del rest[match]
    return not rest


class Drafting:
    """Drafts tables for one database.

    Args:
        dialect: the connection's.
        default: the schema of what names none.
        shown: the schemas in which operator classes are found without their schema.
    """

    def __init__(self, dialect: Dialect, default: str, shown: frozenset[str]) -> None:
        self._dialect, self._default, self._shown = dialect, default, shown
        self._draughtsman = Draughtsman(dialect)
        self._asked: dict[Question, Question] = {}

    def draft(self, table: Table, found: Outline) -> Draft:
        """The draft of a table; ``found`` is the database's, whose operator classes tell names' schemas.

        Raises:
            UnclearError: it has something that is not known here.
        """
        draft = Draft(comments={"": table.comment} if table.comment else {})
        try:
            for column in table.columns:
                if not column.system:
                    self._add_column(draft, column)
            draft.references = [self._reference(key) for key in table.foreign_key_constraints]
            for part in self._draughtsman.parts(table):
                self._add_part(draft, table, part, found)
        except SQLAlchemyError as error:
            raise UnclearError(str(error)) from error
        return draft

    def _add_column(self, draft: Draft, column: Column[Any]) -> None:
        text = self._draughtsman.kind(column)
        default = getattr(column.server_default, "arg", None)
        if text is None or isinstance(column.default, Sequence) or isinstance(default, next_value):
            _unclear(f"{column} has a sequence, or a type that has no SQL")
        needs = self._needs(column.table, text, but=column.name) if column.computed is not None else ()
        question = Question(Kind.COLUMN, text, frozenset(needs))
        draft.columns[column.name] = self._asked.setdefault(question, question)
        if column.nullable:
            draft.nullable.add(column.name)
        if column.comment:
            draft.comments[column.name] = column.comment

    def _needs(self, table: Table, text: str, *, but: str | None = None) -> Iterator[tuple[str, str]]:
        """The columns whose names are in ``text``; what only looks like one is no harm."""
        words = {(quoted or bare.lower()).replace('""', '"') for quoted, bare in _WORD.findall(text)}
        for column in table.columns:
            if column.name in words and column.name != but and not column.system:
                yield column.name, self._draughtsman.type_of(column)

    def _reference(self, key: ForeignKeyConstraint) -> Reference:
        target = key.referred_table
        both = (key.onupdate, key.ondelete)
        actions = [_ACTIONS.get((action or "NO ACTION").upper(), "") for action in both]
        match = _MATCHES.get((key.match or "SIMPLE").upper(), "")
        deferred = (key.initially or "").upper() == "DEFERRED"
        return Reference(
            tuple(element.parent.name for element in key.elements),
            (target.schema or self._default, target.name),
            tuple(element.column.name for element in key.elements),
            "".join([*actions, match]),
            deferrable=deferred or bool(key.deferrable),
            deferred=deferred,
        )

    def _add_part(self, draft: Draft, table: Table, part: ModelPart, found: Outline) -> None:
        name = None if isinstance(part, PrimaryKeyConstraint) else name_of(part, self._dialect)
        kind = next((kind for class_, kind in _KINDS.items() if isinstance(part, class_)), None)
        if kind is None:
            _unclear(f"{part!r} is of no kind that is known")
        known: Part | None = None
        if isinstance(part, Index):
            known = _plain_index(part, found.indexes.get(name or ""), self._shown)
        elif isinstance(part, PrimaryKeyConstraint | UniqueConstraint):
            known = _key(part)
        there = kind.of(found)
        same = known is not None and known in ([there.get(name)] if name is not None else there.values())
        made = known if known and same else self._question(kind, table, part)
        draft.parts[kind].append(DraftPart(part, name, made))

    def _question(self, kind: Kind, table: Table, part: ModelPart) -> Question:
        text = self._draughtsman.written(part, table, PART, SHEET).removeprefix(f"CONSTRAINT {PART} ")
        return Question(kind, text, frozenset(self._needs(table, text)))


def _key(constraint: PrimaryKeyConstraint | UniqueConstraint) -> Key:
    options = dict(constraint.dialect_kwargs)
    if not options.keys() <= _KEY_OPTIONS:
        _unclear(f"{constraint.name} has the options {sorted(options)}")
    deferred = (constraint.initially or "").upper() == "DEFERRED"
    return Key(
        tuple(column.name for column in constraint.columns),
        frozenset(map(str, options.get("postgresql_include") or ())),
        nulls_not_distinct=bool(options.get("postgresql_nulls_not_distinct")),
        deferrable=deferred or bool(constraint.deferrable),
        deferred=deferred,
    )


def _plain_index(index: Index, found: Part | None, shown: frozenset[str]) -> IndexOutline | None:
    """An index over columns; ``None`` when PostgreSQL must be asked about it."""
    options = {name: value for name, value in index.dialect_kwargs.items() if _is_given(value)}
    columns = list(index.expressions)
    if not options.keys() <= _INDEX_OPTIONS or not all(type(column) is Column for column in columns):
        return None
    classes = dict(options.get("postgresql_ops", {}))
    wanted = [classes.pop(column.key, None) for column in columns]  # type: ignore[union-attr]  # columns, as seen
    had = found.classes if isinstance(found, IndexOutline) else ()
    if classes or len(had) != len(columns):
        return None
    for name, class_ in zip(wanted, had, strict=True):
        # Not every class that is named is one that needs to be: the type's default has none.
        if (class_[1] if class_ else None) != name or (class_ and class_[0] not in shown):
            return None
    return IndexOutline(
        bool(index.unique),
        str(options.get("postgresql_using", "btree")).lower(),
        tuple(column.name for column in columns),  # type: ignore[union-attr]  # as above
        had,
        (0,) * len(columns),
        (None,) * len(columns),
        frozenset(str(getattr(item, "name", item)) for item in options.get("postgresql_include", ())),
        frozenset(f"{name}={value}" for name, value in options.get("postgresql_with", {}).items()),
        (None, None),
        bool(options.get("postgresql_nulls_not_distinct")),
        more=None,
    )


def _is_given(option: Any) -> bool:
    if isinstance(option, Mapping | list | tuple):
        return bool(option)
    return option is not None and option is not False


def _unclear(why: str) -> NoReturn:
    raise UnclearError(why)
