"""Take a database's imprint: who it is, and a hash of each thing in it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.catalogue import read_catalogue
from headway.commit import is_connection_lost
from headway.onlooking import onlooking
from headway.planning import Imprint
from headway.sqlite import DIALECT as SQLITE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy.engine import Connection

# Enough for what is compared by the hundred, and no secret: 64 bits.
_DIGEST_BYTES = 8

_SYSTEM = text("SELECT CAST(system_identifier AS text) FROM pg_catalog.pg_control_system()")
_DATABASE = text("SELECT CAST(pg_catalog.current_database() AS text)")
_SCHEMAS = text(
    "SELECT nspname FROM pg_catalog.pg_namespace "
    "WHERE nspname <> 'information_schema' AND pg_catalog.left(nspname, 3) <> 'pg_'"
)
_IN_FILE = text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")


def take_imprint(connection: Connection, name: str, ours: Collection[str]) -> Imprint:
    """Read who the database is and what it holds, in read-only transactions; only catalogues are read.

    Args:
        connection: no transaction is open on it.
        name: what to call the database, masked.
        ours: headway's own tables and its view, in whatever schema: they are left out.

    Raises:
        sqlalchemy.exc.DBAPIError: the catalogue cannot be read.
    """
    if connection.dialect.name == SQLITE:
        with onlooking(connection):
            rows = connection.execute(_IN_FILE).all()
        found = {f"{kind} {named}": _hashed(sql) for kind, named, sql in rows if named not in ours}
        return Imprint(name, name, None, found)
    system = _system(connection)
    with onlooking(connection):
        database = str(connection.scalar(_DATABASE))
        objects = dict(_objects(connection, frozenset(ours)))
    return Imprint(name, database, system, objects)


def _system(connection: Connection) -> str | None:
    try:
        with onlooking(connection):
            return str(connection.scalar(_SYSTEM))
    except DBAPIError as error:
        if is_connection_lost(error):
            raise
        return None  # Amazon Aurora tells nobody


def _objects(connection: Connection, ours: frozenset[str]) -> Iterator[tuple[str, str]]:
    found = read_catalogue(connection, connection.scalars(_SCHEMAS).all())
    for kind, group in (("table", found.tables), ("enum", found.enums), ("sequence", found.sequences)):
        for (schema, name), item in group.items():
            if name not in ours:
                yield f"{kind} {schema}.{name}", _hashed(asdict(item))
    for name, extension in found.extensions.items():
        yield f"extension {name}", _hashed(asdict(extension))


def _hashed(item: object) -> str:
    written = json.dumps(item, sort_keys=True)
    return hashlib.blake2b(written.encode(), digest_size=_DIGEST_BYTES).hexdigest()
