"""The laboratory of a worker; the whole suite with ``HEADWAY_FAULTS=whole``, a sample of it without.

A plugin (``tests/conftest.py`` names it) and no conftest: there would be two modules of that name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laboratory import Laboratory

WHOLE = os.environ.get("HEADWAY_FAULTS") == "whole"
_HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path == _HERE / "test_own_server.py" and not WHOLE else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.faults)
    if WHOLE:  # the longest last, and a part of each kind after the other: what time may cut short
        items.sort(key=lambda item: int(str(item.callspec.params["part"])) if _is_long(item) else -1)


def _is_long(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and item.path == _HERE / "test_boundaries.py"


@pytest.fixture(scope="session")
def laboratory(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    from laboratory import equipped
    from records import Records

    with equipped(server_url, tmp_path_factory.mktemp("faults") / "project", Records.of_environment()) as it:
        yield it
