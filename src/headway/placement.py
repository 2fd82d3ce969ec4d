"""Where a version table is: what decides the migrator lock's key, the ledger's rows and where versions go."""

from __future__ import annotations


def version_schema(schema: str = ":schema", table: str = ":table") -> str:
    """SQL for the schema of a version table; null when no schema of the search path exists.

    Without a word from the project it is looked for on the search path, and expected in its first schema when
    it is not there yet, as PostgreSQL and Alembic do. So whoever names the schema and whoever leaves it out
    mean the same table.

    Args:
        schema: the parameter for what the project says, or null.
        table: the parameter for the table's name.
    """
    return f"""
    coalesce(
        CAST({schema} AS text),
        (
            SELECT namespace.nspname
            FROM pg_catalog.pg_class AS found
            JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = found.relnamespace
            WHERE found.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(CAST({table} AS text)))
        ),
        pg_catalog.current_schema()
    )
"""  # noqa: S608  # parameters
