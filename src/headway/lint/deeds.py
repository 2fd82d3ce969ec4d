"""What a statement does, as plain data: the parser's tree reduced to what the rules ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from headway.lint.names import Name

if TYPE_CHECKING:
    from headway.results import LockMode


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of SQL.

    Attributes:
        text: as PostgreSQL's parser writes it back.
        functions: the functions it calls, without their schemas.
        texts: the string constants in it.
        columns: the columns it names.
        not_null: the columns that are not null wherever it is true.
        constant: whether it names no column and calls no function.
    """

    text: str
    functions: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    not_null: frozenset[str] = frozenset()
    constant: bool = True


@dataclass(frozen=True, slots=True)
class Type:
    """A type as it was written; ``name`` is PostgreSQL's own (``int4``, ``varchar``)."""

    name: Name
    modifiers: tuple[int, ...] = ()
    array: bool = False
    text: str = ""


class Kind(StrEnum):
    """Kinds of constraints."""

    CHECK = "CHECK"
    NOT_NULL = "NOT NULL"
    UNIQUE = "UNIQUE"
    PRIMARY = "PRIMARY KEY"
    FOREIGN = "FOREIGN KEY"
    EXCLUDE = "EXCLUDE"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a table or column.

    ``valid`` is false where it says NOT VALID; ``index`` is what USING INDEX names; ``text`` is what stands
    behind its name in SQL, without NOT VALID.
    """

    kind: Kind
    name: str | None = None
    columns: tuple[str, ...] = ()
    valid: bool = True
    index: str | None = None
    refers: Name | None = None
    refers_columns: tuple[str, ...] = ()
    condition: Expression | None = None
    text: str = ""


class Generated(StrEnum):
    """How a column's values come about by themselves."""

    STORED = "stored"
    VIRTUAL = "virtual"
    IDENTITY = "identity"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a new table, or a new column. ``default`` is ``None`` also where it says DEFAULT NULL."""

    name: str
    type: Type
    not_null: bool = False
    default: Expression | None = None
    generated: Generated | None = None
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE TABLE, also AS. ``by`` is the strategy of a partitioned one."""

    name: Name
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    parent: Name | None = None
    by: str | None = None
    default_partition: bool = False
    if_not_exists: bool = False
    temporary: bool = False
    sources: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """CREATE INDEX. ``only`` is ON ONLY; ``plain`` one of columns alone, with nothing said beside."""

    name: Name | None
    table: Name
    columns: tuple[str, ...] = ()
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    only: bool = False
    plain: bool = True


@dataclass(frozen=True, slots=True)
class CreateView:
    """CREATE VIEW or MATERIALIZED VIEW."""

    name: Name
    materialized: bool = False
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class CreateEnum:
    """CREATE TYPE … AS ENUM."""

    name: Name
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateDomain:
    """CREATE DOMAIN over ``base``; ``constrained`` by NOT NULL or CHECK."""

    name: Name
    constrained: bool = False
    base: Type = field(default_factory=lambda: Type(Name("")))


@dataclass(frozen=True, slots=True)
class Create:
    """Anything else that comes into being; ``kind`` in PostgreSQL's words, such as ``sequence``.

    ``steady`` is a function that is STABLE or IMMUTABLE.
    """

    kind: str
    name: Name
    if_not_exists: bool = False
    steady: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """DROP of one object; ``kind`` in PostgreSQL's words, such as ``table`` or ``materialized view``."""

    kind: str
    name: Name
    concurrently: bool = False
    cascade: bool = False
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class AddColumn:
    """ALTER TABLE … ADD COLUMN."""

    table: Name
    column: Column
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropColumn:
    """ALTER TABLE … DROP COLUMN."""

    table: Name
    column: str


@dataclass(frozen=True, slots=True)
class AlterType:
    """ALTER TABLE … ALTER COLUMN … TYPE; ``collates`` where it says COLLATE."""

    table: Name
    column: str
    type: Type
    using: Expression | None = None
    collates: bool = False


@dataclass(frozen=True, slots=True)
class SetNotNull:
    """ALTER TABLE … ALTER COLUMN … SET NOT NULL."""

    table: Name
    column: str


@dataclass(frozen=True, slots=True)
class DropNotNull:
    """ALTER TABLE … ALTER COLUMN … DROP NOT NULL."""

    table: Name
    column: str


@dataclass(frozen=True, slots=True)
class SetDefault:
    """ALTER TABLE … ALTER COLUMN … SET or DROP DEFAULT (``None``)."""

    table: Name
    column: str
    default: Expression | None = None


@dataclass(frozen=True, slots=True)
class AddConstraint:
    """ALTER TABLE … ADD CONSTRAINT."""

    table: Name
    constraint: Constraint


