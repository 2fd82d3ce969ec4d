"""How a check ends that does not succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Sequence


class CheckFailedError(HeadwayError, AssertionError):
    """The migrations do not keep what a check asks of them.

    Attributes:
        check: the check's name.
        findings: what was found, a line each.
    """

    def __init__(self, check: str, message: str, findings: Sequence[str] = (), *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.check = check
        self.findings = tuple(findings)

    def facts(self) -> list[str]:
        """The findings, indented."""
        return [f"  {finding}" for finding in self.findings]


class NotApplicableError(HeadwayError):
    """A check does not apply, as the revision or the project declares; pytest shows it as skipped."""
