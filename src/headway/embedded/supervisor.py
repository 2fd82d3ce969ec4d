"""The process that owns one embedded PostgreSQL: ``python -I -S -c BOOT TASK READY_FD``.

It runs from the standard library alone, so that it starts in a blink and stays small. What it promises:

- The server ends with its last user. Each user holds a connection to the control socket, which the
  kernel closes however that process ends.
- The server ends with the supervisor. Linux signals it (``PR_SET_PDEATHSIG``); elsewhere a guard process
  notices the end of a pipe.
- Nobody is signalled by a number read from a file alone. The supervisor signals its own child; a server
  left over by an earlier supervisor is proved to be one first (:mod:`headway.embedded.ownership`).
- Who is alive is told by file locks, which the kernel drops with their holder: ``supervisor.lock`` is held
  by the supervisor, ``server.lock`` also by PostgreSQL and each of its processes, through inheritance.
  Neither can be stale, unlike ``postmaster.pid``.
- Ending begins under ``lock``, which those who acquire the server hold: nobody is ever handed a
  server that is going away.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from headway.embedded.ownership import (
    LINUX,
    LOCK,
    POLL,
    SERVER_LOCK,
    SHUTDOWN,
    SUPERVISOR_LOCK,
    StartFailedError,
    claim_server,
    disown_reused_pid,
    ended,
    make_own,
    open_lock,
    recorded_pid,
    signal_server,
    try_lock,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HOLD, STATUS, STOP, STOP_ANYWAY = b"hold", b"status", b"stop", b"stop!"
SOCKET_PATH_BYTES = 103  # the least sun_path there is (macOS), less its NUL; Linux takes 107

_BUSY_POLL = 0.02  # seconds between attempts to end while somebody holds the lock
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_STATUS_LINE = 7  # of postmaster.pid, from 0: LOCK_FILE_LINE_PM_STATUS in miscadmin.h, less one


# What starts a supervisor. The packages are named but their __init__ is not run: that would load what
# only the users of a server need.
_PACKAGES = {"headway": str(Path(__file__).parents[1]), "headway.embedded": str(Path(__file__).parent)}
BOOT = f"""
import sys
for name, path in {_PACKAGES!r}.items():
    package = sys.modules[name] = type(sys)(name)
    package.__path__ = [path]
from headway.embedded.supervisor import main
main(sys.argv[1:])
"""


class Task(NamedTuple):
    """What to run, as the first user worked it out. Paths are absolute.

    ``directory`` holds the locks; ``home`` the data and the log; ``run`` the control socket and, in
    ``sql``, PostgreSQL's. ``uid`` and ``gid`` are whom PostgreSQL runs as, ``None`` for the caller.
    ``description`` is handed to whoever asks.
    """

    directory: str
    home: str
    run: str
    bin: str
    initdb_options: list[str]
    server_options: list[str]
    uid: int | None
    gid: int | None
    description: dict[str, str | int]

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return Path(self.home, "data")

    @property
    def control(self) -> Path:
        """The socket on which users hold the server."""
        return Path(self.run, "control")

    @property
    def sockets(self) -> Path:
        """The directory of PostgreSQL's own socket."""
        return Path(self.run, "sql")


