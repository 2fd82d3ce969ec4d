"""One step looked at by every rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.lint.policy import Policy
    from headway.lint.subject import Subject
    from headway.results import Finding, StatementReview


def examine(subject: Subject, policy: Policy | None = None) -> tuple[Finding, ...]:
    """What is amiss with one step of a revision; nothing when nothing is.

    Silenced findings are among them, with their reasons.

    Args:
        subject: the step and what is known around it.
        policy: how bad each rule is; as ``RULES`` has it when ``None``.

    Raises:
        ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
    """
    del subject, policy
    return ()


def explained(subject: Subject) -> tuple[StatementReview, ...]:
    """The step's statements; those that nobody watched with the locks, scans and rewrites their text tells.

    Raises:
        ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
    """
    return subject.step.statements
