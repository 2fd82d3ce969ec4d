"""Which locks two sessions cannot hold at a time: PostgreSQL's own table 13.2."""

from __future__ import annotations

import pytest

from headway import LockMode

# Each row of the table, as the manual prints it, with # for its X of a conflict.
_TABLE = {
    LockMode.ACCESS_SHARE: "       #",
    LockMode.ROW_SHARE: "      ##",
    LockMode.ROW_EXCLUSIVE: "    ####",
    LockMode.SHARE_UPDATE_EXCLUSIVE: "   #####",
    LockMode.SHARE: "  ## ###",
    LockMode.SHARE_ROW_EXCLUSIVE: "  ######",
    LockMode.EXCLUSIVE: " #######",
    LockMode.ACCESS_EXCLUSIVE: "########",
}


@pytest.mark.parametrize("mode", LockMode)
def test_conflicts_are_those_of_the_manual(mode: LockMode) -> None:
    assert "".join("#" if mode.conflicts_with(other) else " " for other in LockMode) == _TABLE[mode]
