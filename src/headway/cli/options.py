"""How verbs are declared: the global options on every one of them, examples in their help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from headway.cli.invocation import Colour, Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

_RELATIVE = re.compile(r"-\d+")
"""``-1``, ``-2``: a target for us, an option for click."""


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
