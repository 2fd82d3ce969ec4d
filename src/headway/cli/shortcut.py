"""``headway pending`` where the answer is known: it says what the verb would say, and loads next to nothing.

It answers, or it leaves everything to the verb and has said nothing: whatever is not plain goes the long way,
a wrong setting and its message included.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from headway.errors import ExitCode, HeadwayError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.probe import KnownAtHead

_VERB = "pending"
_QUIET, _JSON, _CONFIG = ("-q", "--quiet"), "--json", ("-c", "--config")


class _Wish(NamedTuple):
    quiet: bool
    json: bool
    config: str | None


def taken(words: Sequence[str]) -> ExitCode | None:
    """Answer a probe whose answer is known to be "at head".

    Args:
        words: of the command line.

    Returns:
        The exit code; ``None`` when nothing was said, and the verb has to be run.

    Raises:
        HeadwayError: the database cannot be reached.
        Stopped: a signal came.
    """
    wish = _wish(words)
    if wish is None or not _unattended():
        return None
    with _nothing_collected():
        found = _found(wish)
        if found is None or not "".join(found.heads).isprintable():
            return None
        if wish.json:
            return _written(found, quiet=wish.quiet)
        if not wish.quiet:
            _say(f"database: {found.database}\nat head ({', '.join(found.heads) or 'no revisions'})\n")
        return ExitCode.DONE


def _wish(words: Sequence[str]) -> _Wish | None:
    """What is wanted; ``None`` for anything that takes reading the command line in full."""
    rest = list(words)
    config = None
    for name in _CONFIG:
        if rest.count(name) == 1 and (place := rest.index(name)) + 1 < len(rest):
            config = rest[place + 1]
            del rest[place : place + 2]
    flags = [word for word in rest if word != _VERB]
    if len(rest) - len(flags) != 1 or not {*flags} <= {*_QUIET, _JSON} or (config or "").startswith("-"):
        return None
    return _Wish(quiet=any(word in _QUIET for word in flags), json=_JSON in flags, config=config)


def _unattended() -> bool:
    """Whether nobody watches who would like colour, no shell asks for words, and nothing is traced."""
    traced = "opentelemetry.trace" in sys.modules
    return not (sys.stderr.isatty() or sys.stdout.isatty() or "_HEADWAY_COMPLETE" in os.environ or traced)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """What is loaded for so short a while is not searched for garbage: that is a tenth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _found(wish: _Wish) -> KnownAtHead | None:
    from headway import load_project, load_settings

    try:
        project = load_project(wish.config)
        settings = load_settings(project)
    except HeadwayError:
        return None  # the verb says it in full
    if settings.notes:
        return None
    from headway import known_at_head
    from headway.cli.foreground import Foreground

    with Foreground() as foreground:
        return foreground.run(known_at_head(project, settings))


def _written(found: KnownAtHead, *, quiet: bool) -> ExitCode:
    from headway import PendingReport, State
    from headway.cli import documents
    from headway.cli.invocation import Invocation
    from headway.cli.terminal import Terminal

    report = PendingReport(found.database, State.AT_HEAD, found.rows, found.heads, (), serves=True)
    terminal = Terminal(Invocation(quiet=quiet, json=True))
    terminal.name_database(report.database)
    terminal.answer(documents.render(documents.describe(report, "at_head")))
    return ExitCode.DONE


def _say(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        from headway.cli.terminal import disconnect

        disconnect(sys.stderr)
