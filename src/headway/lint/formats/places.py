"""Where findings are, in a repository; and what tells one from another from run to run."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from headway.results import Finding, LintReport


def relative(path: Path, root: Path) -> str:
    """A file's path from the repository's root, with slashes; as it is where it lies elsewhere."""
    absolute = path.absolute()
    return (
        absolute.relative_to(root.absolute()) if absolute.is_relative_to(root.absolute()) else path
    ).as_posix()


def every(report: LintReport) -> list[Finding]:
    """All findings in the order of their steps, silenced ones too."""
    return [finding for step in report.steps for finding in step.findings]


def told(finding: Finding) -> str:
    """A finding in one text: the hazard, whom it blocks, and the recipe."""
    lines = [finding.hazard]
    if finding.lock is not None:
        lines.append(f"{finding.lock.mode.sql} on {finding.lock.relation}" + _blocks(finding))
    if finding.silenced is not None:
        lines.append(f"silenced: {finding.silenced}")
    elif finding.recipe:
        lines += ["", finding.recipe]
    return "\n".join(lines)


def _blocks(finding: Finding) -> str:
    return f": {finding.blocks}" if finding.blocks else ""


def fingerprinted(findings: Iterable[Finding], root: Path) -> Iterator[tuple[Finding, str]]:
    """Each finding with what it is recognised by: it stays the same when lines move."""
    seen: Counter[str] = Counter()
    for finding in findings:
        said = "\0".join([finding.rule, finding.revision, relative(finding.path, root), finding.hazard])
        seen[said] += 1
        yield finding, hashlib.sha256(f"{said}\0{seen[said]}".encode()).hexdigest()
