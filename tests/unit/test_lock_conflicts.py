"""Which locks two sessions cannot hold at a time: PostgreSQL's own table 13.2."""

from __future__ import annotations

import pytest

from headway import LockMode

# Each row of the table, as the manual prints it: an X for a conflict.
_TABLE = {
    LockMode.ACCESS_SHARE: "       X",
    LockMode.ROW_SHARE: "      XX",
    LockMode.ROW_EXCLUSIVE: "    XXXX",
    LockMode.SHARE_UPDATE_EXCLUSIVE: "   XXXXX",
    LockMode.SHARE: "  XX XXX",
    LockMode.SHARE_ROW_EXCLUSIVE: "  XXXXXX",
    LockMode.EXCLUSIVE: " XXXXXXX",
    LockMode.ACCESS_EXCLUSIVE: "XXXXXXXX",
}


@pytest.mark.parametrize("mode", LockMode)
def test_conflicts_are_those_of_the_manual(mode: LockMode) -> None:
    assert "".join("X" if mode.conflicts_with(other) else " " for other in LockMode) == _TABLE[mode]
