"""How long a run may wait, where its command does not say (``HEADWAY_LOCK_WAIT`` and its sisters)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from headway.errors import ConfigurationError
from headway.results import RunOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMITS = ("HEADWAY_LOCK_WAIT", "HEADWAY_LOCK_TIMEOUT", "HEADWAY_STATEMENT_TIMEOUT")

# PostgreSQL's names of units (manual, section 20.1.1). A bare number would be seconds to the command line's
# options and milliseconds to PostgreSQL, so only 0 may do without one.
_UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_WRITTEN = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS_MS)})|0", re.ASCII)
_LONGEST_MS = 2**31 - 1  # what PostgreSQL's timeouts hold


def read_limits(found: Mapping[str, tuple[str, str]]) -> RunOptions:
    """Read the variables of :data:`LIMITS`.

    Args:
        found: for each that is set, what its source is called, and its value.

    Raises:
        ConfigurationError: one is not a duration with its unit.
    """
    values = {name: _milliseconds(*written) for name, written in found.items()}
    wait_ms, lock_timeout_ms, statement_timeout_ms = (values.get(name) for name in LIMITS)
    return RunOptions(
        lock_wait_s=None if wait_ms is None else wait_ms / 1000,
        lock_timeout_ms=lock_timeout_ms,
        statement_timeout_ms=statement_timeout_ms,
    )


def _milliseconds(source: str, value: str) -> int:
    match = _WRITTEN.fullmatch(value.strip())
    # Upwards: what is less than a millisecond must not become 0, which is no limit.
    found = None if match is None else math.ceil(float(match[1] or 0) * _UNITS_MS[match[2] or "ms"])
    if found is None or found > _LONGEST_MS:
        problem = "is longer than 24 days" if match else "is not a duration with its unit (ms, s, min, h, d)"
        raise ConfigurationError(source, f"{value!r} {problem}", example="500ms, 2s, 10min, or 0")
    return found
