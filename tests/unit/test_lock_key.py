from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.lock import lock_key
from headway.project import VersionTable

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=63)


@pytest.mark.parametrize(
    ("database", "table", "key"),
    [
        ("app", VersionTable(), 7765537273067535364),
        ("app", VersionTable(schema="public"), 9006205095418538315),
        ("app", VersionTable("alembic_version", "tenant_7"), 6650316554801112363),
        ("app", VersionTable("versions", "public"), 4821057293511422234),
        ("other", VersionTable(schema="public"), -4055491018852597893),
        ("größe", VersionTable(schema="schéma"), 7104632201843014872),
    ],
)
def test_the_key_is_the_same_in_every_release(database: str, table: VersionTable, key: int) -> None:
    # Never change these: a release with other keys and one with these would migrate side by side.
    assert lock_key(database, table) == key


@given(NAMES, NAMES, NAMES)
def test_the_key_is_one_that_postgresql_takes(database: str, schema: str, name: str) -> None:
    assert -(2**63) <= lock_key(database, VersionTable(name, schema)) < 2**63


def test_parts_of_a_name_do_not_run_into_each_other() -> None:
    keys = {
        lock_key("ab", VersionTable("d", "c")),
        lock_key("a", VersionTable("d", "bc")),
        lock_key("a", VersionTable("cd", "b")),
        lock_key("a", VersionTable("bcd")),
    }
    assert len(keys) == 4
