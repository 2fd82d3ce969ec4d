"""``session.sql``: what every script of a bundle begins with, so that a reviewer reads it once.

A script says where it leads from and to, includes this file, and goes on behind it with its own steps. Both
carry a mark made of this file's text, and neither goes on where the other's is not the same.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from headway.bundle.latch import HELD, TAKE
from headway.bundle.psql import boolean, comment, identifier, literal
from headway.bundle.refusing import READY, refuse, unless, when
from headway.bundle.usable import READY as INDEXES
from headway.capabilities import MINIMUM_MAJOR
from headway.ledger import LAYOUTS, NOBODY_KNOWS, LedgerScript
from headway.placement import version_schema
from headway.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.bundle.content import BundleStep, Content, Setting

FILE = "session.sql"
_ALONE = "Run it by itself: psql -X -v ON_ERROR_STOP=1 -f FILE, without -1, and not from within BEGIN."
_BASE = "base"
_MARK_DIGITS = 16

_LIMITS = (
    "SET standard_conforming_strings = on; SET lock_timeout = '5s'; SET statement_timeout = 0; "
    "SET idle_in_transaction_session_timeout = '1min'; "
    "DO $headway$ BEGIN PERFORM pg_catalog.set_config('client_connection_check_interval', "
    f"'{Timeouts().client_connection_check_interval_ms}', false); "
    "EXCEPTION WHEN invalid_parameter_value THEN NULL; END $headway$;"
)
SETTLE = ":headway_session\n"
"""The session's settings between the steps, from a variable of psql's."""

_END = (
    "DEALLOCATE PREPARE ALL; RESET lock_timeout; RESET statement_timeout; "
    "RESET idle_in_transaction_session_timeout; RESET client_connection_check_interval;"
)
_UNLOCK = "SELECT pg_catalog.pg_advisory_unlock(:'headway_lock_key'::bigint) AS released \\gset headway_\n"

_HEADER = """\
headway {version}: what every script of this bundle begins with; by itself it does nothing

The scripts include it (\\ir) before their steps, so it must lie beside them. It

 1. refuses a script of another bundle, an open transaction, a standby, a server that is too old, and
    tables that have the names of headway's own and are not;
 2. takes headway's migrator lock, polling; its key is a BLAKE2b hash, which PostgreSQL does not have,
    so most of this file computes that;
 3. reads {table}, and refuses unless the database stands on the script's way, which the script
    gives as two numbers: headway_first and headway_last, of the bundle's revisions that are applied
    before and after it. Until here nothing was changed;
 4. makes the ledger and {table} where they are missing, closes what a dead run left open, and notes
    what was applied or taken back without the ledger;
 5. leaves to the script how many of its steps are done (headway_at), and prepared statements, with which
    it tells the ledger of the others. All its variables and statements are called headway_...
"""

_SEEN = """\
-- Whether an earlier, interrupted attempt has done a statement, by its journal.
PREPARE headway_seen (jsonb, integer, text) AS
SELECT coalesce($1 -> $2 ->> 'finished_at' IS NULL, true) AS missing,
    coalesce($1 -> $2 ->> 'statement' <> $3 AND $1 -> $2 ->> 'rejected' IS NULL, false) AS differs;

