"""What git knows of the files of a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from headway.errors import ConfigurationError

_WITHIN_S = 60


def changed_since(root: Path, ref: str) -> frozenset[Path]:
    """The files of a checkout that are not in a commit, or are not there as they are here; absolute paths.

    Args:
        root: a folder of the checkout.
        ref: the commit, such as ``origin/main``.

    Raises:
        ConfigurationError: there is no git, ``root`` is in no checkout, or ``ref`` names nothing.
    """
    top = Path(_git(root, ref, "rev-parse", "--show-toplevel").removesuffix("\n"))
    # What begins with a dash would be an option; --end-of-options is git's own guard, since 2.24.
    commit = _git(
        root, ref, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
    ).strip()
    changed = _git(top, ref, "diff", "--name-only", "--no-renames", "-z", commit, "--")
    fresh = _git(top, ref, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset((top / name).resolve() for name in (changed + fresh).split("\0") if name)


def _git(folder: Path, ref: str, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # fixed words, and a ref that is proved to be one
            ["git", "-C", str(folder), *arguments],  # noqa: S607  # whichever git the user has
            capture_output=True,
            check=True,
            timeout=_WITHIN_S,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except FileNotFoundError:
        why = "git is not installed"
    except subprocess.TimeoutExpired:
        why = f"git did not answer within {_WITHIN_S} s"
    except subprocess.CalledProcessError as error:
        told = (error.stderr or "").strip().partition("\n")[0]
        why = told or f"git knows no commit {ref!r}"
    else:
        return done.stdout
    raise ConfigurationError("--git-base", why, example="--git-base origin/main")
