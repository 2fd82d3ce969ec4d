"""``review.html``: a bundle's report as one page, which asks nobody for anything and runs no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from headway.bundle.graph_picture import graph_svg
from headway.bundle.page_style import STYLE
from headway.bundle.page_tables import changes
from headway.bundle.report import BLOCKED, EFFORTS
from headway.results import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.bundle.content import BundleStep
    from headway.bundle.report import Report, Reviewed
    from headway.results import Effort, Finding, LockMode, StatementReview

# A browser that keeps to it loads nothing from anywhere, whatever else the page may say.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_KEY = (
    '<p class="key"><span>● in one transaction</span><span>○ statement by statement</span>'
    "<span>amber: a manual step</span></p>"
)
_APPLY = """\
psql -X -v ON_ERROR_STOP=1 -d DATABASE -f upgrade.sql
headway verify --bundle .                                 # afterwards
psql -X -v ON_ERROR_STOP=1 -d DATABASE -f rollback.sql    # the way back"""


def page(report: Report) -> str:
    """The whole page; everything that is quoted is escaped."""
    content = report.content
    first, last = (", ".join(rows) or "base" for rows in (content.base, content.goal))
    title = f"Migration from {first} to {last}"
    parts = [
        *_head(report, title),
        *_overview(report),
        '<h2 id="graph">Revisions</h2>',
        f'<div class="wide">{graph_svg(content.base, content.upgrade, title)}</div>',
        _KEY,
        *changes(report.drawn),
        '<h2 id="steps">Steps</h2>',
        *(line for each in report.upgrade for line in _step(report, each)),
        *_files(report),
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f"</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(report: Report, title: str) -> Iterator[str]:
    content = report.content
    findings = [finding for each in report.upgrade for finding in each.review.findings]
    errors = sum(it.severity is Severity.ERROR and it.silenced is None for it in findings)
    warnings = sum(it.severity is Severity.WARNING and it.silenced is None for it in findings)
    facts = {
        "Revisions": str(len(content.upgrade)),
        "Findings": f"{errors} errors, {warnings} warnings",
        "Data lost by": f"{sum(each.loses for each in report.upgrade)} revisions",
        "Manual steps": str(sum(step.by_hand for step in content.upgrade)),
        "Cannot be undone": str(sum(step.by_hand for step in content.rollback)),
        "Made by": f"headway {content.setting.versions['headway']}",
    }
    yield f"<h1>{escape(title)}</h1>"
    if report.oracle:
        yield (
            f'<p class="quiet">Locks, rewrites and scans as seen on {escape(report.oracle)}, which ran every '
            "statement in an empty database. How long they last depends on the size of yours.</p>"
        )
    else:
        yield (
            f'<p class="note warn">Nobody was watched running this ({escape(report.unwatched or "")}), so '
            "no locks are told.</p>"
        )
    yield '<dl class="facts">'
    yield from (
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items()
    )
    yield f"</dl>\n<h4>Applying it</h4>\n<pre>{escape(_APPLY)}</pre>"


def _overview(report: Report) -> Iterator[str]:
    yield '<h2 id="overview">Overview</h2>\n<div class="wide"><table>'
    heads = ["", "Revision", "Strongest lock on what is there", "Effort", "Findings"]
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f"<thead><tr>{columns}</tr></thead>\n<tbody>"
    for each in report.upgrade:
        step = each.step
        marks = "".join(_marks(each, report.rollback.get(step.revision)))
        link = f'<a href="#step-{step.number}"><code>{escape(step.revision)}</code></a>'
        cells = [
            str(step.number),
            f"{link}<br>{escape(step.description)}{marks}",
            _lock(each.strongest, watched=each.effort is not None),
            _effort(each.effort),
            _counts(each),
        ]
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</tbody></table></div>"


def _marks(each: Reviewed, back: BundleStep | None) -> Iterator[str]:
    yield "<br>"
    if not each.step.transactional:
        yield _tag("not transactional", "")
    if each.step.by_hand:
        yield _tag("manual step", "warn")
    if each.review.losses:
        yield _tag("data lost", "bad") if each.loses else _tag("may lose data", "warn")
    if back is not None and back.by_hand:
        yield _tag("cannot be undone", "warn")


def _step(report: Report, each: Reviewed) -> Iterator[str]:
    step = each.step
    yield (
        f'<section><h3 id="step-{step.number}">{step.number}. <code>{escape(step.revision)}</code> '
        f'{escape(step.description)}</h3>\n<p class="quiet"><code>{escape(step.path.as_posix())}</code>; '
        f"{_limits(step)}</p>"
    )
    if step.by_hand:
        yield (
            '<div class="note warn"><p><strong>Manual step.</strong> '
            f"{escape(step.unseen or '')}. The script stops before it and says how to go on.</p></div>"
            f"<pre>{escape(step.source.rstrip())}</pre>"
        )
    if step.asked_offline:
        yield (
            '<div class="note warn"><p>It asks whether it is offline, so headway may do more than is shown '
            "here.</p></div>"
        )
    for finding in each.review.findings:
        yield from _finding(finding)
    if each.review.losses:
        losses = (f"<p>{escape(it.kind)} <code>{escape(it.what)}</code></p>" for it in each.review.losses)
        said = "Data lost" if each.loses else "May lose data"
        yield f'<div class="note bad"><p><strong>{said}</strong></p>{"".join(losses)}</div>'
    yield from (_statement(statement) for statement in each.review.statements)
    if not each.review.statements and not step.by_hand:
        yield '<p class="quiet">It sends nothing.</p>'
    yield from _back(report.rollback.get(step.revision))
    yield "</section>"


def _limits(step: BundleStep) -> str:
    how = "one transaction" if step.transactional else "each statement committed by itself"
    limit = step.timeouts.statement_timeout_ms
    whole = f", for a statement {limit} ms" if limit else ""
    return f"{how}; waits for a lock at most {step.lock_timeout_ms} ms{whole}"


def _finding(finding: Finding) -> Iterator[str]:
    severity = "bad" if finding.severity is Severity.ERROR else "warn"
    silenced = finding.silenced is not None
    said = "silenced" if silenced else finding.severity.value
    where = f" in statement {finding.statement}" if finding.statement is not None else ""
    yield (
        f'<div class="note {"" if silenced else severity}"><p>{_tag(said, "" if silenced else severity)}'
        f"<code>{escape(finding.rule)}</code>{where}</p><p>{escape(finding.hazard)}</p>"
    )
    if finding.blocks:
        yield f"<p>{escape(finding.blocks)}</p>"
    if finding.silenced is not None:
        yield f"<p>Silenced: {escape(finding.silenced)}</p>"
    if finding.recipe:
        yield f"<h4>The safe way</h4><pre>{escape(finding.recipe.strip())}</pre>"
    yield "</div>"


def _statement(statement: StatementReview) -> str:
    told = f'<span class="quiet">Statement {statement.position}</span> '
    if not statement.transactional:
        told += _tag("by itself", "")
    if statement.error:
        told += _tag("failed in the empty database", "warn") + escape(statement.error)
    elif statement.traced:
        told += _effort(statement.effort)
        told += "".join(
            f"{_tag(lock.mode.sql, _weight(lock.mode))}on {escape(lock.kind)} "
            f"<code>{escape(lock.relation)}</code> "
            for lock in statement.locks
        )
        told += "" if statement.locks else "no lock on anything that was there"
    return f'<div class="statement"><pre>{escape(statement.sql)};</pre><div>{told}</div></div>'


def _back(back: BundleStep | None) -> Iterator[str]:
    if back is None:
        return
    if back.by_hand:
        yield (
            '<div class="note warn"><p><strong>No way back in rollback.sql:</strong> '
            f"{escape(back.unseen or '')}.</p></div>"
        )
    elif back.statements:
        sql = "\n".join(f"{each.sql};" for each in back.statements)
        yield f"<details open><summary>The way back</summary><pre>{escape(sql)}</pre></details>"


def _files(report: Report) -> Iterator[str]:
    yield '<h2 id="files">Files</h2>\n<div class="wide"><table><thead><tr><th scope="col">File</th>'
    yield '<th scope="col">SHA-256</th></tr></thead><tbody>'
    for name, checksum in report.scripts.items():
        yield f"<tr><td><code>{escape(name)}</code></td><td><code>{escape(checksum)}</code></td></tr>"
    yield "</tbody></table></div>"


def _lock(mode: LockMode | None, *, watched: bool) -> str:
    if mode is None:
        return "none" if watched else "—"
    waits = BLOCKED.get(mode)
    return _tag(mode.sql, _weight(mode)) + (f'<br><span class="quiet">{waits}</span>' if waits else "")


def _weight(mode: LockMode) -> str:
    return "bad" if mode.blocks_reads else "warn" if mode.blocks_writes else ""


def _effort(effort: Effort | None) -> str:
    if effort is None:
        return "—"
    weights = {"metadata": "good", "scan": "warn", "rewrite": "bad"}
    return _tag(EFFORTS[effort], weights[effort.value])


def _counts(each: Reviewed) -> str:
    tags = [
        _tag(f"{count} {severity.value}{'s' if count > 1 else ''}", weight)
        for severity, weight in ((Severity.ERROR, "bad"), (Severity.WARNING, "warn"))
        if (count := each.count(severity))
    ]
    return "".join(tags) or "none"


def _tag(text: str, weight: str) -> str:
    return f'<span class="tag {weight}">{escape(text)}</span>'
