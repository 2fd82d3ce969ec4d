"""Using an embedded server: acquire it, look at it, stop it, delete it.

Everything here is synchronous and meant for a worker thread of an asynchronous caller. A server is
started, joined and ended under one file lock, so whoever has a :class:`Lease` has a server that stays.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from headway.embedded import ownership, supervisor, wire
from headway.embedded.accounts import OWN_DATABASE
from headway.embedded.binaries import Binaries
from headway.embedded.control import ask, connect, let_go
from headway.embedded.launch import failure, left, start
from headway.embedded.place import (
    Place,
    claim,
    is_locked,
    is_ours,
    locked,
    make_directory,
    place_of,
    remove,
)
from headway.errors import EmbeddedServerError, RefusedError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import TracebackType

DATABASE = "app"
"""The database that :func:`acquire` makes unless told otherwise."""

_POLL = 0.01  # seconds
_END = 30.0  # seconds; more than the supervisor's own patience with PostgreSQL


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of a server without disturbing it.

    Attributes:
        running: whether it takes connections.
        pid: PostgreSQL's main process; ``None`` when not running.
        users: how many leases there are on it; 0 when not running.
        directory: what the caller named.
        data_directory: where its data is, or would be.
        version: PostgreSQL's major version; ``None`` when there is no data yet.
        url: how to connect to its database :data:`DATABASE`; ``None`` when not running.
    """

    running: bool
    pid: int | None
    users: int
    directory: Path
    data_directory: Path
    version: str | None
    url: str | None


