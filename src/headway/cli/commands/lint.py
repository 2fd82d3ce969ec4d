"""The verb that judges revisions: lint."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli import documents, findings
from headway.cli.failure import shorten
from headway.cli.options import Example, Verb
from headway.cli.sitting import sitting
from headway.errors import ExitCode
from headway.lint import github, gitlab, sarif
from headway.results import Severity

if TYPE_CHECKING:
    from headway import Migrator
    from headway.cli.invocation import Invocation
    from headway.cli.sitting import Sitting
    from headway.results import LintReport


class Format(StrEnum):
    """How the report is written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    GITLAB = "gitlab"


_WRITERS = {Format.GITHUB: github, Format.SARIF: sarif, Format.GITLAB: gitlab}


@click.command(
    cls=Verb,
    examples=[
        Example("headway lint", "every revision"),
        Example("headway lint --git-base origin/main", "what a branch adds, or changes"),
        Example("headway lint 3f2a:head", "what comes after 3f2a"),
        Example("headway lint --format sarif -o lint.sarif", "for a code host"),
    ],
)
@click.argument("selection", nargs=-1, metavar="[[FROM:]TO | FILE...]")
@click.option(
    "--git-base", metavar="REF", help="Only revisions whose files are not in this commit, or differ."
)
@click.option("--scratch-url", metavar="URL", help="Watch them in a database of our own on this server.")
@click.option("--no-scratch", is_flag=True, help="Ask no server: judge the text of the statements alone.")
@click.option(
    "--format",
    "written",
    type=click.Choice([item.value for item in Format]),
    default=Format.TEXT.value,
    help="How the report is written. Default: text.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file."
)
@click.option(
    "--fail-on",
    type=click.Choice([item.value for item in Severity]),
    help="The least severity that lets it exit 6. Default: error, or what the configuration says.",
)
@click.option("--fix", is_flag=True, help="First rewrite what has a mechanical safe form; see git diff.")
@click.pass_obj
def lint(  # noqa: PLR0913  # one for each option
    invocation: Invocation,
    selection: tuple[str, ...],
    *,
    git_base: str | None,
    scratch_url: str | None,
    no_scratch: bool,
    written: str,
    output: Path | None,
    fail_on: str | None,
    fix: bool,
) -> ExitCode:
    """Say what of the revisions would hurt a live database, or the code that runs on it; exit 6 if anything.

    Every revision is run in a scratch database, of an embedded server or on --scratch-url, and PostgreSQL is
    watched: what each statement locks, writes anew and reads through. No other database is touched. A comment
    in the revision keeps a finding, with a reason: # headway: allow RULE: REASON
    """
    span, files = _selected(selection, git_base)
    if scratch_url and no_scratch:
        raise click.UsageError("--scratch-url names a server, and --no-scratch asks none.")
    scratch = None if no_scratch else scratch_url or "embedded"
    with sitting(invocation) as desk:
        if fix:
            _fix(desk, span, git_base, files)
        report = desk.run(desk.migrator.lint(span, git_base=git_base, files=files, scratch=scratch))
        if fail_on:
            report = replace(report, fail_on=Severity(fail_on))
        chosen = Format.JSON if desk.terminal.json else Format(written)
        _hand_over(desk, _written(desk.migrator, report, chosen), output)
        if chosen is not Format.JSON:
            desk.terminal.say(findings.verdict(report))
        return ExitCode.FINDINGS if report.failed else ExitCode.DONE


def _selected(words: tuple[str, ...], git_base: str | None) -> tuple[str | None, tuple[Path, ...]]:
    """A span, or files: what there is a file of is one."""
    files = tuple(
        Path(word) for word in words if Path(word).suffix in {".py", ".sql"} or Path(word).is_file()
    )
    spans = [word for word in words if Path(word) not in files]
    if len(spans) + bool(files) + bool(git_base) > 1:
        raise click.UsageError("Say which revisions by one range, by files, or by --git-base.")
    return (spans[0] if spans else None), files


def _fix(desk: Sitting, span: str | None, git_base: str | None, files: tuple[Path, ...]) -> None:
    found = desk.run(desk.migrator.lint(span, git_base=git_base, files=files, scratch=None))
    for path, done in desk.run(desk.migrator.mend(found)):
        desk.terminal.say(f"{shorten(path)}: {done}")


def _written(migrator: Migrator, report: LintReport, chosen: Format) -> str:
    if chosen is Format.JSON:
        return documents.render(documents.describe(report, "findings", "silenced", "failed"))
    if chosen is Format.TEXT:
        return findings.findings(report)
    return _WRITERS[chosen](report, _repository(migrator.project.root))


def _repository(root: Path) -> Path:
    """The folder that paths are said from: of the checkout, where there is one."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def _hand_over(desk: Sitting, text: str, output: Path | None) -> None:
    if output is None:
        desk.terminal.answer(text.removesuffix("\n"))
        return
    text = click.unstyle(text)
    output.write_text(text if text.endswith("\n") or not text else f"{text}\n", encoding="utf-8")
    desk.terminal.say(f"written: {shorten(output)}")
