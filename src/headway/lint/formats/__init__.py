"""Lint's report for those who read it by machine: annotations of GitHub, SARIF, GitLab's Code Quality."""

from __future__ import annotations

from headway.lint.formats.github import github
from headway.lint.formats.gitlab import gitlab
from headway.lint.formats.sarif import sarif

__all__ = ["github", "gitlab", "sarif"]
