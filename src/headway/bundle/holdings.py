"""What a database holds, as lines that can be compared: objects of the schema, version rows, the ledger."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from headway.catalogue import Catalogue, read_catalogue
from headway.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection

    from headway.ledger import Ledger
    from headway.results import LedgerEntry

_SCHEMAS = text("""
    SELECT nspname FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname
""")
# What `headway.catalogue` does not read, of what belongs to no extension; printed with an empty search_path.
_FURTHER = text("""
    WITH emptied AS MATERIALIZED (SELECT pg_catalog.set_config('search_path', '', true)),
    schema AS (
        SELECT place.oid, place.nspname FROM emptied CROSS JOIN pg_catalog.pg_namespace AS place
        WHERE place.nspname = ANY (CAST(:schemas AS text[]))
    ), member AS (
        SELECT objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
    )
    SELECT CASE class.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END AS kind,
        pg_catalog.format('%I.%I', schema.nspname, class.relname) AS name,
        pg_catalog.pg_get_viewdef(class.oid) AS said
    FROM schema JOIN pg_catalog.pg_class AS class ON class.relnamespace = schema.oid
    WHERE class.relkind IN ('v', 'm') AND class.oid NOT IN (SELECT objid FROM member)
    UNION ALL
    SELECT 'function', pg_catalog.format('%I.%I(%s)', schema.nspname, proc.proname,
        pg_catalog.pg_get_function_identity_arguments(proc.oid)), pg_catalog.pg_get_functiondef(proc.oid)
    FROM schema JOIN pg_catalog.pg_proc AS proc ON proc.pronamespace = schema.oid
    WHERE proc.prokind IN ('f', 'p') AND proc.oid NOT IN (SELECT objid FROM member)
    UNION ALL
    SELECT 'trigger', pg_catalog.format('%I.%I.%I', schema.nspname, class.relname, trigger.tgname),
        CAST(trigger.tgenabled AS text) || ' ' || pg_catalog.pg_get_triggerdef(trigger.oid)
    FROM schema JOIN pg_catalog.pg_class AS class ON class.relnamespace = schema.oid
    JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = class.oid
    WHERE NOT trigger.tgisinternal
    UNION ALL
    SELECT 'domain', pg_catalog.format('%I.%I', schema.nspname, type.typname),
        pg_catalog.concat_ws(' ', pg_catalog.format_type(type.typbasetype, type.typtypmod),
            CASE WHEN type.typnotnull THEN 'NOT NULL' END, type.typdefault, (
                SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(con.oid), ' '
                    ORDER BY con.conname) FROM pg_catalog.pg_constraint AS con
                WHERE con.contypid = type.oid))
    FROM schema JOIN pg_catalog.pg_type AS type ON type.typnamespace = schema.oid
    WHERE type.typtype = 'd' AND type.oid NOT IN (SELECT objid FROM member)
    UNION ALL
    SELECT 'policy', pg_catalog.format('%I.%I.%I', schema.nspname, class.relname, policy.polname),
        pg_catalog.concat_ws(' ', CAST(policy.polcmd AS text), policy.polpermissive,
            pg_catalog.pg_get_expr(policy.polqual, policy.polrelid),
            pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid))
    FROM schema JOIN pg_catalog.pg_class AS class ON class.relnamespace = schema.oid
    JOIN pg_catalog.pg_policy AS policy ON policy.polrelid = class.oid
    UNION ALL
    SELECT 'row security', pg_catalog.format('%I.%I', schema.nspname, class.relname),
        CAST(class.relrowsecurity AS text) || ' ' || CAST(class.relforcerowsecurity AS text)
    FROM schema JOIN pg_catalog.pg_class AS class ON class.relnamespace = schema.oid
    WHERE class.relkind IN ('r', 'p') AND class.relrowsecurity
""")
_SERVER = text("SELECT pg_catalog.current_setting('server_version')")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one database holds.

    Attributes:
        database: which, masked.
        server: its version, as PostgreSQL tells it.
        rows: the version table's.
        objects: what each object of the schema says, by kind and name.
        entries: the ledger's, newest first.
        catalogue: its tables and types as data.
    """

    database: str
    server: str
    rows: tuple[str, ...]
    objects: Mapping[str, str]
    entries: tuple[LedgerEntry, ...]
    catalogue: Catalogue

    @property
    def applications(self) -> dict[str, LedgerEntry]:
        """How each revision that is applied came to be so, by the ledger's word."""
        found: dict[str, LedgerEntry] = {}
        for entry in reversed(self.entries):
            if entry.outcome is Outcome.SUCCEEDED and entry.applied is not None:
                found[entry.revision] = entry
        return {revision: entry for revision, entry in found.items() if entry.applied}


def held_by(connection: Connection, database: str, rows: tuple[str, ...], ledger: Ledger) -> Holdings:
    """Read what a database holds; only looks.

    Args:
        connection: with no transaction open.
        database: what to call it.
        rows: its version rows.
        ledger: its ledger.
    """
    with connection.begin():
        entries = ledger.entries(connection)
        server = str(connection.scalar(_SERVER))
        schemas = list(connection.execute(_SCHEMAS).scalars())
        further = connection.execute(_FURTHER, {"schemas": schemas}).all()
        catalogue = read_catalogue(connection, schemas)
    objects = {f"schema {name}": "" for name in schemas}
    objects |= {f"{row.kind} {row.name}": str(row.said) for row in further}
    objects |= dict(_objects(catalogue))
    return Holdings(database, server.partition(" ")[0], rows, objects, entries, catalogue)


def _objects(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for (schema, name), table in catalogue.tables.items():
        whole = f"{schema}.{name}"
        order = ", ".join(column.name for column in table.columns)
        yield (
            f"table {whole}",
            f"columns in this order: {order}; {_said(table, 'columns', 'constraints', 'indexes')}",
        )
        yield from ((f"column {whole}.{each.name}", _said(each, "category")) for each in table.columns)
        yield from ((f"constraint {whole}.{each.name}", each.definition) for each in table.constraints)
        yield from ((f"index {whole}.{each.name}", _said(each)) for each in table.indexes)
    for (schema, name), enum in catalogue.enums.items():
        yield f"enum {schema}.{name}", ", ".join(enum.labels)
    for (schema, name), sequence in catalogue.sequences.items():
        yield f"sequence {schema}.{name}", _said(sequence)
    for name, extension in catalogue.extensions.items():
        yield f"extension {name}", f"in schema {extension.schema}"


def _said(item: Any, *without: str) -> str:
    """What an object says that is not empty, by field."""
    named = ((field.name, getattr(item, field.name)) for field in fields(item))
    left_out = {"name", "schema", *without}
    return ", ".join(f"{name} {value}" for name, value in named if name not in left_out and value)


def told(entry: LedgerEntry) -> str:
    """What an entry says, without numbers, times and who it was."""
    journal = "; ".join(line.statement for line in entry.journal if line.finished_at)
    said = [
        f"operation {entry.operation}",
        f"description {entry.description!r}",
        f"checksum {entry.checksum}",
        f"transactional {entry.transactional}",
    ]
    return ", ".join([*said, f"statements {journal}"] if journal else said)
