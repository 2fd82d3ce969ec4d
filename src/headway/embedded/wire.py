"""As much of PostgreSQL's protocol as it takes to create a database on the embedded server.

A client library would cost more than the server's own start; trust authentication on a private
socket needs three messages (PostgreSQL manual, "Message Flow" and "Message Formats").
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PORT = 5432
SUPERUSER = "postgres"
_PROTOCOL_3_0 = 196608
_NAME_BYTES = 63  # NAMEDATALEN - 1: longer names are truncated in silence
_DUPLICATE_DATABASE = "42P04"
_UNIQUE_VIOLATION = "23505"  # what the loser of two concurrent CREATE DATABASE gets


class ServerRefusal(Exception):  # noqa: N818  # internal: it becomes an EmbeddedServerError before anyone sees it
    """The server answered with an error.

    Attributes:
        sqlstate: its five-character code; empty when the conversation itself broke.
    """

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def create_database_if_missing(sockets: Path, name: str, *, timeout: float) -> None:
    """Make sure that a database exists; does nothing when it does.

    Args:
        sockets: the directory of the server's Unix socket.
        name: the database, 1 to 63 bytes, any characters but NUL.
        timeout: seconds for each wait for the server.

    Raises:
        ServerRefusal: the server refused.
        OSError: it could not be reached, or not in time.
        ValueError: no database can have that name.
    """
    if not 1 <= len(name.encode()) <= _NAME_BYTES or "\0" in name:
        raise ValueError(f"a database name has 1 to {_NAME_BYTES} bytes and no NUL: {name!r}")
    literal, identifier = name.replace("'", "''"), name.replace('"', '""')
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.settimeout(timeout)
        server.connect(str(sockets / f".s.PGSQL.{PORT}"))
        parameters = f"user\0{SUPERUSER}\0database\0postgres\0application_name\0headway\0\0".encode()
        server.sendall(struct.pack("!ii", len(parameters) + 8, _PROTOCOL_3_0) + parameters)
        _rows_until_ready(server)
        if _query(server, f"SELECT 1 FROM pg_catalog.pg_database WHERE datname = '{literal}'"):  # noqa: S608  # quoted above
            return
        try:
            _query(server, f'CREATE DATABASE "{identifier}"')
        except ServerRefusal as refusal:
            if refusal.sqlstate not in (_DUPLICATE_DATABASE, _UNIQUE_VIOLATION):
                raise


def _query(server: socket.socket, sql: str) -> int:
    payload = sql.encode() + b"\0"
    server.sendall(b"Q" + struct.pack("!i", len(payload) + 4) + payload)
    return _rows_until_ready(server)


def _rows_until_ready(server: socket.socket) -> int:
    """Read up to ReadyForQuery; the number of rows that came."""
    rows, refusal = 0, None
    while True:
        kind, payload = _message(server)
        if kind == b"D":
            rows += 1
        elif kind == b"R" and payload != b"\0\0\0\0":
            raise ServerRefusal("it asks for a password; was pg_hba.conf changed?")
        elif kind == b"E":
            fields = {
                field[:1]: field[1:].decode(errors="replace") for field in payload.split(b"\0") if field
            }
            refusal = ServerRefusal(fields.get(b"M", "unknown error"), fields.get(b"C", ""))
            if fields.get(b"V") in ("FATAL", "PANIC"):
                raise refusal
        elif kind == b"Z":
            if refusal is not None:
                raise refusal
            return rows


def _message(server: socket.socket) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", _exactly(server, 5))
    return kind, _exactly(server, length - 4)


def _exactly(server: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        part = server.recv(count - len(received))
        if not part:
            raise ServerRefusal("the server closed the connection")
        received += part
    return received
