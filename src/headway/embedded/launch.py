"""Starting a supervisor, and telling why one could not be started."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from typing import IO, TYPE_CHECKING

from headway.embedded import supervisor, wire
from headway.embedded.accounts import OWN_DATABASE
from headway.embedded.binaries import locate
from headway.embedded.place import Place, reachable_binaries
from headway.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LOG_LIMIT = 4 * 1024 * 1024  # bytes; a longer log is begun anew at the next start
_TAIL_LINES = 12
_LITTLE_SPACE = 64 * 1024 * 1024  # bytes; a new data directory takes about 40 MB
_INHERITED = ("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def start(
    place: Place, binaries: Path | None, on_starting: Callable[[bool], None] | None, deadline: float
) -> bool | None:
    """Start the supervisor and wait for its word: whether it made data; ``None`` when it found another."""
    recorded = _recorded_major(place)
    found = locate(binaries, major=recorded)
    if on_starting is not None:
        on_starting(recorded is None)
    installation = reachable_binaries(found, place.account)
    task = supervisor.Task(
        directory=str(place.directory),
        home=str(place.home),
        run=str(place.run),
        bin=str(installation / "bin"),
        initdb_options=_initdb_options(found.major),
        server_options=_server_options(place.sockets),
        uid=place.account.uid if place.account else None,
        gid=place.account.gid if place.account else None,
        description={"binaries": str(found.directory), "major": found.major, "source": found.source},
    )
    try:
        answer = _spawn(task, place, deadline)
    except TimeoutError:
        raise failure(place, "The embedded server was not ready in time; its start goes on.") from None
    except OSError as error:
        raise failure(place, f"The embedded server could not be started: {error}.") from error
    match answer.get("outcome"):
        case "ready":
            return bool(answer["initialised"])
        case "busy":
            return None
        case "failed":
            raise failure(place, f"The embedded server could not be started: {answer['message']}")
    raise failure(place, "The embedded server's supervisor ended without a word.")


def _spawn(task: supervisor.Task, place: Place, deadline: float) -> dict[str, str | bool]:
    """Run the supervisor as nobody's child; its answer, empty when it died before it gave one."""
    import subprocess

    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment.update(LC_ALL="C", TZ="UTC")  # initdb takes the time zone from here; messages are in English
    ours, theirs = socket.socketpair()
    with ours, theirs, _open_log(place.log) as log:
        # -I and -S: neither the caller's variables nor site-packages; a secret in the caller's
        # environment does not live on in the server.
        command = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            supervisor.BOOT,
            json.dumps(task._asdict()),
            str(theirs.fileno()),
        ]
        with subprocess.Popen(  # noqa: S603  # our own file
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(theirs.fileno(),),
        ):
            pass  # it forks and leaves at once
        theirs.close()
        answer = b""
        while not answer.endswith(b"\n"):  # not up to the end of the stream: a forked child may hold a copy
            ours.settimeout(left(deadline))
            part = ours.recv(4096)
            if not part:
                return {}
            answer += part
        outcome: dict[str, str | bool] = json.loads(answer)
        return outcome


def _open_log(path: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    log = os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0)
    if log.tell() > _LOG_LIMIT:
        log.truncate(0)
    return log


def _initdb_options(major: int) -> list[str]:
    """UTF-8, and an order of strings that no update of the system's library can change.

    PostgreSQL 17 brought a provider of its own whose C.UTF-8 also knows letters beyond ASCII.
    """
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []  # noqa: PLR2004
    return ["-U", wire.SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", *locale]


def _server_options(sockets: Path) -> list[str]:
    """Reachable by this socket only; and a commit need not wait for the disk.

    ``synchronous_commit=off`` can lose the last moments before a crash of the machine but never
    damages the data, which ``fsync=off`` could (PostgreSQL manual, "Asynchronous Commit").
    """
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{sockets}"',  # a list: the quotes keep a comma or a space in the path
        "unix_socket_permissions": "0700",
        "port": str(wire.PORT),
        "synchronous_commit": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _recorded_major(place: Place) -> int | None:
    try:
        return int((place.data / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EmbeddedServerError(
            f"The embedded server's data in {place.data} cannot be read: {error}",
            hint=f"Start anew with: headway dev reset (its data is lost). {OWN_DATABASE}",
        ) from error


def failure(place: Place, message: str) -> EmbeddedServerError:
    """An error that ends with the log's last lines, which hold PostgreSQL's own reason."""
    import shutil

    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = place.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    with contextlib.suppress(OSError):
        if shutil.disk_usage(place.home).free < _LITTLE_SPACE:
            message += " The disk is almost full."
    log = "".join(f"\n  {line}" for line in lines)
    return EmbeddedServerError(
        f"{message}{log}",
        hint=f"Its log is {place.log}. To begin anew, without the data: headway dev reset. {OWN_DATABASE}",
    )


def left(deadline: float) -> float:
    """Seconds until a deadline on ``time.monotonic``'s clock, as a socket's timeout: 0 would mean no wait."""
    return max(0.01, deadline - time.monotonic())
