"""The opening of a script: what must hold before anything is changed, and what stands ready then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from headway.bundle.latch import HELD, TAKE
from headway.bundle.psql import boolean, identifier, literal
from headway.bundle.refusing import READY, refuse, unless, when
from headway.bundle.usable import READY as INDEXES
from headway.bundle.usable import may_be_invalid
from headway.capabilities import MINIMUM_MAJOR
from headway.ledger import LAYOUTS, NOBODY_KNOWS, LedgerScript
from headway.placement import version_schema
from headway.results import Direction
from headway.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.bundle.content import BundleStep, Content, Setting

_ALONE = "Run it by itself: psql -X -v ON_ERROR_STOP=1 -f FILE, without -1, and not from within BEGIN."
_BASE = "base"

_LIMITS = (
    "SET standard_conforming_strings = on; SET lock_timeout = '5s'; SET statement_timeout = 0; "
    "SET idle_in_transaction_session_timeout = '1min'; "
    "DO $headway$ BEGIN PERFORM pg_catalog.set_config('client_connection_check_interval', "
    f"'{Timeouts().client_connection_check_interval_ms}', false); "
    "EXCEPTION WHEN invalid_parameter_value THEN NULL; END $headway$;"
)
SETTLE = ":headway_session\n"
"""The session's settings between the steps, from a variable of psql's."""

SEEN = """\
-- Whether an earlier, interrupted attempt has done a statement, by its journal.
PREPARE headway_seen (jsonb, integer, text) AS
SELECT coalesce($1 -> $2 ->> 'finished_at' IS NULL, true) AS missing,
    coalesce($1 -> $2 ->> 'statement' <> $3 AND $1 -> $2 ->> 'rejected' IS NULL, false) AS differs;
