"""``headway`` as a process of its own, in whose environment nothing of ours is set but what a test says.

The process is forked from one that has already imported what commands import, for that takes longer than all
that they do; unless a test sets variables of Python's own, which only a start from nothing heeds.
"""

from __future__ import annotations

import atexit
import dataclasses
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import SecretStr

import headway
from headway import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECRET = "s3cr@et"
_KEPT = ("PATH", "HOME", "LANG", "PYTHONDONTWRITEBYTECODE")
_DEADLINE_S = 120
_IMPORTED = (
    "alembic.config",
    "commandline",
    "headway.alembic_bridge.environment",
    "headway.alembic_bridge.execution",
    "headway.alembic_bridge.revision_code",
    "headway.autogenerate",
    "headway.cli.commands.change",
    "headway.cli.ending",
    "headway.cli.foreground",
    "headway.cli.group",
    "headway.cli.progress",
    "headway.cli.sitting",
    "headway.env",
    "headway.latecomers",
    "headway.losses",
    "headway.migrator",
    "headway.narration.pacing",
    "headway.narration.sentences",
    "headway.onlooking",
    "headway.peers",
    "headway.results.precaution",
    "headway.results.standing",
    "headway.runs",
    "headway.server_run",
    "headway.session",
)
_LAST = "frozen"
_SOURCES = str(Path(headway.__file__).parent.parent)


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
        environment |= {"PYTHONPATH": _SOURCES, "PYTHONUTF8": "1"}
        environment["DATABASE_URL"] = self.url if url is None else url
        environment |= dict(variables or {})
        anew = any(name.startswith("PYTHON") for name in variables or ())
        done = (_started if anew else forked)("headway", words, folder or self._folder, environment)
        for secret in {self._password, SECRET}:
            assert secret not in done.stdout + done.stderr
            assert quote(secret, safe="") not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


@cache
def _nursery() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_IMPORTED, _LAST])
    return context


def _started(
    program: str, words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", program, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
        stdin=subprocess.DEVNULL,
    )


def forked(
    program: str, words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m PROGRAM`` to its end, in a process that need not import it first.

    Args:
        program: ``headway`` or ``alembic``.
        words: its arguments.
        folder: where it runs.
        environment: all that is set.
    """
    with tempfile.TemporaryDirectory() as place:
        said, complained = Path(place, "out"), Path(place, "err")
        what = (program, [*words], folder, {**environment}, said, complained)
        child = _nursery().Process(target=_run, args=what)
        child.start()
        child.join(_DEADLINE_S)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired([program, *words], _DEADLINE_S, complained.read_bytes())
        return subprocess.CompletedProcess(
            [program, *words],
            child.exitcode,
            said.read_text(encoding="utf-8"),
            complained.read_text(encoding="utf-8"),
        )


def _run(
    program: str,
    words: list[str],
    folder: Path,
    environment: dict[str, str],
    said: Path,
    complained: Path,
) -> None:
    """In the child: be what ``python -m PROGRAM`` would be, and end as it would."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # Without what tests have put there, as revisions that were run among them do.
    installed = [path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))]
    sys.path[:] = [str(folder), _SOURCES, *dict.fromkeys(installed)]
    for number, path in enumerate((Path(os.devnull), said, complained)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv[1:] = words
    code: object = 0
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        code = ending.code
    except BaseException:  # noqa: BLE001  # as the interpreter does at its end
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()  # multiprocessing's own end would leave them out
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
