"""``review.md``: a bundle's report, for a pull request or a ticket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.bundle.alterations import Fate
from headway.bundle.report import BLOCKED, EFFORTS
from headway.results import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.bundle.alterations import TableChange
    from headway.bundle.report import Report, Reviewed
    from headway.results import Finding, Loss, StatementReview

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~])")
_SIGNS = {Fate.NEW: "+", Fate.GONE: "-", Fate.CHANGED: "~", Fate.SAME: " "}


def markdown(report: Report) -> str:
    """The report as Markdown (GitHub's dialect); what it quotes cannot become markup."""
    content = report.content
    first, last = (", ".join(rows) or "base" for rows in (content.base, content.goal))
    parts = [
        f"# Migration from {code(first)} to {code(last)}\n",
        f"{_watched(report)}\n",
        *_overview(report),
        *_applying(),
        *(line for each in report.upgrade for line in _step(report, each)),
        *_tables(report),
        *_scripts(report),
    ]
    return "\n".join(parts) + "\n"


def text(value: str) -> str:
    """A text on one line, in which nothing is markup."""
    line = " ".join(value.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", line)


def code(value: str) -> str:
    """A text on one line as code; fit for a table."""
    line = " ".join(value.split()).replace("|", "¦")
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def block(value: str, language: str) -> str:
    """Lines of code."""
    fence = "`" * max(3, _longest_run(value) + 1)
    return f"{fence}{language}\n{value}\n{fence}"


def _longest_run(value: str) -> int:
    return max((len(run) for run in re.findall("`+", value)), default=0)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _watched(report: Report) -> str:
    if report.oracle:
        return f"Locks, rewrites and scans as seen on {text(report.oracle)}, in an empty database."
    return f"Nobody was watched running this ({text(report.unwatched or '')}): no locks are told."


def _overview(report: Report) -> Iterator[str]:
    yield "## Overview\n"
    yield from _table(
        ["", "Revision", "What it does", "Strongest lock", "Effort", "Findings", "Data lost"],
        [
            [
                str(each.step.number),
                code(each.step.revision),
                text(each.step.description) + ("" if each.step.transactional else " (not transactional)"),
                _lock(each),
                EFFORTS[each.effort] if each.effort else "—",
                _counts(each),
                text(", ".join(_lost(loss) for loss in each.review.losses)) or "—",
            ]
            for each in report.upgrade
        ],
    )


def _applying() -> Iterator[str]:
    yield "## Applying it\n"
    yield block(
        "psql -X -v ON_ERROR_STOP=1 -d DATABASE -f upgrade.sql\n"
        "headway verify --bundle .          # afterwards\n"
        "psql -X -v ON_ERROR_STOP=1 -d DATABASE -f rollback.sql   # the way back",
        "sh",
    )
    yield ""


def _step(report: Report, each: Reviewed) -> Iterator[str]:
    step = each.step
    yield f"## {step.number}. {code(step.revision)} {text(step.description)}\n"
    yield f"{code(step.path.as_posix())}\n"
    if step.by_hand:
        yield f"**Manual step:** {text(step.unseen or '')}. The script stops before it.\n"
        yield block(step.source.rstrip(), "sql" if step.path.suffix == ".sql" else "python") + "\n"
    if step.asked_offline:
        yield "It asks whether it is offline, so headway may do more than is shown here.\n"
    for finding in each.review.findings:
        yield from _finding(finding)
    for loss in each.review.losses:
        yield f"- **Data lost:** {text(_lost(loss))}"
    if each.review.losses:
        yield ""
    for statement in each.review.statements:
        yield from _statement(statement)
    back = report.rollback.get(step.revision)
    if back is not None and back.by_hand:
        yield f"**No way back in rollback.sql:** {text(back.unseen or '')}.\n"
    elif back is not None:
        yield "The way back:\n"
        yield block(";\n".join(it.sql for it in back.statements) + ";", "sql") + "\n"


def _finding(finding: Finding) -> Iterator[str]:
    said = "silenced" if finding.silenced is not None else finding.severity.value
    yield f"- **{said}** {code(finding.rule)}: {text(finding.hazard)} {text(finding.blocks)}".rstrip()
    if finding.silenced is not None:
        yield f"  Reason: {text(finding.silenced)}"
    if finding.recipe:
        yield ""
        yield "\n".join(f"  {line}" for line in block(finding.recipe, "python").splitlines())
    yield ""


def _statement(statement: StatementReview) -> Iterator[str]:
    yield block(f"{statement.sql};", "sql")
    if statement.traced:
        locks = [f"{lock.mode.sql} on {code(lock.relation)}" for lock in statement.locks]
        yield f"\n{', '.join(locks) or 'No lock on anything that was there'}; {EFFORTS[statement.effort]}.\n"
    else:
        yield ""


def _tables(report: Report) -> Iterator[str]:
    yield "## Tables before and after\n"
    if report.drawn.undrawn is not None:
        yield f"Not drawn: {text(report.drawn.undrawn)}.\n"
        return
    for change in report.drawn.changes:
        yield f"### {code(change.name)} {change.fate.value}\n"
        yield block("\n".join(_diff(change)), "diff") + "\n"
    if not report.drawn.changes:
        yield "No table comes, goes or changes.\n"


def _diff(change: TableChange) -> Iterator[str]:
    for line in (*change.columns, *change.rules):
        if line.fate is Fate.CHANGED:
            yield f"- {line.name} {line.before}"
            yield f"+ {line.name} {line.after}"
        else:
            yield f"{_SIGNS[line.fate]} {line.name} {line.after or line.before}"


def _scripts(report: Report) -> Iterator[str]:
    yield "## Files\n"
    yield from _table(
        ["File", "SHA-256"], [[code(name), code(hash_)] for name, hash_ in report.scripts.items()]
    )


def _lock(each: Reviewed) -> str:
    mode = each.strongest
    if mode is None:
        return "none" if each.effort else "—"
    waits = BLOCKED.get(mode)
    return f"{mode.sql} ({waits})" if waits else mode.sql


def _counts(each: Reviewed) -> str:
    counts = {kind: each.count(kind) for kind in (Severity.ERROR, Severity.WARNING)}
    said = [f"{count} {kind.value}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
    return ", ".join(said) or "none"


def _lost(loss: Loss) -> str:
    return f"{loss.kind} {loss.what}"