"""


def rows_of(rows: Sequence[str]) -> str:
    """Rows of the version table as the script compares them."""
    return ",".join(rows)


def said(rows: Sequence[str]) -> str:
    """Rows of the version table in words."""
    return ", ".join(rows) or _BASE


def opening(content: Content, steps: Sequence[BundleStep]) -> str:
    r"""Everything before the first step: it leaves the number of steps done in ``headway_at``.

    Behind it a branch of ``\if`` is open, in which there is something to do; :func:`closing` ends it.
    """
    setting = content.setting
    ledger = LedgerScript(setting.ledger, setting.table)
    return "\n".join(
        [
            _session(),
            _place(setting, ledger),
            _lock(setting),
            _standing(setting, steps),
            _ledger(ledger),
            _prepared(setting, ledger, steps),
            _unfinished(ledger, steps),
            _versions(setting),
            _adoption(content, steps, ledger),
        ]
    )


def closing(steps: Sequence[BundleStep]) -> str:
    """Everything behind the last step."""
    done = f"{steps[-1].direction.value} done; the database is at {said(steps[-1].after)}"
    return (
        f"\\echo {literal(done)}\n\\endif\n\n"
        "SELECT pg_catalog.pg_advisory_unlock(:'headway_lock_key'::bigint) AS released \\gset headway_\n"
        "DEALLOCATE PREPARE ALL;\n"
        "RESET lock_timeout;\nRESET statement_timeout;\nRESET idle_in_transaction_session_timeout;\n"
        "RESET client_connection_check_interval;\n"
    )


def _session() -> str:
    return (
        "-- The session ------------------------------------------------------------------------------\n"
        "\\set ON_ERROR_STOP on\n\\set ON_ERROR_ROLLBACK off\n\\set AUTOCOMMIT on\n\\set QUIET on\n"
        "\\encoding UTF8\n"
        "-- Not every system can tell the server that psql is gone.\n"
        f"\\set headway_session {literal(_LIMITS)}\n"
        f"{SETTLE}{READY}\n"
        "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL\n"
        "        AND pg_catalog.now() = pg_catalog.statement_timestamp() AS outside,\n"
        f"    pg_catalog.current_setting('server_version_num')::integer >= {MINIMUM_MAJOR}0000 AS able,\n"
        "    NOT pg_catalog.pg_is_in_recovery()\n"
        "        AND pg_catalog.current_setting('transaction_read_only') = 'off' AS writable,\n"
        "    pg_catalog.current_setting('session_authorization') AS authorization,\n"
        "    pg_catalog.current_setting('role') AS role,\n"
        "    pg_catalog.current_setting('search_path') AS search_path \\gset headway_\n"
        + unless("headway_outside", literal("a transaction is open, and this script has its own"), _ALONE)
        + unless(
            "headway_able",
            literal(f"this server is older than PostgreSQL {MINIMUM_MAJOR}; nothing was changed"),
            "Apply the bundle to the server that it was made for.",
        )
        + unless(
            "headway_writable",
            literal("this server is a standby, or the session is read-only; nothing was changed"),
            "Connect to the primary.",
        )
    )


def _place(setting: Setting, ledger: LedgerScript) -> str:
    table = setting.table
    schema = version_schema(literal(table.schema), literal(table.name)).strip()
    newest = len(LAYOUTS)
    return (
        "-- Where version table and ledger are -------------------------------------------------------\n"
        f"SELECT {schema} IS NOT NULL AS placed \\gset headway_\n"
        + unless(
            "headway_placed",
            literal("no schema of the search path exists, so there is none for the version table"),
            "Create the schema, or correct the role's search_path.",
        )
        + f"SELECT version_schema, version_schema || '.' || {literal(table.name)} AS version_table,\n"
        "    schema AS ledger_schema, schema_exists AS ledger_schema_exists,\n"
        "    coalesce(layout::integer, 0) AS layout, view_is_ours,\n"
        "    history_kind IS NOT NULL AND layout IS NULL\n"
        "        OR view_kind IS NOT NULL AND NOT view_is_ours AS taken,\n"
        f"    coalesce(layout::integer, 0) > {newest} AS newer,\n"
        f"    coalesce(layout::integer, 0) = {newest} AND view_is_ours AS ledger_current,\n"
        "    pg_catalog.to_regclass(pg_catalog.format('%I.%I', version_schema, "
        f"{literal(table.name)})) IS NOT NULL AS has_versions\n"
        f"FROM ({ledger.probe.strip()}) AS place \\gset headway_\n"
        + when(
            "headway_taken",
            literal("something that headway did not make has a name of its ledger; nothing was changed"),
            "Rename it, or give the ledger other names in env.py and make the bundle anew.",
        )
        + when(
            "headway_newer",
            literal("the ledger was made by a newer headway; nothing was changed"),
            "Make the bundle anew with that version of headway.",
        )
    )


def _lock(setting: Setting) -> str:
    return (
        "-- The migrator lock, the same that headway takes: one migrator at a time --------------------\n"
        f"\\if :{{?headway_lock_wait}}\n\\else\n\\set headway_lock_wait {setting.lock_wait_s:g}\n\\endif\n"
        "SELECT pg_catalog.set_config('headway.version_schema', :'headway_version_schema', false) AS a,\n"
        f"    pg_catalog.set_config('headway.version_name', {literal(setting.table.name)}, false) AS b,\n"
        "    pg_catalog.set_config('headway.lock_wait', :'headway_lock_wait', false) AS c \\gset headway_\n"
        f"{TAKE}"
        "SELECT pg_catalog.current_setting('headway.lock_key') AS lock_key \\gset headway_\n"
        # Another migrator may have been at work until the lock was ours.
        "SELECT pg_catalog.to_regclass(pg_catalog.format('%I.%I', :'headway_version_schema', "
        f"{literal(setting.table.name)})) IS NOT NULL AS has_versions \\gset headway_\n"
    )


def _standing(setting: Setting, steps: Sequence[BundleStep]) -> str:
    known = [steps[0].before, *(step.after for step in steps)]
    cases = "".join(f"    WHEN {literal(rows_of(rows))} THEN {at}\n" for at, rows in enumerate(known))
    message = "'the database is at ' || coalesce(nullif(:'headway_rows', ''), 'base') || " + literal(
        f"; this script leads from {said(known[0])} to {said(known[-1])}, and that is not on its way. "
        "Nothing was changed."
    )
    done = literal(f"already applied: the database is at {said(known[-1])}; nothing to do")
    return (
        "-- Where the database stands, now that nobody else can move it ------------------------------\n"
        "\\set headway_rows ''\n"
        "\\if :headway_has_versions\n"
        "SELECT coalesce(pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE \"C\"), '')\n"
        f'    AS rows FROM :"headway_version_schema".{identifier(setting.table.name)} \\gset headway_\n'
        "\\endif\n"
        f"SELECT CASE :'headway_rows'\n{cases}    ELSE -1\nEND AS at \\gset headway_\n"
        f"SELECT :headway_at < 0 AS lost, :headway_at = {len(steps)} AS done \\gset headway_\n"
        "\\if :headway_lost\n"
        "SELECT pg_catalog.pg_advisory_unlock(:'headway_lock_key'::bigint) AS released \\gset headway_\n"
        + refuse(
            message,
            "See `headway status` for where it stands, and make the bundle for that: "
            "`headway sql FROM:TO --bundle DIR`.",
        )
        + "\\endif\n"
        "\\if :headway_done\n"
        f"DO $headway$ BEGIN RAISE NOTICE '%', {done}; END $headway$;\n"
        "\\else\n"
    )


def _ledger(ledger: LedgerScript) -> str:
    layouts = "".join(
        f"SELECT :headway_layout < {number} AS outdated \\gset headway_\n"
        "\\if :headway_outdated\n"
        + "".join(f"{statement};\n" for statement in ledger.layout(number))
        + "\\endif\n"
        for number in range(1, len(LAYOUTS) + 1)
    )
    return (
        "-- The ledger, made as headway makes it -----------------------------------------------------\n"
        "\\if :headway_ledger_current\n\\else\n"
        "BEGIN;\n"
        "\\if :headway_ledger_schema_exists\n\\else\n"
        'CREATE SCHEMA :"headway_ledger_schema";\n'
        "\\endif\n"
        f"{layouts}" + "".join(f"{statement};\n" for statement in ledger.view) + "COMMIT;\n\\endif\n"
    )


def _prepared(setting: Setting, ledger: LedgerScript, steps: Sequence[BundleStep]) -> str:
    made = "".join(f"PREPARE {name} AS\n{text};\n\n" for name, text in ledger.prepared.items())
    versions = literal(json.dumps(dict(setting.versions), sort_keys=True))
    settle = (
        "PREPARE headway_settled (text) AS\n"
        "SELECT pg_catalog.pg_current_xact_id_if_assigned()::text IS NOT DISTINCT FROM $1\n"
        f"    AND {HELD} AS sound,\n"
        "    (SELECT pg_catalog.count(pg_catalog.set_config(kept.name, kept.value, false)) FROM (VALUES\n"
        "        ('session_authorization', :'headway_authorization'), ('role', :'headway_role'),\n"
        "        ('search_path', :'headway_search_path')\n"
        "    ) AS kept (name, value)\n"
        "    WHERE pg_catalog.current_setting(kept.name) <> kept.value) AS restored;\n"
    )
    singly = any(not step.transactional for step in steps)
    indexes = any(may_be_invalid(each.sql) for step in steps for each in step.statements)
    return (
        "-- What is said to the ledger, in headway's own words: an entry is sealed with a hash of all it\n"
        "-- says, and of the one before it.\n"
        "SELECT pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', '') AS run_id,\n"
        f"    {versions}::jsonb || pg_catalog.jsonb_build_object('psql', :'VERSION_NAME') AS versions "
        "\\gset headway_\n"
        f"{made}{settle}{SEEN if singly else ''}{INDEXES if indexes or singly else ''}"
    )


def _unfinished(ledger: LedgerScript, steps: Sequence[BundleStep]) -> str:
    cases = "".join(f"    WHEN {at} THEN {literal(step.revision)}\n" for at, step in enumerate(steps))
    direction = literal(steps[0].direction.value)
    return (
        "-- What a run that died left open, and whether it left a revision half-way -------------------\n"
        "SELECT pg_catalog.format('EXECUTE headway_close(%s, ''interrupted'', %L)', id, "
        f"{literal(NOBODY_KNOWS)})\n"
        f"FROM ({ledger.running}) AS abandoned \\gexec\n"
        f"{ledger.dirty} \\gset headway_\n"
        "SELECT :'headway_dirty' <> '' AND (:'headway_dirty', :'headway_dirty_operation')\n"
        f"    <> (CASE :headway_at\n{cases}END, {direction}) AS foreign_work \\gset headway_\n"
        + when(
            "headway_foreign_work",
            ":'headway_dirty_operation' || ' of ' || :'headway_dirty' || "
            + literal(" was interrupted, and must be brought to its end first"),
            "Run `headway status`: it says how.",
        )
    )


def _versions(setting: Setting) -> str:
    made = setting.table_ddl.replace("headway_schema.", ':"headway_version_schema".', 1)
    return (
        "-- The version table ------------------------------------------------------------------------\n"
        f"\\if :headway_has_versions\n\\else\n{made};\n\\endif\n"
    )


def _adoption(content: Content, steps: Sequence[BundleStep], ledger: LedgerScript) -> str:
    """What came or went without the ledger, as a run notes it: of what applies where the database stands."""
    known = _applied(content, steps)
    values = ",\n".join(
        f"        ({number}, {since}, {until}, {literal(id_)}, {literal(told)}, {literal(checksum)})"
        for number, (since, until, id_, told, checksum) in enumerate(known)
    )
    if not known:
        values = "        (0, 1, 0, NULL, NULL, NULL)"
    call = "'EXECUTE headway_open(%L, ''baseline'', ''succeeded'', %L, true, %L, ''[]'', %L)'"
    return (
        "-- What was applied, or taken back, without the ledger --------------------------------------\n"
        "BEGIN;\n"
        f"SELECT pg_catalog.format({call}, revision, applied, description, checksum)\n"
        "FROM (\n"
        "    WITH known (number, since, until, revision, description, checksum) AS (VALUES\n"
        f"{values}\n"
        "    ), applied AS (SELECT * FROM known WHERE :headway_at BETWEEN since AND until),\n"
        f"    recorded AS ({ledger.on_record})\n"
        "    SELECT false AS applied, -1 AS number, version AS revision, description,\n"
        "        NULL::text AS checksum\n"
        "    FROM recorded WHERE version NOT IN (SELECT revision FROM applied)\n"
        "    UNION ALL\n"
        "    SELECT true, number, revision, description, checksum\n"
        "    FROM applied WHERE revision NOT IN (SELECT version FROM recorded)\n"
        ") AS news ORDER BY applied, number \\gexec\n"
        "COMMIT;\n"
    )


def _applied(content: Content, steps: Sequence[BundleStep]) -> list[tuple[int, int, str, str, str | None]]:
    """Every revision that may be applied when this script begins: from which step done on, until which."""
    never, ours = len(steps), {step.revision: at for at, step in enumerate(steps)}
    whole = content.upgrade if steps[0].direction is Direction.UPGRADE else content.rollback
    before = whole[: whole.index(steps[0])]
    if steps[0].direction is Direction.UPGRADE:
        told = [(step, 0 if step in before else ours[step.revision] + 1, never) for step in (*before, *steps)]
    else:
        left = [step for step in reversed(whole) if step not in before]
        told = [(step, 0, ours.get(step.revision, never)) for step in left]
    later = [(since, until, step.revision, step.description, step.checksum) for step, since, until in told]
    return [*((0, never, *each) for each in content.applied), *later]


def entry_of(step: BundleStep, *, journal: str = "'[]'") -> str:
    """The call that puts a step on record; its number is then in ``headway_entry``."""
    applied = boolean(step.direction.value == "upgrade")
    return (
        f"EXECUTE headway_open({literal(step.revision)}, {literal(step.direction.value)}, 'running', "
        f"{applied}, {boolean(step.transactional)}, {literal(step.description)},\n"
        f"    {journal}, {literal(step.checksum)}) \\gset headway_entry_\n"
    )
