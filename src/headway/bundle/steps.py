"""One step in a script: guarded, limited, put on record, and skipped where it is done already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.bundle.opening import SETTLE, entry_of
from headway.bundle.psql import comment, identifier, literal, one_line, spoken, statement
from headway.bundle.refusing import refuse, unless
from headway.bundle.single import of_many
from headway.bundle.usable import usable
from headway.results import Direction

if TYPE_CHECKING:
    from headway.alembic_bridge import ScriptedStatement
    from headway.bundle.content import BundleStep, Setting

_RULE = 95
_AUTOCOMMIT = "autocommit_block"
_BASE = "base"


def step_of(step: BundleStep, at: int, total: int, setting: Setting) -> str:
    """A step's part of a script.

    Args:
        step: the step.
        at: how many steps of the script come before it.
        total: how many there are.
        setting: where and how it runs.
    """
    title = f"{at + 1}/{total}  {step.direction.value} {step.title}"
    done = f"{at + 1}/{total}  {step.revision}: done already"
    return (
        f"\n-- {one_line(title)} ".ljust(_RULE + 1, "-")
        + "\n"
        + _about(step)
        + f"SELECT :headway_at <= {at} AS wanted \\gset headway_\n"
        "\\if :headway_wanted\n"
        f"\\echo {spoken(title)}\n" + _work(step, setting) + f"\\else\n\\echo {spoken(done)}\n\\endif\n"
    )


def _about(step: BundleStep) -> str:
    told = [f"File: {step.path.as_posix()}"]
    if step.asked_offline:
        told.append(
            "This revision asks whether it is offline, so headway may do more than what is written here."
        )
    return comment("\n".join(told))


def _work(step: BundleStep, setting: Setting) -> str:
    if step.by_hand:
        return _by_hand(step)
    if step.transactional:
        return _in_transaction(step, setting)
    return of_many(step, _limits(step, local=False), _version(step, setting), _limits(step, local=True))


def _by_hand(step: BundleStep) -> str:
    what = f"{step.direction.value} of {step.title} is a manual step: {step.unseen}"
    goal = step.revision if step.direction is Direction.UPGRADE else (",".join(step.after) or _BASE)
    if step.reads:
        hint = f"Run `headway {step.direction.value} {goal}`, then this script again: it goes on behind it."
    else:
        hint = "Do it by other means (a new revision, or a backup), and see `headway status`."
    source = f"What it does:\n\n{step.source}"
    return f"{comment(source)}{refuse(literal(one_line(what)), hint)}"


def _in_transaction(step: BundleStep, setting: Setting) -> str:
    lines = [entry_of(step), _begin(step)]
    alone = divided = False
    for each in step.statements:
        if each.alone and not alone:
            lines.append(_leave(step, first=not divided))
            alone = divided = True
        elif alone and not each.alone:
            lines.append(_return(step))
            alone = False
        lines.append(_sent(step, each))
    if alone:
        lines.append(_return(step))
    lines.append(_version(step, setting))
    return "".join(lines)


def _sent(step: BundleStep, each: ScriptedStatement) -> str:
    return f"{statement(each.sql)}\n{usable(each.sql, step.revision)}\n"


def _begin(step: BundleStep) -> str:
    return (
        f"BEGIN;\n{_limits(step, local=True)}"
        "SELECT pg_catalog.pg_current_xact_id()::text AS xact \\gset headway_\n\n"
    )


def _leave(step: BundleStep, *, first: bool) -> str:
    """An ``autocommit_block`` begins: what came before is committed, and that is put on record."""
    journal = (
        f"EXECUTE headway_journal(:headway_entry_id, 0, {literal(_AUTOCOMMIT)}, NULL, false, NULL, NULL);\n"
    )
    told = "-- An autocommit_block: each statement by itself."
    return f"{journal if first else ''}COMMIT;\n{told}\n{_limits(step, local=False)}\n"


def _return(step: BundleStep) -> str:
    return f"{SETTLE}-- Behind the autocommit_block.\n{_begin(step)}"


def _limits(step: BundleStep, *, local: bool) -> str:
    """The step's timeouts, for its transaction or for the session."""
    scope = "LOCAL " if local else ""
    timeouts = step.timeouts
    return (
        f"SET {scope}lock_timeout = {step.lock_timeout_ms};\n"
        f"SET {scope}statement_timeout = {timeouts.statement_timeout_ms};\n"
        f"SET {scope}idle_in_transaction_session_timeout = "
        f"{timeouts.idle_in_transaction_session_timeout_ms};\n"
    )


def _version(step: BundleStep, setting: Setting) -> str:
    """Write the version by compare-and-set and close the entry; inside the transaction, which it commits."""
    return (
        "EXECUTE headway_settled(:'headway_xact') \\gset headway_\n"
        + unless(
            "headway_sound",
            literal(f"{step.revision} has ended its transaction, or let go of the migrator lock"),
            "Take COMMIT, ROLLBACK, DISCARD ALL and pg_advisory_unlock_all() out of the revision; "
            "see `headway status` for what is left of it.",
        )
        + _compare_and_set(step, setting)
        + "EXECUTE headway_close(:headway_entry_id, 'succeeded', NULL);\n"
        + _require_one("the ledger entry was closed by another run; this step is rolled back")
        + "COMMIT;\n"
    )


def _compare_and_set(step: BundleStep, setting: Setting) -> str:
    gone, come = sorted({*step.before} - {*step.after}), sorted({*step.after} - {*step.before})
    table = f':"headway_version_schema".{identifier(setting.table.name)}'
    moved = f"{setting.table.name} no longer holds what it should; this step is rolled back"
    if len(gone) == len(come) == 1:
        return (
            f"UPDATE {table} SET version_num = {literal(come[0])} "
            f"WHERE version_num = {literal(gone[0])};\n{_require_one(moved)}"
        )
    lines = [
        f"DELETE FROM {table} WHERE version_num = {literal(row)};\n{_require_one(moved)}" for row in gone
    ]
    lines += [f"INSERT INTO {table} (version_num) VALUES ({literal(row)});\n" for row in come]
    return "".join(lines)


def _require_one(message: str) -> str:
    return "SELECT :ROW_COUNT = 1 AS one \\gset headway_\n" + unless(
        "headway_one", literal(message), "See `headway status`, then run the script again."
    )
