"""How bad each rule is in a project, and from when on lint fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING

from headway.errors import ConfigurationError
from headway.lint.rules import RULES
from headway.results import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

FAIL_ON = "fail-on"
"""The one key of the configuration that is no rule."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a project says of the rules.

    Attributes:
        severities: of the rules that it speaks of; the others keep their own.
        fail_on: the least severity that lets lint fail; ``OFF`` when none does.
    """

    severities: Mapping[str, Severity] = field(default_factory=lambda: MappingProxyType({}))
    fail_on: Severity = Severity.ERROR

    def severity(self, slug: str) -> Severity:
        """How bad a rule is here."""
        return self.severities.get(slug, RULES[slug].severity)


def read_policy(said: Mapping[str, object], *, where: str, beneath: Policy | None = None) -> Policy:
    """Read a project's configuration: a severity for each rule it speaks of, and ``fail-on``.

    Args:
        said: rule slugs, or ``fail-on``, with ``error``, ``warning`` or ``off``.
        where: how a user calls the place, such as ``pyproject.toml: [tool.headway.lint]``.
        beneath: what holds where this place says nothing.

    Raises:
        ConfigurationError: a key names no rule (the nearest are suggested), or a value is no severity.
    """
    beneath = beneath or Policy()
    severities = {_rule(key, where): _severity(key, value, where) for key, value in said.items()}
    fail_on = severities.pop(FAIL_ON, beneath.fail_on)
    return Policy(MappingProxyType({**beneath.severities, **severities}), fail_on)


def nearest(slug: str) -> str:
    """What somebody who wrote ``slug`` may have meant, as the end of a sentence; "" when nothing is near."""
    close = get_close_matches(slug, [*RULES, FAIL_ON], n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _rule(key: str, where: str) -> str:
    slug = key.replace("_", "-")
    if slug != FAIL_ON and slug not in RULES:
        raise ConfigurationError(
            where, f"there is no rule {key!r}{nearest(slug)}", example=f'{FAIL_ON} = "warning"'
        )
    return slug


def _severity(key: str, value: object, where: str) -> Severity:
    try:
        return Severity(str(value).strip().strip("\"'").lower())
    except ValueError:
        words = ", ".join(severity.value for severity in Severity)
        raise ConfigurationError(
            where, f"{key} is one of {words}, not {value!r}", example=f'{key} = "warning"'
        ) from None
