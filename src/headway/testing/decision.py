"""Deciding what a suite asks for, from pytest's configuration."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.testing.wishes import Isolation, Provider, Wishes

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True, slots=True)
class Wish:
    """What one test asks for."""

    isolation: Isolation
    revision: str


def decide(config: pytest.Config) -> Wishes:
    """Climb the ladder: an explicit URL, Docker when it is asked for, else the embedded server."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        return Wishes.unpacked(worker["headway"], worker=worker["workerid"])
    return Wishes(
        run_id=secrets.token_hex(8),
        worker="main",
        root=str(config.rootpath),
        config=config.getini("headway_config") or None,
        provider=Provider.EMBEDDED,
        source="the default",
        url=None,
        image=None,
        isolation=Isolation(
            config.getoption("headway_isolation") or config.getini("headway_isolation") or Isolation.RESET
        ),
    )


def wish_of(item: pytest.Item, wishes: Wishes) -> Wish:
    """What a test's marker says, or the suite where it says nothing."""
    marker = item.get_closest_marker("headway")
    said = dict(marker.kwargs) if marker is not None else {}
    empty = "headway_migrator" in getattr(item, "fixturenames", ())
    return Wish(
        Isolation(said.get("isolation", wishes.isolation)),
        said.get("revision", "base" if empty else "heads"),
    )