class Lease:
    """A hold on a running server, which stays up at least until :meth:`close`.

    A context manager. The kernel lets go for a process that ends without closing. A child made by
    ``fork`` does not inherit the hold: in it the lease is closed, and only the parent's keeps the server.

    Attributes:
        url: a libpq-style URL with no driver and no secret,
            ``postgresql://postgres@/app?host=/socket/dir&port=5432``; the port is there to overrule PGPORT.
        started: whether this call started the server.
        initialised: whether this call made the data directory.
        binaries: the programs it runs from.
    """

    def __init__(
        self, connection: socket.socket, *, url: str, started: bool, initialised: bool, binaries: Binaries
    ) -> None:
        self.url = url
        self.started = started
        self.initialised = initialised
        self.binaries = binaries
        self._connection = connection
        self._closing = threading.Lock()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "held"
        return f"<Lease {self.url} {state}>"

    @property
    def closed(self) -> bool:
        """Whether the hold was let go."""
        return self._connection.fileno() == -1

    def close(self) -> None:
        """Let go; the last one to do so ends the server. May be repeated, from any thread."""
        with self._closing:
            if not self.closed:
                let_go(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def acquire(
    directory: Path,
    *,
    binaries: Path | None = None,
    database: str = DATABASE,
    on_starting: Callable[[bool], None] | None = None,
    timeout: float = 60.0,
) -> Lease:
    """Hold the embedded server of a directory; start it, and make its data and database, when need be.

    Args:
        directory: where everything lies; made when missing. Existing things in it are never touched.
        binaries: the installation that ``HEADWAY_POSTGRES_BIN`` names; ``None`` to look for one
            (:func:`headway.embedded.locate`). Not looked at when the server runs already.
        database: made when missing.
        on_starting: called when a server has to be started, before the wait (0.1 s; with a new data
            directory some seconds); its argument says whether the data directory is new.
        timeout: seconds for everything.

    Returns:
        The lease; close it when done.

    Raises:
        EmbeddedServerError: no usable programs, or it could not be started in time; the message ends with
            PostgreSQL's own words.
        RefusedError: the directory holds things that are not ours.
    """
    deadline = time.monotonic() + timeout
    place = place_of(directory)
    made = make_directory(place)
    with locked(place.lock, deadline):
        claim(place, made=made)
        connection, facts, initialised = _join_or_start(place, binaries, on_starting, deadline)
        try:
            wire.create_database_if_missing(place.sockets, database, timeout=left(deadline))
        except (OSError, ValueError, wire.ServerRefusal) as error:
            let_go(connection)
            raise EmbeddedServerError(
                f"The embedded server could not provide the database {database!r}: {error}",
                hint=f"Its log is {place.log}. {OWN_DATABASE}",
            ) from error
    return Lease(
        connection,
        url=_url(place, database),
        started=initialised is not None,
        initialised=bool(initialised),
        binaries=Binaries(Path(str(facts["binaries"])), int(facts["major"]), str(facts["source"])),
    )


def status(directory: Path) -> ServerStatus:
    """Look at the server of a directory; starts and makes nothing.

    Returns:
        Its status; ``running`` is false where there is none, and while one is starting or ending.

    Raises:
        EmbeddedServerError: it cannot be told where it would be (:func:`acquire` says why, too).
    """
    place = place_of(directory)
    facts = None
    if connection := connect(place.control):
        with connection:
            facts = ask(connection, supervisor.STATUS)
    version: str | None = None
    with contextlib.suppress(OSError):
        version = (place.data / "PG_VERSION").read_text().strip()
    return ServerStatus(
        running=facts is not None,
        pid=int(facts["pid"]) if facts else None,
        users=int(facts["users"]) if facts else 0,
        directory=directory,
        data_directory=place.data,
        version=version,
        url=_url(place, DATABASE) if facts else None,
    )


def stop(directory: Path, *, force: bool = False) -> bool:
    """Stop the server of a directory.

    Args:
        directory: as given to :func:`acquire`.
        force: also when it has users, whose connections then break.

    Returns:
        ``False`` when it was not running.

    Raises:
        RefusedError: it has users, and ``force`` is false.
        EmbeddedServerError: it did not end.
    """
    place = place_of(directory)
    if not is_ours(place):
        return False
    with locked(place.lock, time.monotonic() + _END):
        return _stop(place, force=force)


def reset(directory: Path, *, force: bool = False) -> bool:
    """Stop the server of a directory and delete its data, log and sockets: all that we made, nothing else.

    Args:
        directory: as given to :func:`acquire`.
        force: also when the server has users.

    Returns:
        ``False`` when there is nothing of ours.

    Raises:
        RefusedError: the server has users, and ``force`` is false.
        EmbeddedServerError: it did not end, or something could not be deleted.
    """
    place = place_of(directory)
    if not is_ours(place):
        return False
    with locked(place.lock, time.monotonic() + _END):
        if not place.ours:
            return False  # somebody else was faster
        _stop(place, force=force)
        remove(place)
    return True


def _join_or_start(
    place: Place, binaries: Path | None, on_starting: Callable[[bool], None] | None, deadline: float
) -> tuple[socket.socket, dict[str, str | int], bool | None]:
    """A hold, what the supervisor says of itself, and ``None`` if it ran, else whether data was made."""
    initialised: bool | None = None
    while True:
        if connection := connect(place.control):
            if facts := ask(connection, supervisor.HOLD):
                return connection, facts, initialised
            let_go(connection)
        if time.monotonic() > deadline:
            raise failure(place, "The embedded server was not ready in time.")
        if is_locked(place.directory / ownership.SUPERVISOR_LOCK):
            time.sleep(_POLL)  # started for somebody who is gone, or ending: it will be one or the other
        elif (outcome := start(place, binaries, on_starting, deadline)) is not None:
            initialised = outcome


def _stop(place: Place, *, force: bool) -> bool:
    """Under the lock: ask the supervisor, wait for its end, and end what an earlier one left behind."""
    deadline = time.monotonic() + _END
    was_running = False
    while time.monotonic() < deadline:
        if connection := connect(place.control):
            with connection:
                facts = ask(connection, supervisor.STOP_ANYWAY if force else supervisor.STOP, patience=_END)
            if facts:
                raise _in_use(place, int(facts["users"]))
            was_running = True
        if not is_locked(place.directory / ownership.SUPERVISOR_LOCK):
            break
        time.sleep(_POLL)
    else:
        raise failure(place, "The embedded server does not end.")
    descriptor = ownership.open_lock(place.directory / ownership.SERVER_LOCK)
    try:
        if not ownership.try_lock(descriptor):
            was_running = True
            ownership.claim_server(descriptor, place.data)
    except ownership.StartFailedError as error:
        raise failure(place, str(error)) from error
    finally:
        ownership.unlock(descriptor)
    return was_running


def _in_use(place: Place, users: int) -> RefusedError:
    who = "1 process uses" if users == 1 else f"{users} processes use"
    return RefusedError(
        f"{who} the embedded server in {place.directory}.",
        hint="End them first, or use --force, which breaks their connections.",
    )


def _url(place: Place, database: str) -> str:
    from urllib.parse import quote

    where = f"host={quote(str(place.sockets))}&port={wire.PORT}"
    return f"postgresql://{wire.SUPERUSER}@/{quote(database, safe='')}?{where}"
