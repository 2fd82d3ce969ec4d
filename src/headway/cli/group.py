"""The tree of verbs. Their texts are held here, so that help imports none of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from headway.cli.options import global_options

if TYPE_CHECKING:
    from collections.abc import Mapping


class Entry(NamedTuple):
    """Where a verb is (``module:attribute``), what it does in a few words, under which heading it stands."""

    target: str
    summary: str
    heading: str = "Commands"


class LazyGroup(click.Group):
    """A group that imports a verb's module only when the verb is called.

    Args:
        arguments: passed to :class:`click.Group`.
        entries: the verbs, in the order the help shows them.
        notes: name and explanation, shown under "Environment" at the end of the help.
        options: passed to :class:`click.Group`.
    """

    def __init__(
        self,
        *arguments: Any,
        entries: Mapping[str, Entry],
        notes: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.entries = dict(entries)
        self.notes = dict(notes or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The verbs, as declared."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's
        """Import and return a verb; ``None`` for a word that is none."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        command.short_help = entry.summary
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; a bare group shows its help."""
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a word that is none is answered with the nearest one."""
        if args and args[0] not in self.entries and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.entries, n=1)
            guess = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{guess}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Write the verbs by heading, from the texts held here."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.entries.items():
            sections.setdefault(entry.heading, []).append((name, entry.summary))
        for heading, verbs in sections.items():
            with formatter.section(heading):
                formatter.write_dl(verbs)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the environment variables, then the epilog."""
        if self.notes:
            with formatter.section("Environment"):
                formatter.write_dl(list(self.notes.items()))
        super().format_epilog(ctx, formatter)


_LOOK, _CHANGE, _WRITE = "Look", "Change the database", "Write revisions"
_COMMANDS = "headway.cli.commands"

root = LazyGroup(
    name="headway",
    help="Migrations for SQLAlchemy 2 on PostgreSQL: Alembic's files and verbs, one safe door.",
    params=global_options(),
    epilog="With no database configured, development uses an embedded PostgreSQL: headway dev --help. "
    "DATABASE_URL=sqlite+aiosqlite:///app.db uses a file instead. "
    'Shell completion: eval "$(_HEADWAY_COMPLETE=bash_source headway)" (or zsh_source, fish_source).',
    entries={
        "status": Entry(f"{_COMMANDS}.look:status", "Every revision, and where the database stands.", _LOOK),
        "pending": Entry(f"{_COMMANDS}.look:pending", "What is missing; exit 4 when anything is.", _LOOK),
        "current": Entry(f"{_COMMANDS}.look:current", "The revisions the database is at.", _LOOK),
        "heads": Entry(f"{_COMMANDS}.look:heads", "The newest revisions of this checkout.", _LOOK),
        "history": Entry(f"{_COMMANDS}.look:history", "The revisions, newest first.", _LOOK),
        "check": Entry(f"{_COMMANDS}.look:check", "What the models hold and no revision creates.", _LOOK),
        "wait": Entry(
            f"{_COMMANDS}.wait:wait", "Return when a revision is applied, or the server up.", _LOOK
        ),
        "plan": Entry(f"{_COMMANDS}.preview:plan", "What a run would do, and what data it destroys.", _LOOK),
        "sql": Entry(f"{_COMMANDS}.preview:sql", "The SQL of a run, without a database.", _LOOK),
        "verify": Entry(
            f"{_COMMANDS}.verify:verify", "Whether it is what a run would have left; exit 5 if not.", _LOOK
        ),
        "lint": Entry(
            f"{_COMMANDS}.lint:lint", "What of the revisions would hurt a live database; exit 6.", _LOOK
        ),
        "doctor": Entry(
            f"{_COMMANDS}.doctor:doctor", "Whether migrations can work here, and why not.", _LOOK
        ),
        "log": Entry(f"{_COMMANDS}.log:log", "What was done, by whom, and how it ended.", _LOOK),
        "upgrade": Entry(f"{_COMMANDS}.change:upgrade", "Apply revisions, up to head by default.", _CHANGE),
        "up": Entry(f"{_COMMANDS}.change:up", "The same as upgrade.", _CHANGE),
        "downgrade": Entry(
            f"{_COMMANDS}.change:downgrade", "Undo revisions; asks before data is lost.", _CHANGE
        ),
        "stamp": Entry(
            f"{_COMMANDS}.change:stamp", "Record a revision as applied without running it.", _CHANGE
        ),
        "repair": Entry(
            f"{_COMMANDS}.repair:repair", "Accept changed revisions, or forget deleted ones.", _CHANGE
        ),
        "init": Entry(
            f"{_COMMANDS}.init:init", "Begin a project, or take over one that Alembic runs.", _WRITE
        ),
        "baseline": Entry(
            f"{_COMMANDS}.baseline:baseline", "The first revision of a database that has none.", _WRITE
        ),
        "revision": Entry(f"{_COMMANDS}.author:revision", "Write a new revision file.", _WRITE),
        "merge": Entry(f"{_COMMANDS}.author:merge", "Write a revision that joins several heads.", _WRITE),
        "rebase": Entry(
            f"{_COMMANDS}.author:rebase", "Move unapplied revisions on top of another head.", _WRITE
        ),
        "lock": Entry(f"{_COMMANDS}.author:lock", "Write or check versions.lock.", _WRITE),
        "dev": Entry("headway.cli.group:dev", "The embedded PostgreSQL of this checkout.", "Development"),
        "tests": Entry("headway.cli.group:tests", "The embedded PostgreSQL of its tests.", "Development"),
    },
    notes={
        "DATABASE_URL": "The application's database.",
        "MIGRATION_DATABASE_URL": "A direct URL for migrations, where the application uses a pooler.",
        "APP_ENVIRONMENT": "development, staging or production.",
        "NO_COLOR": "No colour, whatever the terminal.",
        "HEADWAY_DEBUG": "1 shows the traceback of an error, as -v does.",
    },
)

click.version_option(package_name="headway", message="headway %(version)s")(root)

dev = LazyGroup(
    name="dev",
    help="The embedded PostgreSQL of this checkout, with its data under .headway/postgres. "
    "It runs while something uses it.",
    params=global_options(hidden=True),
    entries={
        "status": Entry(f"{_COMMANDS}.dev:status", "Whether it runs, where, and who uses it."),
        "url": Entry(f"{_COMMANDS}.dev:url", "Print its URL."),
        "run": Entry(f"{_COMMANDS}.dev:run", "Run a command with DATABASE_URL pointing at it."),
        "psql": Entry(f"{_COMMANDS}.dev:psql", "Open psql on it."),
        "stop": Entry(f"{_COMMANDS}.dev:stop", "Stop it."),
        "reset": Entry(f"{_COMMANDS}.dev:reset", "Delete it and all its data."),
    },
)

tests = LazyGroup(
    name="tests",
    help="The embedded PostgreSQL that this checkout's tests run on, in memory where there is room. It runs "
    "while something uses it; between runs it keeps the templates, and what pytest --headway-keep kept.",
    params=global_options(hidden=True),
    entries={
        "status": Entry(f"{_COMMANDS}.dev:status", "Whether it runs, where, and who uses it."),
        "psql": Entry(f"{_COMMANDS}.dev:psql", "Open psql on it."),
        "stop": Entry(f"{_COMMANDS}.dev:stop", "Stop it."),
        "reset": Entry(f"{_COMMANDS}.dev:reset", "Delete it and all its data; the next run makes it anew."),
    },
)
