"""What the statements so far have made, as far as their text tells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from headway.lint import deeds
from headway.lint.deeds import Constraint, Deed, Expression, Generated, Kind, Type
from headway.lint.names import PUBLIC, Name
from headway.lint.parsing import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from headway.results import StepReview

_T = TypeVar("_T")

# How PostgreSQL calls a constraint that is given no name (ChooseConstraintName in pg_constraint.c).
_ENDINGS = {
    Kind.CHECK: "check",
    Kind.FOREIGN: "fkey",
    Kind.UNIQUE: "key",
    Kind.EXCLUDE: "excl",
    Kind.NOT_NULL: "not_null",
}


@dataclass(frozen=True, slots=True)
class KnownColumn:
    """A column that was seen being made."""

    type: Type
    not_null: bool = False
    default: Expression | None = None
    generated: Generated | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of which something is known.

    Attributes:
        name: as the statement had it that was first to name it.
        whole: whether it was seen being made, so that what is not here does not exist.
        columns: by name.
        constraints: by name, PostgreSQL's own where they were given none.
        indexes: by name; those of constraints are not among them.
        by: the strategy of a partitioned table; else ``None``.
        parent: the table that this is a partition of.
        default_partition: whether it takes the rows that no other partition takes.
    """

    name: Name
    whole: bool = False
    columns: Mapping[str, KnownColumn] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    indexes: Mapping[str, deeds.CreateIndex] = field(default_factory=dict)
    by: str | None = None
    parent: Name | None = None
    default_partition: bool = False

    @property
    def foreign_keys(self) -> Iterator[Constraint]:
        """Its foreign keys."""
        return (each for each in self.constraints.values() if each.kind is Kind.FOREIGN)

    def proves_not_null(self, column: str, *, without: Iterable[str] = ()) -> bool:
        """Whether a valid constraint says that a column holds no NULL.

        Args:
            column: the column.
            without: constraints that do not count.
        """
        gone = frozenset(without)
        return any(
            each.valid and column in (each.columns if each.kind is Kind.NOT_NULL else _proved(each))
            for name, each in self.constraints.items()
            if name not in gone and each.kind in {Kind.NOT_NULL, Kind.CHECK}
        )


def _proved(constraint: Constraint) -> frozenset[str]:
    return constraint.condition.not_null if constraint.condition else frozenset()


@dataclass(frozen=True, slots=True)
class Schema:
    """What statements have made; what came about otherwise is not in it.

    Attributes:
        named: tables by their names without a schema, for there may be thousands.
        enums: labels by the name of their type.
        domains: by name.
        steady: functions that are STABLE or IMMUTABLE.
        utc: whether the transaction has said that its time zone is UTC.
    """

    named: Mapping[str, tuple[Table, ...]] = field(default_factory=dict)
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    domains: Mapping[str, deeds.CreateDomain] = field(default_factory=dict)
    steady: frozenset[str] = frozenset()
    utc: bool = False

    def after(self, step: StepReview) -> Schema:
        """The same once a step has run; steps are handed over in their order, from the first revision on.

        Raises:
            ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
        """
        return replace(self, utc=False).having(
            deed for review in step.statements for each in read(review.sql).statements for deed in each
        )

    def having(self, done: Iterable[Deed]) -> Schema:
        """The same once these deeds are done."""
        draft = _Draft(self)
        for deed in done:
            draft.take(deed)
        return Schema(draft.named, draft.enums, draft.domains, frozenset(draft.steady), draft.utc)

    def resolved(self, type_: Type) -> Type:
        """What values of a type are stored as: of a domain, its own type; else itself."""
        domain = self.domains.get(type_.name.name)
        return type_ if domain is None else self.resolved(domain.base)

    def _tables(self) -> Iterator[Table]:
        return (table for those in self.named.values() for table in those)

    def table(self, name: Name) -> Table | None:
        """What is known of a table; ``None`` when nothing is."""
        return next((table for table in self.named.get(name.name, ()) if table.name.means(name)), None)

    def column(self, table: Name, column: str) -> KnownColumn | None:
        """What is known of a column; ``None`` when nothing is."""
        known = self.table(table)
        return known.columns.get(column) if known else None

    def constraint(self, table: Name, name: str) -> Constraint | None:
        """What is known of a constraint; ``None`` when nothing is."""
        known = self.table(table)
        return known.constraints.get(name) if known else None

    def owner(self, index: Name) -> Table | None:
        """The table of an index; ``None`` when it is not known."""
        found = (table for table in self._tables() if index.name in table.indexes)
        return next((table for table in found if index.schema in {None, table.name.schema}), None)

    def is_part(self, name: Name, of: Name) -> bool:
        """Whether a table is a partition of another one, at any depth."""
        known = self.table(name)
        parent = known.parent if known else None
        return parent is not None and (parent.means(of) or self.is_part(parent, of))

    def partitions(self, parent: Name) -> tuple[Table, ...]:
        """The partitions of a table that were seen."""
        return tuple(table for table in self._tables() if table.parent and table.parent.means(parent))

    def referring(self, name: Name) -> tuple[Table, ...]:
        """The tables with foreign keys to a table."""
        return tuple(
            table
            for table in self._tables()
            if any(each.refers and each.refers.means(name) for each in table.foreign_keys)
        )

    def using(self, domain: Name) -> tuple[Table, ...]:
        """The tables with a column of a domain."""
        return tuple(
            table
            for table in self._tables()
            if any(each.type.name.means(domain) for each in table.columns.values())
        )


