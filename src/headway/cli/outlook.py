"""A preview as text: each step with its SQL, what that does to the live database, and who is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli import pictures
from headway.cli.failure import shorten
from headway.narration import peers
from headway.narration.figures import readable_size
from headway.results import Effort, LockMode, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.results import Finding, LiveTable, Obstacle, Preview, StatementReview, StepReview

_LINES = 12
"""How much of a statement is shown; a wide CREATE TABLE ends within a screen."""
_STATEMENTS = 20
"""How many statements of a step are shown before those that take no time are left out."""
_INDENT = "     "
_COLOURS = {Effort.METADATA: "green", Effort.SCAN: "yellow", Effort.REWRITE: "red"}
_VERBS = {Effort.SCAN: "reads through", Effort.REWRITE: "rewrites"}


def draw(preview: Preview) -> str:
    """The whole of it; where there is nothing to do, that."""
    if not preview.steps:
        return f"nothing to do: at {_place(preview.before)}"
    title = f"{preview.direction.value} {_place(preview.before)} -> {_place(preview.after)}, in order:"
    steps = ("\n".join(_step(preview, number, step)) for number, step in enumerate(preview.steps, start=1))
    rest = (
        pictures.destroyed(preview.losses) if preview.losses else "",
        "\n".join(_obstacles(preview)),
        _told_by(preview),
    )
    return "\n\n".join([title, *steps, *(part for part in rest if part)])


def _step(preview: Preview, number: int, step: StepReview) -> Iterator[str]:
    marks = [] if step.transactional else ["not in a transaction"]
    line = f"  {number}  {click.style(step.revision, bold=True)}  {step.description}"
    line += f"  {click.style(shorten(step.path), dim=True)}"
    line += "".join(f"  {click.style(mark, fg='yellow')}" for mark in marks)
    yield line + (f"  {click.style('destroys data', fg='red', bold=True)}" if step.losses else "")
    left_out = 0
    for statement in step.statements:
        if statement.position > _STATEMENTS and statement.effort is Effort.METADATA:
            left_out += 1
        else:
            yield from _statement(preview, statement)
    if left_out:
        yield f"{_INDENT}... {left_out} more statements; --json has them all"
    if step.unseen is not None:
        yield _INDENT + click.style(f"what comes then cannot be told: {step.unseen}", fg="yellow")
    for finding in step.findings:
        if finding.silenced is None:
            yield from _finding(finding)


def _statement(preview: Preview, statement: StatementReview) -> Iterator[str]:
    lines = statement.sql.expandtabs(4).splitlines()
    shown = lines if len(lines) <= _LINES + 1 else lines[:_LINES]
    yield from (_INDENT + line for line in shown)
    if len(shown) < len(lines):
        yield f"{_INDENT}... {len(lines) - len(shown)} more lines; --json has them all"
    facts = [*_effort(preview, statement), *_locks(statement)]
    if facts:
        yield f"{_INDENT}  {click.style('=', dim=True)} {'; '.join(facts)}"
    if statement.error is not None:
        failed = f"failed in the scratch database: {statement.error}"
        yield f"{_INDENT}  {click.style(failed, fg='yellow')}"


def _effort(preview: Preview, statement: StatementReview) -> Iterator[str]:
    effort = statement.effort
    if effort is not Effort.METADATA:
        names = statement.rewritten if effort is Effort.REWRITE else statement.scanned
        found = {it.relation: it for it in preview.touched(statement)}
        told = ", ".join(_measured(name, found.get(name)) for name in names)
        yield click.style(f"{_VERBS[effort]} {told}", fg=_COLOURS[effort])
    elif statement.traced:
        yield click.style("metadata only", fg=_COLOURS[effort])


def _measured(name: str, table: LiveTable | None) -> str:
    if table is None:
        return name
    rows = "" if table.rows is None or table.kind == "index" else f"about {table.rows:,} rows, "
    return f"{name} ({rows}{readable_size(table.size_bytes)})"


def _locks(statement: StatementReview) -> Iterator[str]:
    """The locks that somebody else would notice, each with what waits for it."""
    for lock in statement.locks:
        if lock.kind == "index":
            continue
        if lock.mode.strength >= LockMode.SHARE_UPDATE_EXCLUSIVE.strength:
            waits = "reads and writes wait" if lock.mode.blocks_reads else "writes wait"
            yield f"{lock.relation}: {lock.mode.sql}" + (f", {waits}" if lock.mode.blocks_writes else "")


def _finding(finding: Finding) -> Iterator[str]:
    colour = "red" if finding.severity is Severity.ERROR else "yellow"
    where = f" (line {finding.line})" if finding.line else ""
    rule = click.style(f"{finding.severity.value} {finding.rule}", fg=colour)
    yield f"{_INDENT}{rule}{where}: {finding.hazard}"


def _obstacles(preview: Preview) -> Iterator[str]:
    if not preview.obstacles:
        return
    yield click.style("run now, it would wait for:", fg="yellow")
    yield from (f"  {item.revision}  {_obstacle(item)}" for item in preview.obstacles)


def _obstacle(item: Obstacle) -> str:
    who = peers.name(item.peer)
    if item.held is None:
        return f"{who}, whose transaction may see {item.relation} as it was: CONCURRENTLY waits for its end"
    return f"{who}, with {item.held.sql} on {item.relation}, for {item.wanted.sql}"


def _told_by(preview: Preview) -> str:
    if preview.oracle is not None:
        return f"traced on {preview.oracle}, in a scratch database"
    return f"not traced, so locks, scans and rewrites are not all known: {preview.unwatched}"


def _place(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "base"
