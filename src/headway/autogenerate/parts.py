"""What a table has besides columns: indexes, UNIQUE, CHECK, EXCLUDE and the primary key.

All are compared as PostgreSQL spells them: by name, and where the model gives none, by what they say. What is
emitted, into the table's ModifyTableOps, is what Alembic emits: DropIndexOp, CreateIndexOp, DropConstraintOp
and the operations of AddConstraintOp; a change is a drop and a creation. What goes comes first.

A new constraint without a name in the models gets one in its operation, as PostgreSQL would choose it: a
downgrade must name what it drops.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from headway.autogenerate.comparison import comparison_of
from headway.autogenerate.definitions import definition_of, unspelled
from headway.autogenerate.names import chosen_name, name_of
from headway.autogenerate.rereading import same_when_read_again
from headway.autogenerate.restored import Restorer
from headway.catalogue import Index as FoundIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Table
    from sqlalchemy.schema import Constraint

    from headway import catalogue
    from headway.autogenerate.comparison import Comparison, Pair

_logger = logging.getLogger(__name__)

Found: TypeAlias = "catalogue.Index | catalogue.Constraint"
Part: TypeAlias = "Constraint | Index"

KINDS: dict[str, tuple[str, type[Any]]] = {
    "i": ("index", Index),
    "u": ("unique_constraint", UniqueConstraint),
    "c": ("check_constraint", CheckConstraint),
    "x": ("exclude_constraint", ExcludeConstraint),
}
"""By ``pg_constraint.contype``, and ``i``: what the user's filters call it, and SQLAlchemy's class."""


def compare_parts(
    context: AutogenContext,
    modify: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    inspected: Table | None,
    modelled: Table | None,
) -> PriorityDispatchResult:
    """Compare the parts of a table that both sides have; of one that goes, keep what is upon it."""
    comparison = comparison_of(context)
    if comparison is None or inspected is None:
        return PriorityDispatchResult.CONTINUE
    if modelled is None:
        return _keep(context, comparison, modify, inspected)
    pair = comparison.pairs.get((schema, name))
    if pair is None:
        return PriorityDispatchResult.CONTINUE
    side = Sides(context, comparison, pair, inspected, modelled)
    changes = [side.primary_key(), *(side.changes(kind) for kind in KINDS)]
    gone = [operation for change in changes for operation in change.dropped]
    # With a column that is dropped and added goes what is upon it.
    modify.ops[:] = [*gone, *modify.ops] if side.replaced else [*modify.ops, *gone]
    for change in changes:
        modify.ops.extend(change.created)
    return PriorityDispatchResult.STOP


def compare_nothing_again(
    context: AutogenContext,
    _: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    inspected: Table | None,
    modelled: Table | None,
) -> PriorityDispatchResult:
    """Keep Alembic's optional comparison of checks from finding again what :func:`compare_parts` found."""
    comparison = comparison_of(context)
    both = inspected is not None and modelled is not None
    known = comparison is not None and both and (schema, name) in comparison.pairs
    return PriorityDispatchResult.STOP if known else PriorityDispatchResult.CONTINUE


def _keep(
    context: AutogenContext, comparison: Comparison, modify: ops.ModifyTableOps, inspected: Table
) -> PriorityDispatchResult:
    """A table goes: its indexes by operations of their own, as Alembic has it; constraints with it, whole."""
    schema = inspected.schema or context.dialect.default_schema_name or ""
    found = comparison.actual.tables.get((schema, inspected.name))
    if found is None:
        return PriorityDispatchResult.CONTINUE
    _keep_kind(inspected, found)
    restorer = _restorer(context, comparison, inspected)
    place: Any = {"table_name": inspected.name, "schema_name": inspected.schema}
    for index in found.indexes:
        if not index.constraint and context.run_name_filters(index.name, "index", dict(place)):
            made = restorer.index(index)
            if context.run_object_filters(made, made.name, "index", True, None):  # noqa: FBT003  # Alembic's
                modify.ops.append(ops.DropIndexOp.from_index(made))
    for constraint in found.constraints:
        if constraint.kind == "x":
            restorer.exclude(constraint, _index_of(found, constraint))
        elif constraint.kind == "u":
            # SQLAlchemy does not reflect that it is deferrable.
            inspected.constraints -= {item for item in inspected.constraints if item.name == constraint.name}
            restorer.unique(constraint, _index_of(found, constraint))
    return PriorityDispatchResult.STOP


def _keep_kind(inspected: Table, found: catalogue.Table) -> None:
    """What SQLAlchemy does not reflect of a table itself, so that a downgrade makes it as it was."""
    if found.unlogged:
        inspected._prefixes = ["UNLOGGED"]  # noqa: SLF001  # Alembic reads it there; the public way is the constructor
    if found.partition_by:
        inspected.dialect_kwargs["postgresql_partition_by"] = found.partition_by


