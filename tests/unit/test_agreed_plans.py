"""A run does at most what was agreed to."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway import Direction, Plan, RefusedError, Step
from headway.planning import require_agreed

_ONE = Step("r1", Direction.UPGRADE, "", Path("r1.py"), (), ("r1",), ())
_TWO = Step("r2", Direction.UPGRADE, "", Path("r2.py"), ("r1",), ("r2",), ("r1",))
_BOTH = Plan(Direction.UPGRADE, (_ONE, _TWO), (), ("r2",))
_REST = Plan(Direction.UPGRADE, (_TWO,), ("r1",), ("r2",))


def test_less_than_was_agreed_to_will_do() -> None:
    require_agreed(_BOTH, _BOTH)
    require_agreed(_REST, _BOTH)
    require_agreed(Plan(Direction.UPGRADE, (), ("r2",), ("r2",)), _BOTH)


def test_more_than_was_agreed_to_is_refused_by_name() -> None:
    with pytest.raises(RefusedError, match="r1 would now run too"):
        require_agreed(_BOTH, _REST)


def test_the_way_back_was_not_agreed_to_with_the_way_there() -> None:
    back = Step("r2", Direction.DOWNGRADE, "", Path("r2.py"), ("r2",), ("r1",), ("r1",))
    with pytest.raises(RefusedError, match="r2 would now run too"):
        require_agreed(Plan(Direction.DOWNGRADE, (back,), ("r2",), ("r1",)), _BOTH)
