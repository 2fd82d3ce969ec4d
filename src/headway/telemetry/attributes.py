"""What spans and measurements say of a database, in OpenTelemetry's own names.

The names and values are those of the stable conventions for databases and for PostgreSQL
(https://opentelemetry.io/docs/specs/semconv/db/postgresql/).
"""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

DB_NAMESPACE = "db.namespace"
DB_RESPONSE_STATUS_CODE = "db.response.status_code"
DB_SYSTEM_NAME = "db.system.name"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

_SCHEMES = ("postgresql:", "postgresql+")
_FILES = ("sqlite:", "sqlite+")


def database_attributes(database: str) -> dict[str, str | int]:
    """What is known of a database by its name in an event.

    Args:
        database: a URL without its password, or what the embedded server is called; of the latter no more is
            said than that it is PostgreSQL. Of several hosts none is named: which one answered is not known.
            Of an SQLite file its name is told, and not its folder.
    """
    if database.startswith(_FILES):
        return {DB_SYSTEM_NAME: "sqlite", DB_NAMESPACE: urlsplit(database).path.rpartition("/")[2]}
    found: dict[str, str | int] = {DB_SYSTEM_NAME: "postgresql"}
    if not database.startswith(_SCHEMES):
        return found
    parts = urlsplit(database)
    if name := unquote(parts.path.removeprefix("/")):
        found[DB_NAMESPACE] = name
    # SQLAlchemy and libpq take hosts from the query too, and directories of sockets from nowhere else.
    hosts = [parts.netloc.rpartition("@")[2], *parse_qs(parts.query).get("host", [])]
    named = ",".join(filter(None, hosts))
    if named and "," not in named:
        found[SERVER_ADDRESS] = parts.hostname or named
        if parts.port is not None:
            found[SERVER_PORT] = parts.port
    return found
