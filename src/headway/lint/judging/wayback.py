"""The way back: whether there is one, whether it undoes what was done, and what no downgrade brings back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import deeds
from headway.lint.alarms import Alarm
from headway.lint.judging.balance import Balance, balance_of
from headway.lint.sources import Body, python_source
from headway.results import Direction, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.lint.acts import Act
    from headway.lint.deeds import Deed
    from headway.lint.pen import Pen
    from headway.lint.subject import Subject


def way_back(
    subject: Subject, acts: Sequence[Act], undone: Sequence[Act] | None, pen: Pen
) -> Iterator[Alarm]:
    """What is amiss with the downgrade of an upgrade.

    Args:
        subject: the revision.
        acts: of its upgrade.
        undone: of its downgrade; ``None`` when it has none.
        pen: for recipes.
    """
    if subject.step.direction is not Direction.UPGRADE or not acts:
        return
    body, line = _body(subject)
    balance = balance_of(acts)
    if body is Body.FULL:
        if undone is not None:
            yield from _untrue(subject, balance, undone, line)
            yield from _irreversible(acts, undone)
    elif balance.due:
        yield _missing(subject, balance, body, line, pen)
    elif body is not Body.RAISES:
        yield from _irreversible(acts, ())


def _body(subject: Subject) -> tuple[Body, int | None]:
    """What the downgrade is, and the line where it begins."""
    if subject.step.path.suffix == ".sql":
        if subject.undo is None:
            return Body.ABSENT, None
        empty = not subject.undo.statements and subject.undo.unseen is None
        return (Body.EMPTY if empty else Body.FULL), 1
    source = python_source(subject.source)
    if source is None:
        return Body.FULL, None
    function = source.function("downgrade")
    body = source.body("downgrade")
    if body is Body.FULL and subject.undo is not None and subject.undo.unseen is None:
        body = Body.FULL if subject.undo.statements else Body.EMPTY
    return body, function.lineno if function else None


def _missing(subject: Subject, balance: Balance, body: Body, line: int | None, pen: Pen) -> Alarm:
    what = balance.told()
    in_sql = subject.step.path.suffix == ".sql"
    if body is Body.EMPTY:
        hazard = f"the downgrade does nothing, and says that this is undone: {what}"
    elif body is Body.RAISES:
        hazard = f"there is no way back from this, as the downgrade says: {what}"
    else:
        file = ".down.sql" if in_sql else "function downgrade()"
        hazard = f"there is no way back from this, for the revision has no {file}: {what}"
    raising = 'raise NotImplementedError("…why it cannot be undone…")'
    return Alarm(
        rule="downgrade-missing",
        hazard=hazard,
        severity=None if body is Body.EMPTY else Severity.WARNING,
        line=line,
        undo=in_sql and subject.undo is not None,
        recipe=pen.remark("undo it, or leave the .down.sql out: headway then refuses to go back")
        if in_sql
        else f"def downgrade() -> None:\n    {raising}  # or what undoes it",
    )


def _untrue(subject: Subject, balance: Balance, undone: Sequence[Act], line: int | None) -> Iterator[Alarm]:
    faults = list(_faults(subject, balance, undone))
    if faults:
        yield Alarm(
            rule="downgrade-untrue",
            hazard=f"after upgrade and downgrade the database is not what it was: {'; '.join(faults)}",
            line=line,
            undo=subject.undo_source is not None,
        )


def _faults(subject: Subject, balance: Balance, undone: Sequence[Act]) -> Iterator[str]:
    if subject.left is not None:
        yield from subject.left
        return
    back = balance_of(undone)
    whole = subject.undo is not None and subject.undo.unseen is None and subject.step.unseen is None
    if not (whole and back.certain and balance.certain):
        return
    yield from balance.not_undone_by(back)
    yield from back.takes_more_than(balance)


def _irreversible(acts: Sequence[Act], undone: Sequence[Act]) -> Iterator[Alarm]:
    """Changed rows that the downgrade does not even try to put back."""
    back = [deed for act in undone for deed in act.deeds]
    added = {
        (deed.table.name, deed.column.name)
        for act in acts
        for deed in act.deeds
        if isinstance(deed, deeds.AddColumn)
    }
    for act in acts:
        for deed in act.deeds:
            what = _lost(act, deed, back, added)
            if what:
                yield Alarm(
                    rule="data-change-irreversible",
                    act=act,
                    hazard=f"{what}, and the downgrade does not bring back what was there before",
                )


def _lost(act: Act, deed: Deed, back: Sequence[Deed], added: set[tuple[str, str]]) -> str:
    match deed:
        case deeds.ChangeRows(table=table, verb=verb, columns=columns) if act.existed(table):
            if columns and all((table.name, column) in added for column in columns):
                return ""
            return "" if _touched(table.name, back) else f"{verb} changes rows of {table}"
        case deeds.Insert(table=table) if act.existed(table):
            return "" if _touched(table.name, back) else f"INSERT leaves rows in {table}"
        case deeds.Truncate(tables=tables) if any(act.existed(table) for table in tables):
            gone = all(_touched(table.name, back) for table in tables)
            return "" if gone else f"TRUNCATE empties {', '.join(map(str, tables))}"
        case _:
            return ""


def _touched(table: str, back: Sequence[Deed]) -> bool:
    """Whether a downgrade changes rows of a table, or drops it."""
    for deed in back:
        match deed:
            case (
                deeds.ChangeRows(table=name) | deeds.Insert(table=name) | deeds.Drop(kind="table", name=name)
            ):
                if name.name == table:
                    return True
            case deeds.Truncate(tables=names):
                if any(name.name == table for name in names):
                    return True
    return False
