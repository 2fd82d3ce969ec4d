"""Verbs of ``headway dev``: the embedded PostgreSQL of this checkout."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from headway.cli import documents
from headway.cli.failure import shorten
from headway.cli.options import Example, Verb
from headway.cli.progress import Progress
from headway.cli.sitting import project_of
from headway.cli.terminal import Terminal
from headway.errors import EmbeddedServerError, RefusedError
from headway.events import ServerStarting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from headway import Settings
    from headway.cli.invocation import Invocation
    from headway.embedded import Lease, ServerStatus

_PASS_ON = {"ignore_unknown_options": True}


@click.command(cls=Verb)
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Show whether the server runs, where, and for how many users."""
    from headway import embedded

    terminal = Terminal(invocation)
    found = embedded.status(_directory(invocation))
    if terminal.json:
        terminal.answer(documents.render(documents.describe(found)))
    else:
        terminal.answer(_picture(found))


@click.command(cls=Verb, examples=[Example("headway dev run -- psql", "keep it running while you use it")])
@click.pass_obj
def url(invocation: Invocation) -> None:
    """Print the server's URL; starts it for a moment to be sure of it."""
    terminal = Terminal(invocation)
    with _lease(invocation, terminal) as lease:
        if terminal.json:
            terminal.answer(documents.render({"url": lease.url}))
        else:
            terminal.answer(lease.url)
    terminal.say(
        "The server runs only while something uses it; headway dev run -- COMMAND keeps it for a command."
    )


@click.command(
    cls=Verb,
    context_settings=_PASS_ON | {"allow_interspersed_args": False},
    examples=[
        Example("headway dev run -- pytest", "the tests, on it"),
        Example("headway dev run -- uvicorn app:app --reload", "the application, on it"),
    ],
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARG...]")
@click.pass_obj
def run(invocation: Invocation, command: tuple[str, ...]) -> int:
    """Run a command with DATABASE_URL pointing at the server, which runs as long as the command does.

    Exit code: the command's.
    """
    with _lease(invocation, Terminal(invocation)) as lease:
        return _wait_for(command, {"DATABASE_URL": lease.url, "MIGRATION_DATABASE_URL": lease.url})


@click.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PSQL ARGUMENT...]")
@click.pass_obj
def psql(invocation: Invocation, arguments: tuple[str, ...]) -> int:
    """Open psql on the server, which runs as long as psql does. Arguments go to psql.

    For example: headway dev psql -c "select version()"
    """
    with _lease(invocation, Terminal(invocation)) as lease:
        return _wait_for([_psql_beside(lease.binaries.bin), "--dbname", lease.url, *arguments], {})


@click.command(cls=Verb)
@click.option("--force", is_flag=True, help="Even while something uses it.")
@click.pass_obj
def stop(invocation: Invocation, *, force: bool) -> None:
    """Stop the server. It stops by itself with its last user; data stays."""
    from headway import embedded

    terminal = Terminal(invocation)
    stopped = embedded.stop(_directory(invocation), force=force)
    if terminal.json:
        terminal.answer(documents.render({"stopped": stopped}))
    else:
        terminal.say("stopped" if stopped else "it was not running")


@click.command(cls=Verb)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even while something uses it.")
@click.pass_obj
def reset(invocation: Invocation, *, yes: bool, force: bool) -> None:
    """Delete the server's directory and all data in it. Asks first."""
    from headway import embedded

    terminal = Terminal(invocation)
    directory = _directory(invocation)
    terminal.confirm(f"Delete {shorten(directory)} and all data in it?", yes=yes)
    deleted = embedded.reset(directory, force=force)
    if terminal.json:
        terminal.answer(documents.render({"deleted": deleted}))
    else:
        terminal.say("deleted; the next start makes a new one" if deleted else "there was nothing to delete")


def _settings(invocation: Invocation) -> tuple[Path, Settings]:
    from headway import load_settings

    project = project_of(invocation)
    settings = load_settings(project, url=invocation.url, environment=invocation.environment)
    if _for_tests():
        from headway.testing.server import cluster_of_tests

        return cluster_of_tests(project, settings), settings
    return project.root / ".headway" / "postgres", settings


def _for_tests() -> bool:
    """Whether the verb stands in the group `tests`."""
    group = click.get_current_context().parent
    return group is not None and group.command.name == "tests"


def _directory(invocation: Invocation) -> Path:
    return _settings(invocation)[0]


@contextmanager
def _lease(invocation: Invocation, terminal: Terminal) -> Iterator[Lease]:
    from headway import embedded

    directory, settings = _settings(invocation)
    if settings.environment.value != "development":
        raise RefusedError(
            f"The embedded PostgreSQL is for development, but this is {settings.environment.value}.",
            hint="Set DATABASE_URL, or APP_ENVIRONMENT=development.",
        )
    progress = Progress(terminal)

    def starting(initialising: bool) -> None:  # noqa: FBT001  # the callback's contract in headway.embedded
        progress(ServerStarting(directory=str(directory), initialising=initialising))

    lease = embedded.acquire(directory, binaries=settings.postgres_binaries, on_starting=starting)
    try:
        yield lease
    finally:
        lease.close()


def _wait_for(command: Sequence[str], variables: dict[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=os.environ | variables)  # noqa: S603  # what the user asked to run
    except OSError as fault:
        raise click.UsageError(f"Cannot run '{command[0]}': {fault.strerror}.") from None
    # Ctrl-C reaches the child by itself, as it shares the terminal: it decides what that means.
    previous = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: child.terminate()),
    }
    try:
        code = child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _psql_beside(programs: Path) -> str:
    program = shutil.which("psql", path=programs) or shutil.which("psql")
    if program is None:
        raise EmbeddedServerError(
            "There is no psql, neither with the embedded PostgreSQL nor on PATH.",
            hint="Install one (Debian: postgresql-client, macOS: brew install libpq).",
        )
    return program


def _picture(found: ServerStatus) -> str:
    facts = {
        "server": f"running, pid {found.pid}" if found.running else "not running",
        "users": found.users if found.running else None,
        "url": found.url,
        "version": found.version and f"PostgreSQL {found.version}",
        "data": shorten(found.data_directory) if found.version else "none yet",
    }
    return "\n".join(f"{name:<9}{fact}" for name, fact in facts.items() if fact is not None)
