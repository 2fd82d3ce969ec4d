"""Lint's report as text for people. Pure, as ``pictures`` is."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

import click

from headway.cli.failure import shorten
from headway.cli.pictures import count
from headway.lint import RULES, comment
from headway.results import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.results import Finding, LintReport, StatementReview, StepReview

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def findings(report: LintReport) -> str:
    """Each revision that something is to be said of, with its findings; "" when there is none."""
    told = ["\n\n".join(_step(step)) for step in report.steps if step.findings or _unwatched(step)]
    return "\n\n".join(told)


def verdict(report: LintReport) -> str:
    """What was examined, by whom, and what was found, in a line or two."""
    errors = [it for it in report.findings if it.severity is Severity.ERROR]
    warnings = [it for it in report.findings if it.severity is Severity.WARNING]
    found = [count(errors, "error"), count(warnings, "warning")] if report.findings else ["nothing found"]
    if report.silenced:
        found.append(f"{len(report.silenced)} silenced")
    watched = f", watched on {report.oracle}" if report.oracle else ""
    lines = [f"{count(report.steps, 'revision')} examined{watched}: {', '.join(found)}"]
    if report.unwatched is not None:
        lines.append(
            f"PostgreSQL was not asked ({report.unwatched}): locks, rewrites and scans are told from the text"
        )
    return "\n".join(lines)


def _step(step: StepReview) -> Iterator[str]:
    title = f"{click.style(step.revision, bold=True)} {step.description}".rstrip()
    yield f"{title}  {click.style(shorten(step.path), dim=True)}"
    yield from (indent(_finding(it), "  ") for it in step.findings if it.silenced is None)
    silenced = [f"  {it.rule}{_line(it)} is allowed: {it.silenced}" for it in step.findings if it.silenced]
    if silenced:
        yield click.style("\n".join(silenced), dim=True)
    if unwatched := _unwatched(step):
        yield click.style("\n".join(f"  {line}" for line in unwatched), dim=True)


def _unwatched(step: StepReview) -> list[str]:
    """What of a step was not seen, and why; a line each."""
    lines = [
        f"statement {it.position}{_line(it)}, was not watched, for it fails in an empty database: {it.error}"
        for it in step.statements
        if it.error is not None
    ]
    return [*lines, *([f"not seen to its end: {step.unseen}"] if step.unseen else [])]


def _finding(finding: Finding) -> str:
    severity = click.style(finding.severity.value, fg=_COLOURS.get(finding.severity))
    lines = [f"{severity} {click.style(finding.rule, bold=True)}{_line(finding)}", f"  {finding.hazard}"]
    if finding.lock is not None:
        lines.append(f"  lock:    {finding.lock.mode.sql} on {finding.lock.relation}")
    if finding.blocks:
        lines.append(f"  blocks:  {finding.blocks}")
    if finding.recipe:
        lines += ["  instead:", indent(finding.recipe.strip("\n"), "    ")]
    lines.append(f"  see:     {RULES[finding.rule].page}")
    lines.append(f"  or keep: {comment(finding)}")
    return "\n".join(lines)


def _line(at: Finding | StatementReview) -> str:
    return f", line {at.line}" if at.line is not None else ""
