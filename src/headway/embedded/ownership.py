"""Proving what is ours, before anything is signalled, taken over or used.

From the standard library alone: the supervisor runs on it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from pathlib import Path

try:
    import fcntl
except ImportError as error:  # Windows; said here because everything else needs this module
    from headway.errors import EmbeddedServerError

    raise EmbeddedServerError(
        "The embedded server runs on Linux and macOS only.",
        hint="Set DATABASE_URL to a PostgreSQL of your own.",
    ) from error

LOCK = "lock"
SUPERVISOR_LOCK = "supervisor.lock"
SERVER_LOCK = "server.lock"
LINUX = os.uname().sysname == "Linux"
POLL = 0.003  # seconds between looks at a process that starts or ends; either takes about 40 ms
SHUTDOWN = (  # PostgreSQL manual, "Shutting Down the Server"; each with seconds of patience
    (signal.SIGINT, 10.0),  # fast: includes a checkpoint
    (signal.SIGQUIT, 5.0),  # immediate: PostgreSQL's own bound for it
    (signal.SIGKILL, 5.0),
)


class StartFailedError(Exception):
    """The server could not be started; the message is for people."""


def open_lock(path: Path) -> int:
    """Open a lock file, making it when missing; never through a symbolic link."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int) -> bool:
    """Take an exclusive lock at once, or say no."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Give a lock back and close its file.

    Closing alone would not do: a process forked meanwhile may hold a copy of the descriptor.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def recorded_pid(data: Path) -> int | None:
    """The process that ``postmaster.pid`` names; ``None`` without a file that names one."""
    try:
        pid = abs(int((data / "postmaster.pid").read_bytes().split(b"\n", 1)[0]))
    except (OSError, ValueError):
        return None
    return pid if pid > 1 else None


def is_server_of(pid: int, data: Path) -> bool:
    """Whether a process is proved to be a PostgreSQL at work in this data directory."""
    if LINUX:
        try:
            program = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
            return program == "postgres" and Path(f"/proc/{pid}/cwd").samefile(data)
        except OSError:
            return False  # gone, or another user's
    import subprocess

    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603  # a fixed program
    return f"/postgres -D {data} " in printed


def signal_server(data: Path, number: int) -> bool:
    """Signal the server that ``postmaster.pid`` names, once it is proved to be one.

    On Linux the proof is made while holding the process itself (pidfd), so that its number cannot pass to
    another process between proof and signal.

    Returns:
        Whether there was such a server.
    """
    pid = recorded_pid(data)
    if pid is None:
        return False
    if not hasattr(os, "pidfd_open"):
        if proved := is_server_of(pid, data):
            os.kill(pid, number)
        return proved
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if proved := is_server_of(pid, data):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return proved


def claim_server(descriptor: int, data: Path) -> None:
    """Take ``server.lock``; a server that an earlier supervisor left behind is stopped first.

    Raises:
        StartFailedError: it did not end.
    """
    for number, patience in SHUTDOWN:
        if try_lock(descriptor):
            return
        signal_server(data, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if try_lock(descriptor):
                return
            time.sleep(POLL)
    raise StartFailedError(f"An earlier server on {data} (process {recorded_pid(data)}) does not end.")


def disown_reused_pid(data: Path) -> None:
    """See to it that a stale ``postmaster.pid`` whose number was reused does not block the start.

    PostgreSQL refuses to start while any process with that number lives (CreateLockFile in miscinit.c), and
    after a reboot that may be anyone's. It does not mind its own parent's number, so the file is made to
    name us: PostgreSQL then goes on with its check of shared memory and replaces the file itself.

    Raises:
        StartFailedError: a server that is not ours works in the data directory.
    """
    pid = recorded_pid(data)
    if pid is None:
        (data / "postmaster.pid").unlink(missing_ok=True)  # cut short by a crash; PostgreSQL would refuse it
        return
    if is_server_of(pid, data):
        raise StartFailedError(f"A PostgreSQL that headway did not start (process {pid}) is using {data}.")
    descriptor = os.open(data / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
    with open(descriptor, "r+b") as file:  # noqa: PTH123  # a descriptor, opened without following a link
        rest = file.read().partition(b"\n")[2]
        file.seek(0)
        file.write(b"%d\n%b" % (os.getpid(), rest))
        file.truncate()


def ended(code: int) -> str:
    """How a child ended, in words, from its exit code as :mod:`subprocess` has it."""
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def make_own(path: Path, mode: int) -> None:
    """Make a directory, or prove that the one there is ours and nobody else may write to it.

    Raises:
        StartFailedError: it is another user's, writable by others, or not a directory.
        OSError: it cannot be made.
    """
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise StartFailedError(f"{path} is not a private directory of this user; remove it.") from None
    else:
        path.chmod(mode)  # the umask may have taken bits away