def _restorer(context: AutogenContext, comparison: Comparison, inspected: Table) -> Restorer:
    return Restorer(inspected, context.dialect.identifier_preparer.quote, comparison.path)


def _names_upon(table: catalogue.Table) -> set[str]:
    """The names of a table's constraints and indexes."""
    return {found.name for found in table.constraints} | {index.name for index in table.indexes}


def _names_beside(comparison: Comparison, table: catalogue.Table) -> set[str]:
    """The names that a constraint of ``table`` cannot have for what else is in its schema."""
    names = {
        name: _names_upon(other)
        for (schema, name), other in comparison.actual.tables.items()
        if schema == table.schema and name != table.name
    }
    names |= {
        name: outline.names for (schema, name), outline in comparison.alike.items() if schema == table.schema
    }
    return set(names).union(*names.values())


def _index_of(table: catalogue.Table, constraint: catalogue.Constraint) -> catalogue.Index:
    return next(index for index in table.indexes if index.name == constraint.index)


@dataclass(slots=True)
class Changes:
    """Operations, by what they do."""

    dropped: list[ops.MigrateOperation] = field(default_factory=list)
    created: list[ops.MigrateOperation] = field(default_factory=list)


class Sides:
    """The parts of one table on both sides.

    Args:
        context: Alembic's.
        comparison: of the whole.
        pair: the table, as PostgreSQL spells both sides.
        inspected: the database's, as Alembic has it.
        modelled: the model's.
    """

    def __init__(
        self, context: AutogenContext, comparison: Comparison, pair: Pair, inspected: Table, modelled: Table
    ) -> None:
        self._context = context
        self._pair = pair
        self._inspected, self._modelled = inspected, modelled
        self._restorer = _restorer(context, comparison, inspected)
        self.replaced = comparison.replaced.get((inspected.schema, inspected.name), set())
        inside = [constraint for column in modelled.columns for constraint in column.constraints]
        self._parts: list[Part] = [*modelled.indexes, *modelled.constraints, *inside]
        self._comparison = comparison
        self._going: set[str] = set()
        self._chosen: set[str] = set()

    def primary_key(self) -> Changes:
        """A change of the primary key: columns, their order, INCLUDE, DEFERRABLE; not its name."""
        found = next((found for found in self._pair.actual.constraints if found.kind == "p"), None)
        model = self._modelled.primary_key
        spelled = self._pair.spelled.constraints.get(model)
        columns = tuple(column.name for column in model.columns)
        had = found.columns if found else ()
        if found.definition == spelled.definition if found and spelled else had == columns:
            return Changes()
        if found:
            self._going.add(found.name)
        _logger.info(
            "The primary key of %s is (%s), and (%s) in the models", self._modelled.fullname, had, columns
        )
        old = self._inspected.primary_key
        return self._changes(
            old if found else None,
            model if columns else None,
            found.name if found else None,
            "primary_key_constraint",
        )

    def changes(self, kind: str) -> Changes:
        """What differs among the parts of a kind, a key of :data:`KINDS`."""
        type_, class_ = KINDS[kind]
        place: Any = {"table_name": self._inspected.name, "schema_name": self._inspected.schema}
        found = {
            part.name: part
            for part in self._found(kind)
            if self._context.run_name_filters(part.name, type_, dict(place))  # type: ignore[arg-type]  # it takes any
        }
        wanted = [part for part in self._parts if isinstance(part, class_) and self._is_made(part)]
        matches = dict(self._matched(wanted, found))
        changes = Changes()
        gone = sorted(found.keys() - {name for name in matches.values() if name})
        differing = [
            (part, match)
            for part, match in sorted(matches.items(), key=lambda pair: pair[1] or "")
            if match is None or self._differs(part, found[match])
        ]
        self._going.update(gone, (match for _, match in differing if match))
        for name in gone:
            self._add_to(changes, self._changes(self._restored(found[name]), None, name, type_))
        for part, match in differing:
            restored = self._restored(found[match]) if match else None
            self._add_to(changes, self._changes(restored, part, match, type_))
        return changes

    def _taken(self) -> set[str]:
        """The names that no new constraint can have."""
        named = {name for part in self._parts if (name := name_of(part, self._context.dialect))}
        others = _names_beside(self._comparison, self._pair.actual)
        return others | (_names_upon(self._pair.actual) - self._going) | named | self._chosen

    def _add_to(self, changes: Changes, more: Changes) -> None:
        changes.dropped += more.dropped
        changes.created += more.created

    def _found(self, kind: str) -> Iterable[Found]:
        table = self._pair.actual
        if kind == "i":
            return [index for index in table.indexes if not index.constraint]
        return [constraint for constraint in table.constraints if constraint.kind == kind]

    def _is_made(self, part: Part) -> bool:
        """Whether the model's DDL makes it; unknown is yes."""
        return part in self._pair.spelled.made

    def _matched(
        self, wanted: Iterable[Part], found: Mapping[str, Found]
    ) -> Iterator[tuple[Part, str | None]]:
        """Each part of the models with the name under which the database has it; ``None`` when it has not."""
        nameless = []
        taken = set()
        for part in wanted:
            name = name_of(part, self._context.dialect)
            if name is None:
                nameless.append(part)
            else:
                taken.add(name)
                yield part, name if name in found else None
        for part in nameless:
            same = [name for name in sorted(found.keys() - taken) if not self._differs(part, found[name])]
            taken.update(same[:1])
            yield part, same[0] if same else None

    def _made(self, part: Part) -> Found | None:
        """The model's part as PostgreSQL made it; ``None`` when it did not."""
        spelled = self._pair.spelled
        return spelled.indexes.get(part) or spelled.constraints.get(part)

    def _same_again(self, found: Found, made: Found) -> bool:
        """Whether nothing but the spelling of expressions tells the two apart."""
        connection = self._context.connection
        return (
            connection is not None
            and unspelled(found) == unspelled(made)
            and same_when_read_again(connection, self._pair.spelled.table, found, made)
        )

    def _differs(self, part: Part, found: Found) -> bool:
        made = self._made(part)
        if made is None:
            return self._differs_by_alembic(part, found)
        definition = definition_of(made, self._pair.spelled.table)
        actual = definition_of(found, self._pair.actual)
        if actual == definition or self._same_again(found, made):
            return bool(self.replaced & actual.columns)
        _logger.info(
            "%s of %s: %s, and %s in the models", found.name, self._modelled.fullname, actual, definition
        )
        return True

    def _differs_by_alembic(self, part: Part, found: Found) -> bool:
        """Where PostgreSQL did not make the model's: what Alembic says, and a warning of the rest."""
        impl = self._context.migration_context.impl
        if isinstance(part, UniqueConstraint):
            return impl.compare_unique_constraint(part, self._restored(found)).is_different
        if isinstance(part, Index) and impl.compare_indexes(part, self._restored(found)).is_different:
            return True
        if not isinstance(part, Index) or (isinstance(found, FoundIndex) and found.where):
            _logger.warning(
                "PostgreSQL does not take %s of %s as the models have it, before they are applied: whether "
                "its condition has changed is unknown. Run `headway check` after the upgrade.",
                found.name,
                self._modelled.fullname,
            )
        return False

    def _restored(self, found: Found) -> Any:
        if isinstance(found, FoundIndex):
            return self._restorer.index(found)
        if found.kind == "c":
            return self._restorer.check(found)
        index = _index_of(self._pair.actual, found)
        return (
            self._restorer.unique(found, index) if found.kind == "u" else self._restorer.exclude(found, index)
        )

    def _changes(self, old: Any, new: Any, name: str | None, type_: str) -> Changes:
        """Operations from the database's object to the model's, unless the user's filter leaves it out."""
        changes = Changes()
        subject, compare_to = (new, old) if new is not None else (old, None)
        shown = name or name_of(subject, self._context.dialect)
        reflected = new is None
        if not self._context.run_object_filters(subject, shown, type_, reflected, compare_to):  # type: ignore[arg-type]  # as above
            return changes
        if old is not None:
            changes.dropped.append(_drop(old, name))
        if new is not None:
            changes.created.append(self._create(new))
        return changes

    def _depends(self, part: Part) -> frozenset[str]:
        made = self._made(part)
        return definition_of(made, self._pair.spelled.table).columns if made else frozenset()

    def _create(self, part: Any) -> ops.MigrateOperation:
        if isinstance(part, Index):
            return ops.CreateIndexOp.from_index(part)
        operation: Any = (
            # One written with its column has no table, which Alembic's way needs.
            ops.CreateCheckConstraintOp(
                part.name, self._modelled.name, part.sqltext, schema=self._modelled.schema
            )
            if isinstance(part, CheckConstraint)
            else ops.AddConstraintOp.from_constraint(part)
        )
        if operation.constraint_name is None:
            name = chosen_name(part, self._modelled, self._depends(part), self._taken())
            self._chosen.add(name)
            operation.constraint_name = name
        return operation  # type: ignore[no-any-return]  # one of many classes


def _drop(item: Any, name: str | None) -> ops.MigrateOperation:
    if isinstance(item, Index):
        return ops.DropIndexOp.from_index(item)
    if isinstance(item, PrimaryKeyConstraint) and item.name is None:
        item.name = name
    return ops.DropConstraintOp.from_constraint(item)