"""


def said(rows: Sequence[str]) -> str:
    """Rows of the version table in words."""
    return ", ".join(rows) or _BASE


def session_of(content: Content) -> str:
    """The file: everything before the first step of any script of the bundle."""
    setting = content.setting
    ledger = LedgerScript(setting.ledger, setting.table)
    header = comment(_HEADER.format(version=setting.versions["headway"], table=setting.table.name))
    work = "\n".join(
        [
            _session(),
            _place(setting, ledger),
            _lock(setting),
            _standing(content),
            "\\if :headway_done\n\\else",
            _ledger(ledger),
            _prepared(setting, ledger),
            _unfinished(ledger),
            _versions(setting),
            _adoption(content, ledger),
            "\\endif",
        ]
    )
    mark = sha256((header + work).encode()).hexdigest()[:_MARK_DIGITS]
    return f"{header}\n{_marked(mark)}\n{work}\n\\set headway_ready {mark}\n"


def mark_of(session: str) -> str:
    """The mark of such a file, its last word."""
    return session.rsplit(maxsplit=1)[1]


def opening(mark: str, steps: Sequence[BundleStep]) -> str:
    r"""How a script begins: it leaves the number of steps done in ``headway_at``.

    Behind it a branch of ``\if`` is open, in which there is something to do; :func:`closing` ends it.

    Args:
        mark: of the session's file.
        steps: the script's.
    """
    up = steps[0].direction.value == "upgrade"
    first, last = (steps[0].number - 1, steps[-1].number) if up else (steps[0].number, steps[-1].number - 1)
    return (
        "\\set ON_ERROR_STOP on\n"
        f"\\set headway_first {first}\n\\set headway_last {last}\n"
        f"\\set headway_wanted {mark}\n\\set headway_ready no\n"
        f"\\ir {FILE}\n"
        "SELECT :'headway_ready' = :'headway_wanted' AS whole \\gset headway_\n"
        "\\if :headway_whole\n\\else\n"
        f"DO $headway$ BEGIN RAISE EXCEPTION '{FILE} is not the one of this bundle'; END $headway$;\n"
        "\\endif\n"
        "\\if :headway_done\n\\else\n"
    )


def closing(steps: Sequence[BundleStep]) -> str:
    """Everything behind the last step."""
    done = f"{steps[-1].direction.value} done; the database is at {said(steps[-1].after)}"
    return f"\\echo {literal(done)}\n\\endif\n{_UNLOCK}:headway_end\n"


def _marked(mark: str) -> str:
    """Whether a script included the file, and one that was written with it."""
    return (
        "\\set ON_ERROR_STOP on\n"
        "\\if :{?headway_wanted}\n\\else\n\\set headway_wanted ''\n\\endif\n"
        f"SELECT :'headway_wanted' = '{mark}' AS fits \\gset headway_\n"
        "\\if :headway_fits\n\\else\n"
        f"DO $headway$ BEGIN RAISE EXCEPTION '{FILE} is not of the bundle of the script that includes it; "
        "nothing was changed' USING HINT = 'Take all files from one bundle, and run upgrade.sql, "
        "rollback.sql or the script of one revision.'; END $headway$;\n"
        "\\endif\n"
    )


def _session() -> str:
    return (
        "-- The session ------------------------------------------------------------------------------\n"
        "\\set ON_ERROR_ROLLBACK off\n\\set AUTOCOMMIT on\n\\set QUIET on\n"
        "\\encoding UTF8\n"
        "-- Not every system can tell the server that psql is gone.\n"
        f"\\set headway_session {literal(_LIMITS)}\n"
        f"\\set headway_end {literal(_END)}\n"
        # In a psql that somebody sits at, a script that was refused has left some.
        f"DEALLOCATE PREPARE ALL;\n{SETTLE}{READY}\n"
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


def _standing(content: Content) -> str:
    values = ",\n".join(
        f"    ({at}, {literal(', '.join(rows))}, {literal(undone)}, {literal(done)})"
        for at, rows, undone, done in _positions(content)
    )
    versions = f':"headway_version_schema".{identifier(content.setting.table.name)}'
    where = "'the database is at ' || coalesce(nullif(:'headway_rows', ''), 'base') || "
    way = "'; this script leads from ' || :'headway_from' || ' to ' || :'headway_to' || "
    return (
        "-- Where the database stands, now that nobody else can move it ------------------------------\n"
        "\\set headway_rows ''\n"
        "\\if :headway_has_versions\n"
        "SELECT coalesce(pg_catalog.string_agg(version_num, ', ' ORDER BY version_num COLLATE \"C\"), '')\n"
        f"    AS rows FROM {versions} \\gset headway_\n"
        "\\endif\n"
        "-- For each number of the bundle's revisions that are applied: what the version table holds then,\n"
        "-- and which revision is next on the way down and up.\n"
        "SELECT coalesce(pg_catalog.max(pg_catalog.abs(at - :headway_first))\n"
        "        FILTER (WHERE rows = :'headway_rows' AND at BETWEEN least(:headway_first, :headway_last)\n"
        "            AND greatest(:headway_first, :headway_last)), -1) AS at,\n"
        "    coalesce(pg_catalog.max(at) FILTER (WHERE rows = :'headway_rows'), 0) AS applied,\n"
        "    coalesce(pg_catalog.max(CASE WHEN :headway_first < :headway_last THEN up ELSE down END)\n"
        "        FILTER (WHERE rows = :'headway_rows'), '') AS next,\n"
        "    CASE WHEN :headway_first < :headway_last THEN 'upgrade' ELSE 'downgrade' END AS direction,\n"
        "    pg_catalog.max(coalesce(nullif(rows, ''), 'base')) FILTER (WHERE at = :headway_first) AS from,\n"
        "    pg_catalog.max(coalesce(nullif(rows, ''), 'base')) FILTER (WHERE at = :headway_last) AS to\n"
        f"FROM (VALUES\n{values}\n) AS stand (at, rows, down, up) \\gset headway_\n"
        "SELECT :headway_at < 0 AS lost,\n"
        "    :headway_at = pg_catalog.abs(:headway_last - :headway_first) AS done \\gset headway_\n"
        f"\\if :headway_lost\n{_UNLOCK}"
        + refuse(
            where + way + "', and that is not on its way. Nothing was changed.'",
            "See `headway status` for where it stands, and make the bundle for that: "
            "`headway sql FROM:TO --bundle DIR`.",
        )
        + "\\endif\n"
        "\\if :headway_done\n"
        "SELECT pg_catalog.set_config('headway.message',\n"
        "    'already applied: the database is at ' || :'headway_to' || '; nothing to do', false) AS told "
        "\\gset headway_\n"
        "DO $headway$ BEGIN RAISE NOTICE '%', pg_catalog.current_setting('headway.message'); END $headway$;\n"
        "\\endif\n"
    )


def _positions(content: Content) -> Iterator[tuple[int, tuple[str, ...], str | None, str | None]]:
    """How many are applied, what the version table holds then, the newest of them, and the next one."""
    newest = None
    for step in content.upgrade:
        yield step.number - 1, step.before, newest, step.revision
        newest = step.revision
    yield len(content.upgrade), content.goal, newest, None


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


def _prepared(setting: Setting, ledger: LedgerScript) -> str:
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
    return (
        "-- What is said to the ledger, in headway's own words: an entry is sealed with a hash of all it\n"
        "-- says, and of the one before it.\n"
        "SELECT pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', '') AS run_id,\n"
        f"    {versions}::jsonb || pg_catalog.jsonb_build_object('psql', :'VERSION_NAME') AS versions "
        "\\gset headway_\n"
        f"{made}{settle}\n{_SEEN}{INDEXES}"
    )


def _unfinished(ledger: LedgerScript) -> str:
    return (
        "-- What a run that died left open, and whether it left a revision half-way -------------------\n"
        "SELECT pg_catalog.format('EXECUTE headway_close(%s, ''interrupted'', %L)', id, "
        f"{literal(NOBODY_KNOWS)})\n"
        f"FROM ({ledger.running}) AS abandoned \\gexec\n"
        f"{ledger.dirty} \\gset headway_\n"
        "SELECT :'headway_dirty' <> '' AND (:'headway_dirty', :'headway_dirty_operation')\n"
        "    <> (:'headway_next', :'headway_direction') AS foreign_work \\gset headway_\n"
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


def _adoption(content: Content, ledger: LedgerScript) -> str:
    """What came or went without the ledger, as a run notes it: of what applies where the database stands."""
    ours = [(step.revision, step.description, step.checksum) for step in content.upgrade]
    known = enumerate((*content.applied, *ours), start=1 - len(content.applied))
    values = ",\n".join(
        f"        ({number}, {literal(id_)}, {literal(told)}, {literal(checksum)})"
        for number, (id_, told, checksum) in known
    )
    call = "'EXECUTE headway_open(%L, ''baseline'', ''succeeded'', %L, true, %L, ''[]'', %L)'"
    return (
        "-- What was applied, or taken back, without the ledger --------------------------------------\n"
        "BEGIN;\n"
        f"SELECT pg_catalog.format({call}, revision, applied, description, checksum)\n"
        "FROM (\n"
        "    WITH known (number, revision, description, checksum) AS (VALUES\n"
        f"{values}\n"
        "    ), applied AS (SELECT * FROM known WHERE number <= :headway_applied),\n"
        f"    recorded AS ({ledger.on_record})\n"
        "    SELECT false AS applied, 0 AS number, version AS revision, description,\n"
        "        NULL::text AS checksum\n"
        "    FROM recorded WHERE version NOT IN (SELECT revision FROM applied)\n"
        "    UNION ALL\n"
        "    SELECT true, number, revision, description, checksum\n"
        "    FROM applied WHERE revision NOT IN (SELECT version FROM recorded)\n"
        ") AS news ORDER BY applied, number \\gexec\n"
        "COMMIT;\n"
    )


def entry_of(step: BundleStep, *, journal: str = "'[]'") -> str:
    """The call that puts a step on record; its number is then in ``headway_entry``."""
    applied = boolean(step.direction.value == "upgrade")
    return (
        f"EXECUTE headway_open({literal(step.revision)}, {literal(step.direction.value)}, 'running', "
        f"{applied}, {boolean(step.transactional)}, {literal(step.description)},\n"
        f"    {journal}, {literal(step.checksum)}) \\gset headway_entry_\n"
    )
