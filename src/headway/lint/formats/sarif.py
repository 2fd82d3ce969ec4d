"""SARIF 2.1.0 (OASIS), as code scanning services read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headway.lint.formats.places import every, fingerprinted, relative, told
from headway.lint.rules import RULES, Rule

if TYPE_CHECKING:
    from pathlib import Path

    from headway.results import Finding, LintReport

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


def sarif(report: LintReport, root: Path) -> str:
    """One log with one run; its results are empty when nothing was found. Silenced findings are suppressed.

    Args:
        report: what lint found.
        root: the repository's root, from which paths are said.
    """
    run = {
        "tool": {"driver": {"name": "headway", "rules": [_rule(rule) for rule in RULES.values()]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, mark, root) for finding, mark in fingerprinted(every(report), root)],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.slug,
        "name": "".join(word.capitalize() for word in rule.slug.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} See {rule.page}.", "markdown": f"{rule.why} See `{rule.page}`."},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(finding: Finding, fingerprint: str, root: Path) -> dict[str, Any]:
    place: dict[str, Any] = {
        "artifactLocation": {"uri": quote(relative(finding.path, root)), "uriBaseId": _ROOT}
    }
    if finding.line is not None:
        place["region"] = {"startLine": finding.line}
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": list(RULES).index(finding.rule),
        "level": finding.severity.value,
        "message": {"text": told(finding)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"headway/v1": fingerprint},
    }
    if finding.silenced is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.silenced}]
    return result
