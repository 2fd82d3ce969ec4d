"""How verbs are declared: the global options on every one of them, examples in their help."""

from __future__ import annotations

import math
import re
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from headway.cli.invocation import Colour, Invocation
from headway.results import CancelBlockers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RELATIVE = re.compile(r"-\d+")
"""``-1``, ``-2``: a target for us, an option for click."""
# PostgreSQL's names of units (manual, section 20.1.1), so that m is not mistaken for minutes.
_UNITS_S = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS_S)})?", re.ASCII)
_LONGEST_S = (2**31 - 1) / 1000
"""What PostgreSQL's timeouts, which count milliseconds in 32 bits, can hold: about 24 days."""


class Example(NamedTuple):
    """A command as one would type it, and what it does."""

    command: str
    effect: str


class Verb(click.Command):
    """A command that also takes the global options, and shows examples in its help.

    Args:
        arguments: passed to :class:`click.Command`.
        examples: shown at the end of the help.
        relative_targets: whether ``-1`` is a target of this verb.
        options: passed to :class:`click.Command`.
    """

    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[Example] = (),
        relative_targets: bool = False,
        **options: Any,
    ) -> None:
        options["params"] = [*options.get("params", ()), *global_options(hidden=True)]
        super().__init__(*arguments, **options)
        self.examples = tuple(examples)
        self.relative_targets = relative_targets

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with relative targets moved behind ``--``, where click takes them as arguments."""
        return super().parse_args(ctx, behind_dashes(args) if self.relative_targets else args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and where the global options are explained."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl(list(self.examples), col_max=48)
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text("Global options (-c, --url, -q, ...) may follow the verb too: headway --help")


def behind_dashes(arguments: Sequence[str]) -> list[str]:
    """Move what looks like ``-1`` behind a ``--``, so that it is an argument and not an unknown option.

    Only for verbs whose options take no free text: ``-m -1`` would lose its value.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    own, rest = arguments[:end], arguments[end + 1 :]
    relative = [word for word in own if _RELATIVE.fullmatch(word)]
    if not relative:
        return list(arguments)
    return [*(word for word in own if not _RELATIVE.fullmatch(word)), "--", *relative, *rest]


class Duration(click.ParamType):  # type: ignore[type-arg]  # older clicks know no argument
    """``500ms``, ``2s``, ``1min``, or a plain number of seconds; becomes seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or fail with an example."""
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a duration, like 500ms, 2s, 1min or 30 (seconds)", param, ctx)
        seconds = float(match[1]) * _UNITS_S[match[2] or "s"]
        if seconds > _LONGEST_S:
            self.fail(f"{value!r} is longer than 24 days", param, ctx)
        return seconds


DURATION = Duration()

_RUN_OPTIONS = (
    click.option(
        "--lock-wait",
        type=DURATION,
        metavar="DURATION",
        help="How long to wait while another migrator is at work. Default: 4min; 0 does not wait.",
    ),
    click.option(
        "--lock-timeout",
        type=DURATION,
        metavar="DURATION",
        help="How long a statement may wait for a lock before the step is rolled back and tried again. "
        "Default: 200ms, at times 1500ms; 0 is no limit.",
    ),
    click.option(
        "--statement-timeout",
        type=DURATION,
        metavar="DURATION",
        help="How long a statement may take. Default: no limit.",
    ),
    click.option(
        "--idle-in-transaction-session-timeout",
        type=DURATION,
        metavar="DURATION",
        help="How long a step's transaction may wait for us before the server ends it. Default: 1min; 0 is "
        "no limit.",
    ),
    click.option(
        "--client-connection-check-interval",
        type=DURATION,
        metavar="DURATION",
        help="How often the server looks, while a statement runs, whether we are still there. Default: "
        "500ms; 0 is never.",
    ),
    click.option(
        "--cancel-blockers",
        type=click.Choice([kind.value for kind in CancelBlockers]),
        default=CancelBlockers.NONE.value,
        help="Whose statements to cancel when they hold a lock that is needed. A session that sits idle in a "
        "transaction runs none: it is named, and left alone. Default: none.",
    ),
)