@dataclass(frozen=True, slots=True)
class DropConstraint:
    """ALTER TABLE … DROP CONSTRAINT."""

    table: Name
    constraint: str


@dataclass(frozen=True, slots=True)
class ValidateConstraint:
    """ALTER TABLE … VALIDATE CONSTRAINT."""

    table: Name
    constraint: str


@dataclass(frozen=True, slots=True)
class AttachPartition:
    """ALTER TABLE … ATTACH PARTITION."""

    table: Name
    partition: Name
    default: bool = False


@dataclass(frozen=True, slots=True)
class DetachPartition:
    """ALTER TABLE … DETACH PARTITION; ``concurrently`` also for FINALIZE."""

    table: Name
    partition: Name
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class AlterTable:
    """Another subcommand of ALTER TABLE: ``what`` in SQL's words, the lock it needs, whether it rewrites."""

    table: Name
    what: str
    mode: LockMode
    rewrites: bool = False


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """ALTER TABLE … RENAME COLUMN."""

    table: Name
    column: str
    to: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME TO, or SET SCHEMA, of an object: ``kind`` in PostgreSQL's words."""

    kind: str
    name: Name
    to: Name


@dataclass(frozen=True, slots=True)
class RenameConstraint:
    """ALTER TABLE … RENAME CONSTRAINT."""

    table: Name
    constraint: str
    to: str


@dataclass(frozen=True, slots=True)
class AddLabel:
    """ALTER TYPE … ADD VALUE."""

    type: Name
    label: str


@dataclass(frozen=True, slots=True)
class RenameLabel:
    """ALTER TYPE … RENAME VALUE."""

    type: Name
    label: str
    to: str


@dataclass(frozen=True, slots=True)
class AlterDomain:
    """ALTER DOMAIN; ``checks`` says whether the rows of its columns are read."""

    name: Name
    what: str
    checks: bool = False
    constraint: str | None = None
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class Reindex:
    """REINDEX; ``kind`` is ``index``, ``table``, ``schema``, ``database`` or ``system``."""

    kind: str
    name: Name | None
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class Vacuum:
    """VACUUM; no tables are all of them."""

    tables: tuple[Name, ...] = ()
    full: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """CLUSTER; ``None`` is all tables that were clustered before."""

    table: Name | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """REFRESH MATERIALIZED VIEW."""

    view: Name
    concurrently: bool = False
    with_data: bool = True


@dataclass(frozen=True, slots=True)
class LockTable:
    """LOCK TABLE."""

    tables: tuple[Name, ...]
    mode: LockMode


@dataclass(frozen=True, slots=True)
class Truncate:
    """TRUNCATE."""

    tables: tuple[Name, ...]


class Reach(StrEnum):
    """How many rows a condition leaves, as far as can be told."""

    ALL = "all"
    """There is none, or it says no more than that a column is (not) null."""
    SOME = "some"
    """It cannot be told."""
    NAMED = "named"
    """A column equals a value, or one of a list."""


@dataclass(frozen=True, slots=True)
class ChangeRows:
    """UPDATE, DELETE or MERGE: ``verb``. ``columns`` are those that UPDATE sets; ``where`` as text."""

    verb: str
    table: Name
    reach: Reach
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True)
class Insert:
    """INSERT; ``sources`` are the tables that its query reads; there are none for VALUES."""

    table: Name
    sources: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class SetParameter:
    """SET, or RESET and SET … TO DEFAULT (``None``), of a parameter."""

    name: str
    value: str | None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, by its node in PostgreSQL's tree; ``inert`` where it changes no object and no row."""

    node: str
    inert: bool = False


Deed: TypeAlias = (
    CreateTable
    | CreateIndex
    | CreateView
    | CreateEnum
    | CreateDomain
    | Create
    | Drop
    | AddColumn
    | DropColumn
    | AlterType
    | SetNotNull
    | DropNotNull
    | SetDefault
    | AddConstraint
    | DropConstraint
    | ValidateConstraint
    | AttachPartition
    | DetachPartition
    | AlterTable
    | RenameColumn
    | Rename
    | RenameConstraint
    | AddLabel
    | RenameLabel
    | AlterDomain
    | Reindex
    | Vacuum
    | Cluster
    | Refresh
    | LockTable
    | Truncate
    | ChangeRows
    | Insert
    | SetParameter
    | Other
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the parser made of one text.

    Attributes:
        statements: the deeds of each statement in it; none when it does not parse.
        texts: the string constants of each statement.
        problem: why it does not parse; ``None`` as a rule.
    """

    statements: tuple[tuple[Deed, ...], ...] = ()
    texts: tuple[frozenset[str], ...] = field(default=())
    problem: str | None = None