class Supervisor:
    """One server, from its start to its end."""

    def __init__(self, task: Task, ready: socket.socket) -> None:
        self._task = task
        self._ready = ready
        self._server: int | None = None
        self._server_lock = -1
        self._listener: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._holders: set[socket.socket] = set()
        self._stopping = False
        self._run_is_ours = False
        self._guardian: int | None = None

    def run(self) -> None:
        """Start the server, serve its users, end it."""
        if not try_lock(open_lock(Path(self._task.directory, SUPERVISOR_LOCK))):
            self._report({"outcome": "busy"})  # another supervisor is starting or ending
            return
        try:
            initialised = self._start()
            self._report({"outcome": "ready", "initialised": initialised})
            self._serve()
        except (StartFailedError, OSError) as error:
            self._report({"outcome": "failed", "message": str(error)})
        finally:
            self._end()

    def _report(self, message: dict[str, str | bool]) -> None:
        with contextlib.suppress(OSError):  # whoever asked may be gone; nobody needs the answer then
            self._ready.sendall(json.dumps(message).encode() + b"\n")
        self._ready.close()

    # Starting

    def _start(self) -> bool:
        task = self._task
        self._watch_signals()
        self._server_lock = open_lock(Path(task.directory, SERVER_LOCK))
        claim_server(self._server_lock, task.data)
        disown_reused_pid(task.data)
        self._make_run()
        initialise = not (task.data / "PG_VERSION").exists()
        if initialise:
            self._initialise()
        self._server = self._spawn(
            [f"{task.bin}/postgres", "-D", str(task.data), *task.server_options], signal.SIGINT
        )
        if not LINUX:
            self._guard(self._server)
        self._await_ready(self._server)
        self._listen()
        return initialise

    def _watch_signals(self) -> None:
        """Let a child's end and a polite kill wake the selector."""
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.settimeout(0)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._wakeup = (reader, writer)
        self._selector.register(reader, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_terminate)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def _on_terminate(self, *_: object) -> None:
        self._stopping = True

    def _initialise(self) -> None:
        """Make the data directory under another name, so that a killed initdb leaves nothing half-made."""
        task = self._task
        partial = Path(task.home, "data.partial")
        if partial.exists():
            import shutil

            shutil.rmtree(partial)
        partial.mkdir(mode=0o700)
        self._give(partial)
        child = self._spawn([f"{task.bin}/initdb", "-D", str(partial), *task.initdb_options], signal.SIGTERM)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != 0:
            raise StartFailedError(f"initdb {ended(code)}.")
        partial.rename(task.data)
        home = os.open(task.home, os.O_RDONLY)
        os.fsync(home)
        os.close(home)

    def _make_run(self) -> None:
        """Directories for the sockets, which guard them: authentication is trust."""
        run, sockets = Path(self._task.run), self._task.sockets
        make_own(run, 0o700 if self._task.uid is None else 0o711)
        self._run_is_ours = True
        with contextlib.suppress(FileExistsError):
            sockets.mkdir(mode=0o700)
            self._give(sockets)
        for leftover in sockets.iterdir():
            leftover.unlink()  # of a server that was killed; server.lock says that none lives

    def _give(self, path: Path) -> None:
        if self._task.uid is not None and self._task.gid is not None:
            os.chown(path, self._task.uid, self._task.gid, follow_symlinks=False)

    def _spawn(self, command: list[str], end_signal: signal.Signals) -> int:
        """Run a program as PostgreSQL's user; the kernel sends it ``end_signal`` when we are gone."""
        prctl = _prctl()
        parent = os.getpid()
        child = os.fork()
        if child:
            return child
        try:
            self._become_user()
            if prctl is not None:  # after the change of user, which clears it: prctl(2)
                prctl(_PR_SET_PDEATHSIG, end_signal, 0, 0, 0)
            if os.getppid() == parent:
                for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_DFL)  # an ignored signal would stay ignored
                os.set_inheritable(self._server_lock, True)  # noqa: FBT003  # the standard library's signature
                os.execv(command[0], command)  # noqa: S606  # no shell is wanted
        except BaseException as error:  # noqa: BLE001  # a forked child must never return into its parent's code
            os.write(2, f"cannot run {command[0]}: {error}\n".encode())
        os._exit(127)

    def _become_user(self) -> None:
        if self._task.uid is not None and self._task.gid is not None:
            os.setgroups([])
            os.setgid(self._task.gid)
            os.setuid(self._task.uid)

    def _guard(self, server: int) -> None:
        """Stand in for PR_SET_PDEATHSIG: a child that sees our end of a pipe close, and stops the server."""
        reader, _ = os.pipe()  # the other end stays open for as long as we live
        self._guardian = os.fork()
        if self._guardian:
            os.close(reader)
            return
        try:
            os.dup2(reader, 0)
            os.closerange(3, 256)  # all of ours: the pipe's other end, and the locks
            os.read(0, 1)
            if recorded_pid(self._task.data) == server:  # and not yet its successor
                signal_server(self._task.data, signal.SIGINT)
        finally:
            os._exit(0)

    def _await_ready(self, server: int) -> None:
        """Watch ``postmaster.pid``, which pg_ctl watches too, until the server takes connections.

        There is no deadline: recovery after a crash takes what it takes, and whoever asked has one.
        """
        file = self._task.data / "postmaster.pid"
        while not self._stopping:
            if (code := self._exit_code()) is not None:
                raise StartFailedError(f"PostgreSQL {ended(code)}.")
            with contextlib.suppress(FileNotFoundError):
                lines = file.read_bytes().split(b"\n")
                if (
                    lines[0] == b"%d" % server
                    and len(lines) > _STATUS_LINE
                    and lines[_STATUS_LINE].strip() == b"ready"
                ):
                    return
            time.sleep(POLL)
        raise StartFailedError("The start was interrupted.")

    def _listen(self) -> None:
        self._task.control.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._task.control))  # private: main() set the umask
        self._listener.listen(128)
        self._listener.settimeout(0)
        self._selector.register(self._listener, selectors.EVENT_READ)

    # Serving

    def _serve(self) -> None:
        while not self._stopping and self._exit_code() is None:
            for key, _ in self._selector.select(None if self._holders else _BUSY_POLL):
                self._handle(key.fileobj)
            if not self._holders and self._claim_end():
                return

    def _claim_end(self) -> bool:
        """Take ``lock`` for good, unless somebody who holds it is on the way to us."""
        try:
            descriptor = open_lock(Path(self._task.directory, LOCK))
        except OSError:
            return True  # the directory was deleted under us: nobody can come any more
        if try_lock(descriptor):
            return True
        os.close(descriptor)
        return False

    def _handle(self, source: object) -> None:
        if source is self._wakeup[0]:
            with contextlib.suppress(BlockingIOError):
                self._wakeup[0].recv(4096)
        elif self._listener is not None and source is self._listener:
            with contextlib.suppress(OSError):  # it may have gone again
                user, _ = self._listener.accept()
                user.settimeout(0)
                self._selector.register(user, selectors.EVENT_READ)
        elif isinstance(source, socket.socket):
            try:
                self._answer(source, source.recv(64))
            except OSError:
                self._drop(source)

    def _answer(self, user: socket.socket, request: bytes) -> None:
        if request == HOLD:
            self._holders.add(user)
        elif request == STOP_ANYWAY or (request == STOP and not self._holders):
            self._stopping = (
                True  # whoever asks holds the lock, and waits for our end to close the connection
            )
            return
        elif request not in (STATUS, STOP):
            self._drop(user)
            return
        facts = {**self._task.description, "pid": self._server or 0, "users": len(self._holders)}
        user.sendall(json.dumps(facts).encode() + b"\n")

    def _drop(self, user: socket.socket) -> None:
        self._selector.unregister(user)
        self._holders.discard(user)
        user.close()

    # Ending

    def _exit_code(self) -> int | None:
        """How the server ended, -1 when that is past; ``None`` while it runs."""
        with contextlib.suppress(ChildProcessError):
            if self._server is not None:
                pid, status = os.waitpid(self._server, os.WNOHANG)
                if not pid:
                    return None
                self._server = None
                return os.waitstatus_to_exitcode(status)
        return -1

    def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._run_is_ours:
            self._task.control.unlink(missing_ok=True)
        for number, patience in SHUTDOWN:
            if self._server is None:
                break
            os.kill(self._server, number)  # our own child, not collected yet: the number is its
            deadline = time.monotonic() + patience
            while self._exit_code() is None and time.monotonic() < deadline:
                time.sleep(POLL)
        if self._guardian is not None:
            os.kill(self._guardian, signal.SIGKILL)  # never collected, so the number is its
        for folder in (self._task.sockets, Path(self._task.run)) if self._run_is_ours else ():
            with contextlib.suppress(OSError):  # something is left in it, or it never was
                folder.rmdir()


def _prctl() -> Callable[..., int] | None:
    if not LINUX:
        return None
    import ctypes

    prctl: Callable[..., int] = ctypes.CDLL(None).prctl
    return prctl


def main(arguments: list[str]) -> NoReturn:
    """Leave the caller's process tree, then supervise until the end."""
    task, ready = Task(**json.loads(arguments[0])), socket.socket(fileno=int(arguments[1]))
    ready.set_inheritable(False)
    if os.fork():
        os._exit(0)  # so that we are nobody's child, and never a zombie of a long-lived user
    os.chdir("/")
    os.umask(0o077)
    Supervisor(task, ready).run()
    sys.exit(0)
