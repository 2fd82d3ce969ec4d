"""What a case measured, and how far that is from its goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from processes import Ran


@dataclass(frozen=True)
class Series:
    """One contender's values, one for each round; only those of one group are comparable."""

    contender: str
    values: tuple[float, ...]
    group: str = ""
    cpu_ms: float | None = None
    """Median of what its process itself computed."""
    server_cpu_ms: float | None = None
    """Median of what the server computed meanwhile."""
    peak_mib: float | None = None
    """The most memory its process had."""

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The borders between which half of the values lie."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        lower, _, upper = quantiles(self.values, n=4, method="inclusive")
        return lower, upper


@dataclass(frozen=True)
class Goal:
    """What was aimed at, and what came out."""

    what: str
    measured: float
    at_most: float
    unit: str = "times"

    @property
    def met(self) -> bool:
        return self.measured <= self.at_most


@dataclass(frozen=True)
class Measurement:
    """Several contenders' values of one thing; less is better. In a group all are compared with its first.

    ``notes`` say what else is to be known, and ``left_out`` who does not take part and why: a line each.
    """

    what: str
    unit: str
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()
    goals: tuple[Goal, ...] = ()
    left_out: tuple[str, ...] = ()

    def ratio(self, series: Series) -> float:
        """How many times the median of its group's first contender this one's is."""
        first = next(each for each in self.series if each.group == series.group)
        return series.median / first.median

    def document(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "series": [
                {
                    "group": series.group,
                    "contender": series.contender,
                    "values": list(series.values),
                    "median": series.median,
                    "quartiles": list(series.quartiles),
                    "ratio": self.ratio(series),
                    "cpu_ms": series.cpu_ms,
                    "server_cpu_ms": series.server_cpu_ms,
                    "peak_mib": series.peak_mib,
                }
                for series in self.series
            ],
            "goals": [
                {
                    "what": goal.what,
                    "measured": goal.measured,
                    "at_most": goal.at_most,
                    "unit": goal.unit,
                    "met": goal.met,
                }
                for goal in self.goals
            ],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }


@dataclass
class Tally:
    """The values of a case, as they come."""

    _values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _processes: dict[tuple[str, str], list[Ran]] = field(default_factory=dict)
    _servers: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, contender: str, value: float, group: str = "") -> None:
        self._values.setdefault((group, contender), []).append(value)

    def add_process(
        self, contender: str, ran: Ran, group: str = "", *, server_cpu_ms: float | None = None
    ) -> None:
        """Take over a process's duration in milliseconds, and what else is known of it and of the server."""
        self.add(contender, ran.duration_ms, group)
        self._processes.setdefault((group, contender), []).append(ran)
        if server_cpu_ms is not None:
            self._servers.setdefault((group, contender), []).append(server_cpu_ms)

    def series(self) -> tuple[Series, ...]:
        """What came so far, groups in the order in which they began."""
        groups = list(dict.fromkeys(group for group, _ in self._values))
        return tuple(
            Series(
                contender,
                tuple(values),
                group,
                cpu_ms=median(ran.cpu_ms for ran in processes) if processes else None,
                server_cpu_ms=median(servers) if servers else None,
                peak_mib=max(ran.peak_mib for ran in processes) if processes else None,
            )
            for (group, contender), values in sorted(
                self._values.items(), key=lambda entry: groups.index(entry[0][0])
            )
            for processes, servers in [
                (self._processes.get((group, contender)), self._servers.get((group, contender)))
            ]
        )

    def get(self, contender: str, group: str = "") -> Series | None:
        """What came so far of one; ``None`` when it was not measured."""
        asked = (contender, group)
        return next((each for each in self.series() if (each.contender, each.group) == asked), None)


def server_cpu(series: Series) -> float:
    return series.server_cpu_ms or 0.0


def peak(series: Series) -> float:
    return series.peak_mib or 0.0


def goal(
    what: str,
    at_most: float,
    ours: Series | None,
    theirs: Series | None,
    figure: Callable[[Series], float] = attrgetter("median"),
) -> tuple[Goal, ...]:
    """A goal for the ratio of two series' figures; none when either was not measured."""
    if ours is None or theirs is None:
        return ()
    return (Goal(what, figure(ours) / figure(theirs), at_most),)
