"""Whether a run could keep its ledger: asked before the first write, and by ``headway doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from headway.errors import CapabilityError, HeadwayError, LedgerError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from headway.ledger.schema import Place

_NEEDED = ("SELECT", "INSERT", "UPDATE")

# A name that resolves to nothing gives NULL. A schema that does not exist is made in the database.
_RIGHTS = text("""
    SELECT pg_catalog.quote_ident(current_user) AS role,
        pg_catalog.quote_ident(pg_catalog.current_database()) AS database,
        pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(history.relowner)) AS owner,
        pg_catalog.pg_has_role(history.relowner, 'USAGE') AS owned,
        pg_catalog.has_schema_privilege(namespace.oid, 'USAGE') AS usable,
        CASE WHEN namespace.oid IS NOT NULL THEN pg_catalog.has_schema_privilege(namespace.oid, 'CREATE')
            ELSE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        END AS may_create,
        pg_catalog.has_table_privilege(history.oid, 'SELECT') AS may_select,
        pg_catalog.has_table_privilege(history.oid, 'INSERT') AS may_insert,
        pg_catalog.has_table_privilege(history.oid, 'UPDATE') AS may_update
    FROM (VALUES (CAST(:schema AS text), CAST(:history AS text))) AS sought (schema, history)
    LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = sought.schema
    LEFT JOIN pg_catalog.pg_class AS history
        ON history.relnamespace = namespace.oid AND history.relname = sought.history
""")


def obstacle_to(connection: Connection, place: Place, *, version_schema: str | None) -> HeadwayError | None:
    """What keeps this role from writing the ledger; in the caller's transaction.

    Args:
        connection: where.
        place: what there is where the ledger should be.
        version_schema: the version table's schema, of which the right to create is judged elsewhere.

    Returns:
        The error to raise: ``LedgerError`` for something foreign of its name, ``CapabilityError`` for a right
        that the role lacks; ``None`` when nothing is in the way.
    """
    try:
        place.refuse_foreign()
    except LedgerError as error:
        return error
    rights = connection.execute(_RIGHTS, {"schema": place.schema, "history": place.names.history}).one()
    if place.layout is not None:
        return _not_writable(place, rights)
    if rights.may_create or place.schema == version_schema:
        return None
    where = f"SCHEMA {place.quoted_schema}" if place.schema_exists else f"DATABASE {rights.database}"
    return CapabilityError(
        "ledger",
        f"user {rights.role} may not create the ledger {place.history}: it lacks CREATE on {where.lower()}",
        hint=f"As its owner or a superuser: GRANT CREATE ON {where} TO {rights.role};",
    )


def _not_writable(place: Place, rights: Any) -> CapabilityError | None:
    if place.outdated and not rights.owned:
        return CapabilityError(
            "ledger",
            f"the ledger {place.history} has an older layout, which only its owner {rights.owner} can change",
            hint=f"Run this once as {rights.owner}, or GRANT {rights.owner} TO {rights.role};",
        )
    lacking = [name for name in _NEEDED if not getattr(rights, f"may_{name.lower()}")]
    grants = [f"GRANT {', '.join(lacking)} ON {place.history} TO {rights.role};"] if lacking else []
    if not rights.usable:
        grants.append(f"GRANT USAGE ON SCHEMA {place.quoted_schema} TO {rights.role};")
    if not grants:
        return None
    return CapabilityError(
        "ledger",
        f"user {rights.role} may not write the ledger {place.history}, where every run is put on record",
        hint=f"As its owner {rights.owner}, or as a superuser: {' '.join(grants)}",
    )
