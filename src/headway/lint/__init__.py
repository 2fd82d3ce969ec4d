"""Lint: what of a revision would hurt a live database, or the code that runs on it.

Pure: it is handed what is known of a step, and hands back findings. PostgreSQL's own parser reads the
statements (extra ``lint``); where PostgreSQL was watched running them, what it did decides.
"""

from __future__ import annotations

from headway.lint.examination import examine, explained
from headway.lint.fixing import Fixed, fix
from headway.lint.formats import github, gitlab, sarif
from headway.lint.policy import Policy, read_policy
from headway.lint.rules import RULES, Rule
from headway.lint.schema import Schema
from headway.lint.silencing import comment
from headway.lint.subject import Subject

__all__ = [
    "RULES",
    "Fixed",
    "Policy",
    "Rule",
    "Schema",
    "Subject",
    "comment",
    "examine",
    "explained",
    "fix",
    "github",
    "gitlab",
    "read_policy",
    "sarif",
]
