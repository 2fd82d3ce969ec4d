"""Users of the operating system: whom PostgreSQL runs as when we are root, and what they can reach."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.errors import EmbeddedServerError

if TYPE_CHECKING:
    from pathlib import Path

OWN_DATABASE = "Set DATABASE_URL to a PostgreSQL of your own."


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user that PostgreSQL runs as when we are root."""

    name: str
    uid: int
    gid: int


def service_account() -> Account:
    """The user to run PostgreSQL as for root; it is never made.

    Raises:
        EmbeddedServerError: there is none.
    """
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and this system has neither a user postgres nor nobody.",
        hint=f"Run as an ordinary user. {OWN_DATABASE}",
    )


def user_name(uid: int) -> str:
    """A user's name, or the number when it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def reaches(account: Account, path: Path) -> bool:
    """Whether an account may search every directory on the way, and the path itself, by their modes."""
    path = path.resolve()
    for step in (path, *path.parents):
        try:
            found = step.stat()
        except FileNotFoundError:
            continue  # still to be made, by us
        shift = 6 if found.st_uid == account.uid else 3 if found.st_gid == account.gid else 0
        if not found.st_mode >> shift & 0o1:
            return False
    return True
