"""The conversation with a supervisor: a word out, a line of JSON back; a held connection is a user."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER = 10.0  # seconds; the supervisor answers at once unless the machine is starved

_connections: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _close_inherited() -> None:
    """In a forked child, drop the copies of the connections without ending the parent's."""
    for connection in list(_connections):
        connection.close()


os.register_at_fork(after_in_child=_close_inherited)


def connect(control: Path) -> socket.socket | None:
    """A connection to the supervisor; ``None`` when none listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _connections.add(connection)
    connection.settimeout(_ANSWER)
    try:
        connection.connect(str(control))
    except OSError:
        connection.close()
        return None
    return connection


def ask(
    connection: socket.socket, request: bytes, *, patience: float = _ANSWER
) -> dict[str, str | int] | None:
    """The supervisor's answer; ``None`` when it ended instead."""
    connection.settimeout(patience)
    answer = b""
    try:
        connection.sendall(request)
        while not answer.endswith(b"\n"):
            part = connection.recv(4096)
            if not part:
                return None
            answer += part
    except OSError:
        return None
    facts: dict[str, str | int] = json.loads(answer)
    return facts


def let_go(connection: socket.socket) -> None:
    """Close for everyone: shutting down reaches copies of the connection that a fork in C made."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
