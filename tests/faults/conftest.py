"""The laboratory of a worker; the whole suite with ``HEADWAY_FAULTS=whole``, a sample of it without."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from laboratory import Laboratory, equipped
from records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = os.environ.get("HEADWAY_FAULTS") == "whole"
collect_ignore = [] if WHOLE else ["test_own_server.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.faults)
    if WHOLE:  # the longest last, and a part of each kind after the other: what time may cut short
        items.sort(key=lambda item: item.callspec.params["part"] if _is_long(item) else -1)


def _is_long(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and item.path.name == "test_boundaries.py"


@pytest.fixture(scope="session")
def laboratory(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with equipped(server_url, tmp_path_factory.mktemp("faults") / "project", Records.of_environment()) as it:
        yield it
