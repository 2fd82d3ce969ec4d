"""The laboratory of a worker; the whole suite with ``HEADWAY_FAULTS=whole``, a sample of it without.

A plugin (``tests/conftest.py`` names it) and no conftest: there would be two modules of that name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laboratory import Laboratory

WHOLE = os.environ.get("HEADWAY_FAULTS") == "whole"
_HERE = Path(__file__).parent
_LONG = {"test_hostile_settings", "test_many_migrators", "test_network_and_server", "test_own_server"}


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path == _HERE / "test_own_server.py" and not WHOLE else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.faults)
    if WHOLE:
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, int]:
    """When a test runs: what takes long by itself first, what is quick last, for none to idle at the end.

    Between them comes what time may cut short, a part of each kind after the other.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "part" in callspec.params:
        return 1, callspec.params["part"]
    return 0 if item.path.stem in _LONG else 2, 0


@pytest.fixture(scope="session")
def laboratory(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    from laboratory import equipped
    from records import Records

    with equipped(server_url, tmp_path_factory.mktemp("faults") / "project", Records.of_environment()) as it:
        yield it