class _Draft:
    """A schema while deeds are done to it."""

    def __init__(self, schema: Schema) -> None:
        self.named = dict(schema.named)
        self.enums = dict(schema.enums)
        self.domains = dict(schema.domains)
        self.steady = set(schema.steady)
        self.utc = schema.utc

    def take(self, deed: Deed) -> None:
        done = _DONE.get(type(deed))
        if done is not None:
            done(self, deed)

    def _tables(self) -> list[Table]:
        return [table for those in self.named.values() for table in those]

    def _known(self, name: Name) -> Table:
        return next((it for it in self.named.get(name.name, ()) if it.name.means(name)), Table(name))

    def put(self, table: Table) -> None:
        """A table in its new state, in the place of the old."""
        self.drop(table.name)
        self.named[table.name.name] = (*self.named.get(table.name.name, ()), table)

    def drop(self, name: Name) -> None:
        kept = tuple(it for it in self.named.get(name.name, ()) if not it.name.means(name))
        self.named[name.name] = kept

    def drop_whole(self, name: Name) -> None:
        """A table goes with its partitions."""
        self.drop(name)
        for part in [it.name for it in self._tables() if it.parent and it.parent.means(name)]:
            self.drop_whole(part)

    def create_table(self, deed: deeds.CreateTable) -> None:
        if deed.if_not_exists and self._known(deed.name).whole:
            return
        if self._known(deed.name).whole:
            self.drop_whole(deed.name)  # it could not be made if it were still there
        parent = self._known(deed.parent) if deed.parent else None
        table = Table(
            deed.name,
            whole=True,
            columns=dict(parent.columns) if parent else {},
            by=deed.by,
            parent=deed.parent,
            default_partition=deed.default_partition,
        )
        for column in deed.columns:
            table = _with_column(table, column)
        for constraint in deed.constraints:
            table = _with_constraint(table, constraint)
        self.put(table)

    def add_column(self, deed: deeds.AddColumn) -> None:
        table = self._known(deed.table)
        if not (deed.if_not_exists and deed.column.name in table.columns):
            self.put(_with_column(table, deed.column))

    def drop_column(self, deed: deeds.DropColumn) -> None:
        table = self._known(deed.table)
        gone = deed.column
        self.put(
            replace(
                table,
                columns=_without(table.columns, gone),
                constraints={
                    name: each
                    for name, each in table.constraints.items()
                    if gone not in each.columns and not (each.condition and gone in each.condition.columns)
                },
                indexes={name: each for name, each in table.indexes.items() if gone not in each.columns},
            )
        )

    def change_column(
        self, deed: deeds.AlterType | deeds.SetNotNull | deeds.DropNotNull | deeds.SetDefault
    ) -> None:
        table = self._known(deed.table)
        column = table.columns.get(deed.column, KnownColumn(Type(Name(""))))
        match deed:
            case deeds.AlterType(type=new):
                column = replace(column, type=new)
            case deeds.SetDefault(default=default):
                column = replace(column, default=default)
            case _:
                column = replace(column, not_null=isinstance(deed, deeds.SetNotNull))
        self.put(replace(table, columns={**table.columns, deed.column: column}))

    def add_constraint(self, deed: deeds.AddConstraint) -> None:
        self.put(_with_constraint(self._known(deed.table), deed.constraint))

    def drop_constraint(self, deed: deeds.DropConstraint) -> None:
        table = self._known(deed.table)
        self.put(replace(table, constraints=_without(table.constraints, deed.constraint)))

    def validate(self, deed: deeds.ValidateConstraint) -> None:
        table = self._known(deed.table)
        constraint = table.constraints.get(deed.constraint)
        if constraint is not None:
            valid = replace(constraint, valid=True)
            self.put(replace(table, constraints={**table.constraints, deed.constraint: valid}))

    def create_index(self, deed: deeds.CreateIndex) -> None:
        if deed.name is not None:
            table = self._known(deed.table)
            self.put(replace(table, indexes={**table.indexes, deed.name.name: deed}))

    def drop_object(self, deed: deeds.Drop) -> None:
        if deed.kind in {"table", "foreign table"}:
            self.drop_whole(deed.name)
        elif deed.kind == "schema":
            gone = {deed.name.name} | ({None} if deed.name.name == PUBLIC else set())
            for table in self._tables():
                if table.name.schema in gone:
                    self.drop(table.name)
        elif deed.kind == "index":
            for table in self._tables():
                if deed.name.name in table.indexes:
                    self.put(replace(table, indexes=_without(table.indexes, deed.name.name)))
        elif deed.kind in {"type", "domain"}:
            self.enums.pop(deed.name.name, None)
            self.domains.pop(deed.name.name, None)

    def rename(self, deed: deeds.Rename) -> None:
        if deed.kind == "table":
            table = self._known(deed.name)
            self.drop(deed.name)
            self.put(replace(table, name=deed.to))
        elif deed.kind == "index":
            for table in self._tables():
                if deed.name.name in table.indexes:
                    self.put(_index_renamed(table, deed))
        elif deed.kind in {"type", "domain"}:
            if deed.name.name in self.enums:
                self.enums[deed.to.name] = self.enums.pop(deed.name.name)
            if deed.name.name in self.domains:
                self.domains[deed.to.name] = self.domains.pop(deed.name.name)

    def rename_column(self, deed: deeds.RenameColumn) -> None:
        table = self._known(deed.table)
        if deed.column in table.columns:
            kept = _without(table.columns, deed.column)
            self.put(replace(table, columns={**kept, deed.to: table.columns[deed.column]}))

    def rename_constraint(self, deed: deeds.RenameConstraint) -> None:
        table = self._known(deed.table)
        if deed.constraint in table.constraints:
            kept = _without(table.constraints, deed.constraint)
            self.put(replace(table, constraints={**kept, deed.to: table.constraints[deed.constraint]}))

    def attach(self, deed: deeds.AttachPartition) -> None:
        table = self._known(deed.partition)
        self.put(replace(table, parent=deed.table, default_partition=deed.default))

    def detach(self, deed: deeds.DetachPartition) -> None:
        self.put(replace(self._known(deed.partition), parent=None, default_partition=False))

    def create_enum(self, deed: deeds.CreateEnum) -> None:
        self.enums[deed.name.name] = deed.labels

    def add_label(self, deed: deeds.AddLabel) -> None:
        self.enums[deed.type.name] = (*self.enums.get(deed.type.name, ()), deed.label)

    def create_domain(self, deed: deeds.CreateDomain) -> None:
        self.domains[deed.name.name] = deed

    def alter_domain(self, deed: deeds.AlterDomain) -> None:
        if deed.what in {"ADD CONSTRAINT", "SET NOT NULL"}:
            known = self.domains.get(deed.name.name, deeds.CreateDomain(deed.name))
            self.domains[deed.name.name] = replace(known, constrained=True)

    def create(self, deed: deeds.Create) -> None:
        if deed.steady:
            self.steady.add(deed.name.name)

    def set_parameter(self, deed: deeds.SetParameter) -> None:
        if deed.name.lower() == "timezone":
            self.utc = (deed.value or "").upper() in {"UTC", "GMT", "ETC/UTC"}


