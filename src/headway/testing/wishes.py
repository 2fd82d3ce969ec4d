"""What a test suite asks for: its options and ini values, as plain data that travels to xdist's workers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Provider(StrEnum):
    """Where the server comes from."""

    URL = "url"
    DOCKER = "docker"
    EMBEDDED = "embedded"
    SQLITE = "sqlite"
    """No server: a file for each test."""


class Isolation(StrEnum):
    """How a test gets a clean database."""

    RESET = "reset"
    CLONE = "clone"
    SAVEPOINT = "savepoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for; the same in every process of a run.

    Attributes:
        run_id: names the run: that of xdist, or one of our own.
        worker: which process of the run this is: xdist's ``gw0``, or ``main``.
        root: where the search for the project's configuration begins: pytest's rootdir.
        config: the project's configuration, when it is named.
        provider: the rung that was decided on.
        source: what decided it, for people: ``--headway-database-url``, ``headway_image``, …
        url: of the server, when it was given one; **secret**. ``None`` on SQLite.
        image: of the container, when one was pinned.
        isolation: for tests whose marker says nothing.
        keep: whether a failing test's database is kept.
        drop_kept: whether those that earlier runs kept are dropped.
        rebuild: whether templates that earlier runs built are built anew.
    """

    run_id: str
    worker: str
    root: str
    config: str | None
    provider: Provider
    source: str
    url: str | None = field(repr=False)
    image: str | None
    isolation: Isolation
    keep: bool = False
    drop_kept: bool = False
    rebuild: bool = False

    def packed(self) -> dict[str, Any]:
        """As what execnet can send."""
        return {name: str(it) if isinstance(it, StrEnum) else it for name, it in asdict(self).items()}

    @classmethod
    def unpacked(cls, packed: dict[str, Any], *, worker: str) -> Wishes:
        """What :meth:`packed` made of it, in another process."""
        enums = {"provider": Provider(packed["provider"]), "isolation": Isolation(packed["isolation"])}
        return cls(**{**packed, **enums, "worker": worker})
