"""One change as the files it needs: what may not run in a transaction has one of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from alembic.operations import ops
from alembic.util import rev_id as new_id

from headway.autogenerate.enumchange import EnumLabelsOp
from headway.autogenerate.operations import RemarkOp, SetNotNullOp
from headway.autogenerate.ordering import key_of
from headway.autogenerate.safety import Due, Part, new_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.operations import MigrateOperation

    from headway.autogenerate.ordering import TableKey

NOT_TRANSACTIONAL = "transactional = False  # each statement commits by itself, so none locks for long"
"""What a file says whose statements may not run in a transaction; it stands behind the imports."""

_LONGEST_ID = 32  # characters: alembic_version.version_num

_SUFFIXES = {Part.BEFORE: "first", Part.MAIN: "", Part.AFTER: "online"}
# As Alembic makes them up: `rev_id` of alembic.util.
_MADE_UP = re.compile(r"[0-9a-f]{12}")


@dataclass(slots=True)
class File:
    """What goes into one revision file, in both directions."""

    part: Part
    up: list[Due] = field(default_factory=list)
    down: list[Due] = field(default_factory=list)

    @property
    def transactional(self) -> bool:
        """Whether its statements run in one transaction."""
        return self.part is Part.MAIN


def files(up: Sequence[Due], down: Sequence[Due]) -> list[File]:
    """One to three files, in the order of an upgrade; nothing is lost when there is nothing to do.

    What an upgrade does in a part of its own, the downgrade of the same part undoes.
    """
    by_part = {part: File(part, [due for due in up if due.part is part]) for part in Part}
    apart = _Apart(by_part)
    for due in down:
        step = apart.placed(due)
        by_part[step.part].down.append(step)
    by_part[Part.AFTER].down += apart.missing()
    return _without_the_empty(by_part)


def _without_the_empty(by_part: dict[Part, File]) -> list[File]:
    before, main, after = by_part[Part.BEFORE], by_part[Part.MAIN], by_part[Part.AFTER]
    if not _does_something([*main.up, *main.down]) and (before.up or after.up):
        # Nothing needs a transaction: all of it is one file, in the order of the parts.
        remarks = main.down
        return [File(Part.AFTER, [*before.up, *after.up], [*after.down, *before.down, *remarks])]
    return [file for file in (before, main, after) if file.up or file.part is Part.MAIN]


def _does_something(steps: Iterable[Due]) -> bool:
    return any(not isinstance(step.operation, RemarkOp) for step in steps)


class _Apart:
    """What the upgrade does outside the main part, so that the downgrade undoes it at the same place."""

    def __init__(self, by_part: dict[Part, File]) -> None:
        before = [due.operation for due in by_part[Part.BEFORE].up]
        after = [due.operation for due in by_part[Part.AFTER].up]
        self._dropped = {_index(operation) for operation in before if isinstance(operation, ops.DropIndexOp)}
        self._created = {_index(operation) for operation in after if isinstance(operation, ops.CreateIndexOp)}
        self._not_null = {
            _column(operation): operation for operation in after if isinstance(operation, SetNotNullOp)
        }
        self._labelled = {_enum(operation) for operation in before if new_labels(operation)}
        self._undone: set[tuple[TableKey, str]] = set()

    def placed(self, due: Due) -> Due:
        """A step of the downgrade with the part it belongs to."""
        match due.operation:
            case ops.CreateIndexOp() as operation if _index(operation) in self._dropped:
                part = Part.BEFORE
            case ops.DropIndexOp() as operation if _index(operation) in self._created:
                part = Part.AFTER
            case ops.AlterColumnOp(modify_nullable=True) as operation if _column(operation) in self._not_null:
                self._undone.add(_column(operation))
                return replace(due, part=Part.AFTER)
            case _:
                known = _enum(due.operation) in self._labelled
                if known and isinstance(due.operation, EnumLabelsOp):
                    # What the main part drops or makes is there again, but for indexes of this same part.
                    due.operation.elsewhere = frozenset(name for _, name in self._dropped)
                return replace(due, part=Part.BEFORE) if known else due
        operation.kw["postgresql_concurrently"] = True
        return replace(due, part=part)

    def missing(self) -> list[Due]:
        """The steps that take back a NOT NULL of a column that is new."""
        return [
            Due(
                ops.AlterColumnOp(
                    operation.table_name, operation.column_name, schema=operation.schema, modify_nullable=True
                ),
                Part.AFTER,
            )
            for column, operation in self._not_null.items()
            if column not in self._undone
        ]


def _index(operation: ops.CreateIndexOp | ops.DropIndexOp) -> tuple[str | None, str]:
    return (operation.schema, str(operation.index_name))


def _enum(operation: object) -> tuple[object, object] | None:
    """The enum type whose labels an operation changes."""
    if getattr(operation, "operation_name", None) not in {"add_enum_value", "change_enum_variants"}:
        return None
    return getattr(operation, "schema", None), getattr(operation, "name", None)


def _column(operation: SetNotNullOp | ops.AlterColumnOp) -> tuple[TableKey, str]:
    return (key_of(operation), operation.column_name)


def scripts(script: ops.MigrationScript, found: Sequence[File]) -> list[ops.MigrationScript]:
    """The files as Alembic's directives, a chain; the last one has the given identifier.

    Where the chain begins, its branch label and what it depends on are those of ``script``.
    """
    ids = [*_ids_before(str(script.rev_id), len(found) - 1), str(script.rev_id)]
    made = [_script(script, file, id_, alone=len(found) == 1) for file, id_ in zip(found, ids, strict=True)]
    for earlier, later in pairwise(made):
        later.head = earlier.rev_id
        later.splice = False
        later.branch_label = None
        later.depends_on = None
    return made


def _script(script: ops.MigrationScript, file: File, id_: str, *, alone: bool) -> ops.MigrationScript:
    suffix = "" if alone or not _SUFFIXES[file.part] else f" ({_SUFFIXES[file.part]})"
    [upgrade], [downgrade] = script.upgrade_ops_list, script.downgrade_ops_list
    return ops.MigrationScript(
        id_,
        ops.UpgradeOps(_annotated(file.up), upgrade_token=upgrade.upgrade_token),
        ops.DowngradeOps(_annotated(file.down), downgrade_token=downgrade.downgrade_token),
        message=f"{script.message}{suffix}" if script.message else script.message,
        imports=set(script.imports) | (set() if file.transactional else {NOT_TRANSACTIONAL}),
        head=script.head,
        splice=script.splice,
        branch_label=script.branch_label,
        version_path=script.version_path,
        depends_on=script.depends_on,
    )


def _annotated(steps: Sequence[Due]) -> list[MigrateOperation]:
    # A function of nothing but comments would be no Python.
    return [step.annotated for step in steps] if _does_something(steps) else []


def _ids_before(last: str, count: int) -> list[str]:
    """Identifiers for the files before the last: like it, if somebody chose it."""
    chosen = [f"{last}_{number}" for number in range(1, count + 1)]
    if _MADE_UP.fullmatch(last) or any(len(id_) > _LONGEST_ID for id_ in chosen):
        return [new_id() for _ in chosen]
    return chosen
