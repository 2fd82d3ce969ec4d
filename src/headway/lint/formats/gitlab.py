"""GitLab's Code Quality report: a list of issues (GitLab's documentation, Code Quality report format)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from headway.lint.formats.places import every, fingerprinted, relative, told
from headway.results import Severity

if TYPE_CHECKING:
    from pathlib import Path

    from headway.results import Finding, LintReport

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor"}


def gitlab(report: LintReport, root: Path) -> str:
    """One issue a finding, silenced ones as ``info``; an empty list when there is none.

    Args:
        report: what lint found.
        root: the repository's root, from which paths are said.
    """
    issues = [_issue(finding, mark, root) for finding, mark in fingerprinted(every(report), root)]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, fingerprint: str, root: Path) -> dict[str, Any]:
    return {
        "description": told(finding),
        "check_name": finding.rule,
        "fingerprint": fingerprint,
        "severity": "info" if finding.silenced is not None else _SEVERITIES[finding.severity],
        "location": {"path": relative(finding.path, root), "lines": {"begin": finding.line or 1}},
    }
