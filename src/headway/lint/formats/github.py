"""Annotations of a pull request (GitHub's documentation, workflow commands)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint.formats.places import every, relative, told
from headway.lint.rules import RULES

if TYPE_CHECKING:
    from pathlib import Path

    from headway.results import Finding, LintReport


def github(report: LintReport, root: Path) -> str:
    """One workflow command a finding, silenced ones as notices; "" when there is none.

    Args:
        report: what lint found.
        root: the repository's root, from which paths are said.
    """
    return "".join(f"{_command(finding, root)}\n" for finding in every(report))


def _command(finding: Finding, root: Path) -> str:
    level = "notice" if finding.silenced is not None else finding.severity.value
    properties = {"file": relative(finding.path, root)}
    if finding.line is not None:
        properties["line"] = str(finding.line)
    properties["title"] = f"{finding.rule}: {RULES[finding.rule].title}"
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {said}::{_data(told(finding))}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
