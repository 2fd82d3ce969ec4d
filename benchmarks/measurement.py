"""What a case measured, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Series:
    """One contender's values, one for each round."""

    contender: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)


@dataclass(frozen=True)
class Measurement:
    """Several contenders' values of one thing; less is better. Others are compared with the first.

    ``notes`` say what else follows from them, a line each.
    """

    what: str
    unit: str
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()

    def ratio(self, series: Series) -> float:
        """How many times the first contender's median this one's is."""
        return series.median / self.series[0].median

    def document(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "series": [
                {
                    "contender": series.contender,
                    "values": list(series.values),
                    "median": series.median,
                    "minimum": min(series.values),
                    "maximum": max(series.values),
                    "ratio": self.ratio(series),
                }
                for series in self.series
            ],
            "notes": list(self.notes),
        }

    def table(self) -> str:
        rounds = len(self.series[0].values)
        head = f"{f'{self.what}, {self.unit}':<44} {'median':>9} {'min':>9} {'max':>9} {'ratio':>8}"
        lines = [
            f"  {series.contender:<42} {series.median:>9.1f} {min(series.values):>9.1f} "
            f"{max(series.values):>9.1f} {self.ratio(series):>7.2f}x"
            for series in self.series
        ]
        return "\n".join(
            [
                head,
                *lines,
                f"  ({rounds} round{'' if rounds == 1 else 's'}, contenders in turn)",
                *(f"  {note}" for note in self.notes),
            ]
        )
