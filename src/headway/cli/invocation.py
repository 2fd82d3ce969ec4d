"""What was said on the command line before any verb's own options: where, which, and how loud."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Colour(StrEnum):
    """When output is coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(slots=True)
class Invocation:
    """The global options. They may stand before or after the verb, so they are gathered as they are met.

    Attributes:
        config: the project's ``alembic.ini``, ``pyproject.toml`` or directory; ``None`` finds it.
        directory: a folder of SQL revisions, in place of a configuration.
        section: the ini section.
        x_arguments: Alembic's ``-x`` arguments, as ``KEY=VALUE``.
        url: the database, when given as an argument; never shown (it may hold a password).
        environment: overrides ``APP_ENVIRONMENT``.
        verbose: log lines, and the traceback of an error.
        quiet: only data and errors.
        json: one JSON document on stdout instead of text.
        color: when output is coloured.
    """

    config: Path | None = None
    directory: Path | None = None
    section: str = "alembic"
    x_arguments: list[str] = field(default_factory=list)
    url: str | None = field(default=None, repr=False)
    environment: str | None = None
    verbose: bool = False
    quiet: bool = False
    json: bool = False
    color: Colour = Colour.AUTO


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` stands anywhere before a ``--``.

    Asked of the raw arguments, because a usage error must come out as JSON too, and it may stand left of
    the flag.
    """
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own
