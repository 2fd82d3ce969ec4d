"""``headway`` as a process of its own, in whose environment nothing of ours is set but what a test says."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import SecretStr

import headway
from headway import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "s3cr@et"
_KEPT = ("PATH", "HOME", "LANG", "PYTHONDONTWRITEBYTECODE")
_DEADLINE_S = 120


class CommandLine:
    """Runs ``headway`` in a project; no word that it prints may be a password or a traceback.

    Args:
        folder: of the project.
        url: ``DATABASE_URL``, where a call does not name another; gets a password when it has none; a server
            that asks for none does not mind.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        database = DatabaseURL.parse(url)
        password = database.password or SecretStr(SECRET)
        self.url = dataclasses.replace(database, password=password).render()
        self._password = password.get_secret_value()

    def __call__(
        self,
        *words: str,
        url: str | None = None,
        variables: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end.

        Args:
            words: its arguments.
            url: another ``DATABASE_URL``; empty for none.
            variables: set beside the usual ones.
            folder: where it runs, if not in the project's.
        """
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"PYTHONPATH": str(Path(headway.__file__).parent.parent), "PYTHONUTF8": "1"}
        environment["DATABASE_URL"] = self.url if url is None else url
        done = subprocess.run(
            [sys.executable, "-m", "headway", *words],
            cwd=folder or self._folder,
            env=environment | dict(variables or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE_S,
            stdin=subprocess.DEVNULL,
        )
        for secret in {self._password, SECRET}:
            assert secret not in done.stdout + done.stderr
            assert quote(secret, safe="") not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done