def _without(known: Mapping[str, _T], name: str) -> dict[str, _T]:
    return {key: value for key, value in known.items() if key != name}


def _index_renamed(table: Table, deed: deeds.Rename) -> Table:
    kept = _without(table.indexes, deed.name.name)
    return replace(table, indexes={**kept, deed.to.name: table.indexes[deed.name.name]})


def _with_column(table: Table, column: deeds.Column) -> Table:
    by_itself = column.generated in {Generated.IDENTITY, Generated.SERIAL}
    known = KnownColumn(column.type, column.not_null or by_itself, column.default, column.generated)
    table = replace(table, columns={**table.columns, column.name: known})
    for constraint in column.constraints:
        table = _with_constraint(table, constraint)
    return table


def _with_constraint(table: Table, constraint: Constraint) -> Table:
    name = constraint.name or default_name(table.name, constraint)
    if constraint.index and constraint.index in table.indexes:
        constraint = replace(constraint, columns=table.indexes[constraint.index].columns)
    columns = dict(table.columns)
    if constraint.kind in {Kind.PRIMARY, Kind.NOT_NULL} and constraint.valid:
        for column in constraint.columns:
            columns[column] = replace(columns.get(column, KnownColumn(Type(Name("")))), not_null=True)
    return replace(table, columns=columns, constraints={**table.constraints, name: constraint})


