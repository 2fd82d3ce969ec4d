"""A step that is not transactional, in a script: by statements, journalled, resumed where it stopped.

As in a run, a statement that may run in a transaction is committed together with its line in the journal, and
one that may not is journalled before and after. So the script, run again after a failure, leaves out what is
done, and a run of headway can go on where the script stopped.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from headway.bundle.opening import SETTLE, entry_of
from headway.bundle.psql import literal, spoken, statement
from headway.bundle.refusing import when
from headway.bundle.usable import look, usable
from headway.journal import digest
from headway.kinds import Kind, is_concurrent, kind_of
from headway.remains import dropped_index
from headway.sqltext import presentable, skeleton

if TYPE_CHECKING:
    from headway.bundle.content import BundleStep

_NEXT = "SELECT :headway_line + 1 AS line \\gset headway_\n"
# As asyncpg tells them: of these alone.
_COUNTED = ("INSERT", "UPDATE", "DELETE", "WITH")
_READS = ("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "(")


def of_many(step: BundleStep, limits: str, version: str, limits_of_version: str) -> str:
    """The step's lines.

    Args:
        step: the step.
        limits: its timeouts, set for the session.
        version: what writes its version, and commits.
        limits_of_version: its timeouts, set for that transaction.
    """
    lines = [entry_of(step, journal=":'headway_journal'"), limits, "\\set headway_line 0\n"]
    lines += [_statement(step, each.sql) for each in step.statements]
    lines.append(
        "\n-- All are done: the version.\n"
        f"RESET ALL;\n\\encoding UTF8\n{SETTLE}"
        f"BEGIN;\n{limits_of_version}"
        "SELECT pg_catalog.pg_current_xact_id()::text AS xact \\gset headway_\n"
        f"{version}"
        "\\set headway_journal '[]'\n"
    )
    return "".join(lines)


def _statement(step: BundleStep, sql: str) -> str:
    kind = kind_of(sql)
    sent = f"{statement(sql)}\n"
    if kind is Kind.REPEATED and not skeleton(sql).upper().startswith(_READS):
        return f"\n{sent}"
    seen = _seen(step, sql)
    if kind is Kind.OUTSIDE:
        body = _outside(step, sql, sent)
    elif kind is Kind.REPEATED:
        body = (
            f"BEGIN;\n{sent}"
            "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL AS wrote \\gset headway_\n"
            f"\\if :headway_wrote\n{_journal(step, sql, rowcount='NULL')}{_NEXT}\\endif\nCOMMIT;\n"
        )
        return f"\n{seen}{body}\\else\n{_NEXT}\\endif\n"
    else:
        body = (
            f"BEGIN;\n{sent}\\set headway_rows_done :ROW_COUNT\n{usable(sql, step.revision)}"
            f"{_journal(step, sql, rowcount=_rowcount(sql))}COMMIT;\n"
        )
    told = spoken(f"     done already: {presentable(sql)[:70]}")
    return f"\n{seen}{body}\\else\n\\echo {told}\n\\endif\n{_NEXT}"


def _rowcount(sql: str) -> str:
    return ":headway_rows_done" if skeleton(sql).upper().startswith(_COUNTED) else "-1"


def _seen(step: BundleStep, sql: str) -> str:
    """Look into the journal of an earlier attempt; behind it a branch is open, for what is not done."""
    shown = literal(presentable(sql))
    return (
        f"EXECUTE headway_seen(:'headway_journal', :headway_line, {shown}) \\gset headway_\n"
        + when(
            "headway_differs",
            literal(f"{step.revision} was interrupted, and its journal has another statement here"),
            f"The revision was changed since. Run `headway {step.direction.value}`: it says how to go on.",
        )
        + "\\if :headway_missing\n"
    )


def _journal(step: BundleStep, sql: str, *, rowcount: str) -> str:
    return (
        f"EXECUTE headway_journal(:headway_entry_id, :headway_line, {literal(presentable(sql))},\n"
        f"    {literal(_digest(step, sql))}, true, {rowcount}, NULL);\n"
    )


def _outside(step: BundleStep, sql: str, sent: str) -> str:
    """Journalled before and after; what queues nobody behind it may wait for locks without end."""
    present = look(sql) or _dropped(sql)
    patient = is_concurrent(sql)
    asked = step.timeouts.lock_timeout_ms or 0
    return (
        f"{present}"
        # What was there before an earlier attempt began it counts, not what that one left.
        "SELECT coalesce(:'headway_journal'::jsonb -> :headway_line ->> 'indexes_before',\n"
        "    :'headway_present') AS present \\gset headway_\n"
        f"EXECUTE headway_journal(:headway_entry_id, :headway_line, {literal(presentable(sql))},\n"
        f"    {literal(_digest(step, sql))}, false, NULL, :'headway_present');\n"
        + (f"SET lock_timeout = {asked};\n" if patient else "")
        + sent
        + usable(sql, step.revision)
        + (f"SET lock_timeout = {step.lock_timeout_ms};\n" if patient else "")
        + "EXECUTE headway_journal_done(:headway_entry_id, :headway_line);\n"
    )


def _dropped(sql: str) -> str:
    name = dropped_index(sql)
    if name is None:
        return "\\set headway_present null\n"
    return (
        f"SELECT coalesce('[' || pg_catalog.to_regclass({literal(name)})::oid::text || ']', '[]') "
        "AS present \\gset headway_\n"
    )


def _digest(step: BundleStep, sql: str) -> str:
    """As a run's, but with a salt that is the same each time: there are no parameters that it would hide."""
    salt = blake2b(f"{step.revision}\0{sql}".encode(), digest_size=blake2b.SALT_SIZE).digest()
    return digest(sql, (), salt=salt)
