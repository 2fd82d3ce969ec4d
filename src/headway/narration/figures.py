"""Durations, sizes and shares, as people read them."""

from __future__ import annotations

_MS_PER_SECOND = 1000
_SECONDS_PER_MINUTE = 60
_UNITS = ("B", "kB", "MB", "GB", "TB")
_UNIT_STEP = 1024
"""PostgreSQL's own step for kB, MB, ... (pg_size_pretty)."""


def readable_duration(milliseconds: float) -> str:
    """A duration for people: ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if milliseconds < _MS_PER_SECOND:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / _MS_PER_SECOND
    if seconds < _SECONDS_PER_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _SECONDS_PER_MINUTE)
    return f"{minutes} min {rest} s"


def readable_size(size: int) -> str:
    """A size for people, in PostgreSQL's units: ``512 B``, ``48 kB``, ``3.2 MB``."""
    amount, unit = float(size), 0
    while amount >= _UNIT_STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _UNIT_STEP, unit + 1
    text = f"{amount:.1f}".removesuffix(".0")
    return f"{text} {_UNITS[unit]}"


def share(done: int, total: int) -> float:
    """How much of the whole is done, from 0 to 1; PostgreSQL's counts may run past their total."""
    return min(done / total, 1.0) if total > 0 else 0.0