def default_name(table: Name, constraint: Constraint) -> str:
    """What PostgreSQL calls a constraint that is given no name; a number may follow."""
    if constraint.kind is Kind.PRIMARY:
        return f"{table.name}_pkey"
    columns = constraint.columns
    if constraint.kind is Kind.CHECK and constraint.condition and len(constraint.condition.columns) == 1:
        columns = tuple(constraint.condition.columns)
    return "_".join([table.name, *columns, _ENDINGS[constraint.kind]])


_DONE: dict[type, Callable[..., None]] = {
    deeds.CreateTable: _Draft.create_table,
    deeds.AddColumn: _Draft.add_column,
    deeds.DropColumn: _Draft.drop_column,
    deeds.AlterType: _Draft.change_column,
    deeds.SetNotNull: _Draft.change_column,
    deeds.DropNotNull: _Draft.change_column,
    deeds.SetDefault: _Draft.change_column,
    deeds.AddConstraint: _Draft.add_constraint,
    deeds.DropConstraint: _Draft.drop_constraint,
    deeds.ValidateConstraint: _Draft.validate,
    deeds.CreateIndex: _Draft.create_index,
    deeds.Drop: _Draft.drop_object,
    deeds.Rename: _Draft.rename,
    deeds.RenameColumn: _Draft.rename_column,
    deeds.RenameConstraint: _Draft.rename_constraint,
    deeds.AttachPartition: _Draft.attach,
    deeds.DetachPartition: _Draft.detach,
    deeds.CreateEnum: _Draft.create_enum,
    deeds.AddLabel: _Draft.add_label,
    deeds.CreateDomain: _Draft.create_domain,
    deeds.AlterDomain: _Draft.alter_domain,
    deeds.Create: _Draft.create,
    deeds.SetParameter: _Draft.set_parameter,
}