def run_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options that limit a run; it gets them as ``options``, a :class:`RunOptions`."""

    @wraps(verb)
    def with_options(
        *arguments: Any,
        lock_wait: float | None,
        lock_timeout: float | None,
        statement_timeout: float | None,
        idle_in_transaction_session_timeout: float | None,
        client_connection_check_interval: float | None,
        cancel_blockers: str,
        **others: Any,
    ) -> Any:
        from headway.results import RunOptions

        options = RunOptions(
            lock_wait_s=lock_wait,
            lock_timeout_ms=_milliseconds(lock_timeout),
            statement_timeout_ms=_milliseconds(statement_timeout),
            idle_in_transaction_session_timeout_ms=_milliseconds(idle_in_transaction_session_timeout),
            client_connection_check_interval_ms=_milliseconds(client_connection_check_interval),
            cancel_blockers=CancelBlockers(cancel_blockers),
        )
        return verb(*arguments, options=options, **others)

    for option in reversed(_RUN_OPTIONS):
        with_options = option(with_options)
    return with_options


_BACKUP_OPTIONS = (
    click.option(
        "--backup-command",
        metavar="COMMAND",
        help="Run this in a shell first, if there is anything to do; no revision is run unless it succeeds. "
        "It finds the database as pg_dump does, by PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE.",
    ),
    click.option(
        "--backup-timeout",
        type=DURATION,
        metavar="DURATION",
        help="How long that may take. Default: no limit.",
    ),
)


def backup_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options of a backup that comes first; it gets ``backup``, ``None`` without one."""

    @wraps(verb)
    def with_options(
        *arguments: Any, backup_command: str | None, backup_timeout: float | None, **others: Any
    ) -> Any:
        if backup_command is not None and not backup_command.strip():
            raise click.UsageError("--backup-command says nothing.")
        from headway.results import Backup

        backup = None if backup_command is None else Backup(backup_command, backup_timeout or None)
        return verb(*arguments, backup=backup, **others)

    for option in reversed(_BACKUP_OPTIONS):
        with_options = option(with_options)
    return with_options


def scratch_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options that say where SQL is watched; it gets ``scratch``, as ``preview`` takes it."""

    @wraps(verb)
    def with_options(*arguments: Any, scratch_url: str | None, no_scratch: bool, **others: Any) -> Any:
        if scratch_url is not None and no_scratch:
            raise click.UsageError("--scratch-url and --no-scratch exclude each other.")
        return verb(*arguments, scratch=None if no_scratch else scratch_url or "embedded", **others)

    for option in reversed(_SCRATCH_OPTIONS):
        with_options = option(with_options)
    return with_options


_SCRATCH_OPTIONS = (
    click.option(
        "--scratch-url",
        metavar="URL",
        help="Watch the SQL in a database of our own on this server, dropped afterwards. Default: on an "
        "embedded server, where there is one.",
    ),
    click.option("--no-scratch", is_flag=True, help="Watch nothing: only the text of the SQL is looked at."),
)


def _milliseconds(seconds: float | None) -> int | None:
    # Upwards: what is less than a millisecond must not become 0, which is no limit.
    return None if seconds is None else math.ceil(round(seconds * 1000, 6))


def global_options(*, hidden: bool = False) -> list[click.Parameter]:
    """The options every command takes, each writing to the :class:`Invocation` in ``ctx.obj``.

    Args:
        hidden: leave them out of the help, ``--json`` excepted; the main help explains them once.
    """

    def option(*names: str, shown: bool = False, **details: Any) -> click.Option:
        return click.Option(
            names, callback=_record, expose_value=False, hidden=hidden and not shown, **details
        )

    return [
        option(
            "-c",
            "--config",
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="alembic.ini, pyproject.toml or their directory. Default: found from here upwards.",
        ),
        option(
            "--directory",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="A folder of SQL revisions, where there is no Alembic configuration. Default: migrations.",
        ),
        option("-n", "--name", "section", metavar="SECTION", help="Section of the ini. Default: alembic."),
        option(
            "-x",
            "x_arguments",
            multiple=True,
            metavar="KEY=VALUE",
            help="Argument for env.py, as Alembic's -x. Repeatable.",
        ),
        option(
            "--url",
            metavar="URL",
            help="The database. Prefer DATABASE_URL: other users of this machine can read arguments.",
        ),
        option("--environment", metavar="NAME", help="development, staging or production."),
        option("--json", shown=True, is_flag=True, default=None, help="Print one JSON document."),
        option("-v", "--verbose", is_flag=True, default=None, help="Show log lines, and tracebacks."),
        option("-q", "--quiet", is_flag=True, default=None, help="Print only data and errors."),
        option(
            "--color",
            type=click.Choice([item.value for item in Colour]),
            metavar="WHEN",
            help="auto, always or never.",
        ),
    ]


def _record(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    invocation = ctx.ensure_object(Invocation)
    if value is None or param.name is None:
        return
    if param.name == "x_arguments":
        invocation.x_arguments.extend(value)
    else:
        setattr(invocation, param.name, Colour(value) if param.name == "color" else value)
