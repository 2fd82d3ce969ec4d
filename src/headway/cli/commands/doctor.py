"""doctor: everything that decides whether the database can be migrated from here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from headway.cli import documents, pictures, tables
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting
from headway.cli.tables import Cell
from headway.cli.terminal import mark_colour
from headway.errors import ExitCode
from headway.results import Mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.cli.invocation import Invocation
    from headway.cli.terminal import Terminal
    from headway.results import Capabilities, Check, DoctorReport

_NONE = "none"


@click.command(
    cls=Verb,
    examples=[
        Example("headway doctor && headway upgrade", "only where it can work"),
        Example("headway doctor --json", "for a ticket; secrets are masked"),
    ],
)
@click.pass_obj
def doctor(invocation: Invocation) -> ExitCode:
    """Show settings and where they came from, versions, what the server can do, and what is in the way.

    The database is only read. Exit code 0 when it can be migrated, 3 when something is in the way, 1 when
    it cannot be reached.
    """
    with sitting(invocation) as desk:
        report = desk.run(desk.migrator.doctor())
        if desk.terminal.json:
            content = documents.describe(report, "reached", "migratable", "problems")
            desk.terminal.answer(documents.render(content))
        else:
            desk.terminal.answer(picture(desk.terminal, report))
        if report.migratable:
            return ExitCode.DONE
        return ExitCode.REFUSED if report.reached else ExitCode.FAILURE


def picture(terminal: Terminal, report: DoctorReport) -> str:
    """The report as text: settings, versions, the server, the revisions, the checks, and the verdict."""
    settings = [(item.name, item.value, f"({item.source})") for item in report.settings]
    sections = [
        _section(terminal, "settings", settings),
        _section(terminal, "versions", list(report.versions.items())),
    ]
    if report.capabilities is not None:
        server = [("database", report.database), *_server(report.capabilities)]
        key = _NONE if report.lock_key is None else str(report.lock_key)
        sections.append(_section(terminal, "server", [*server, ("migrator lock", f"advisory key {key}")]))
    if report.state is not None:
        sections.append(_section(terminal, "revisions", _standing(report)))
    sections.append(_checks(terminal, report.checks))
    if report.notes:
        sections.append("\n".join(f"{click.style('note:', fg='yellow')} {note}" for note in report.notes))
    return "\n\n".join([*sections, _verdict(report)])


def _section(terminal: Terminal, title: str, rows: Sequence[Sequence[str]]) -> str:
    cells = [[Cell(f"  {name}", "dim"), *map(Cell, values)] for name, *values in rows]
    return click.style(title, bold=True) + "\n" + tables.render(terminal, cells)


def _server(found: Capabilities) -> Iterator[tuple[str, str]]:
    yield "connection", f"{found.pooling.value} pooling; application name {found.application_name or _NONE}"
    yield "role", "standby" if found.standby else "primary"
    yield "user", f"{found.user}, a superuser" if found.superuser else found.user
    yield "schema", found.schema or _NONE
    yield (
        "may",
        ", ".join(
            word
            for word, holds in (
                ("create tables there", found.can_create),
                ("see others' queries", found.activity_visible),
                ("see locks", found.locks_visible),
                ("cancel others' queries", found.can_signal),
                ("ask for a transaction's outcome", found.transaction_status),
            )
            if holds
        )
        or _NONE,
    )
    yield "extensions", f"{', '.join(found.extensions_installed) or _NONE} installed"
    more = [name for name in found.extensions_available if name not in found.extensions_installed]
    yield "", f"{', '.join(more) or _NONE} available besides"


def _standing(report: DoctorReport) -> list[tuple[str, str]]:
    return [
        ("state", str(report.state).replace("_", " ")),
        ("current", ", ".join(report.current) or _NONE),
        ("head", ", ".join(report.heads) or _NONE),
    ]


def _checks(terminal: Terminal, checks: Sequence[Check]) -> str:
    lines = [click.style("checks", bold=True)]
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        mark = Mark.APPLIED if check.passed else Mark.PENDING
        colour = mark_colour(Mark.APPLIED if check.passed else Mark.UNKNOWN)
        sign = click.style(terminal.mark(mark, sys.stdout), fg=colour)
        lines.append(f"  {sign} {check.name.ljust(width)}  {check.finding}")
        if check.way_out:
            lines.append(f"    {' ' * width}  {click.style('way out:', fg='cyan')} {check.way_out}")
    return "\n".join(lines)


def _verdict(report: DoctorReport) -> str:
    if report.migratable:
        return "this database can be migrated from here"
    if not report.reached:
        return "this database cannot be reached from here"
    return f"this database cannot be migrated from here: {pictures.count(report.problems, 'problem')}"
