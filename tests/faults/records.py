"""What came of the experiments: written down by every worker, drawn as one table."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from invariants import INVARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULTS = "HEADWAY_FAULTS_RESULTS"
"""Names the folder that results are written to; nowhere when it is not set."""


LEFT_OUT = ".left_out"
MINUTES = float(os.environ.get("HEADWAY_FAULTS_MINUTES", "27"))
"""How long a run goes on trying; what is under way then, and starting and ending, take some more."""


@dataclass(frozen=True)
class Record:
    """One fault that was injected."""

    fault: str
    moment: str
    way: str
    boundary: str | None
    number: int
    code: int
    violations: dict[str, list[str]] = field(default_factory=dict)
    seconds: tuple[float, ...] = ()


@dataclass
class Records:
    """Those of one worker."""

    path: Path | None
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of_environment(cls) -> Records:
        """Where the environment says."""
        folder = os.environ.get(RESULTS)
        if not folder:
            return cls(None)
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        Path(folder).mkdir(parents=True, exist_ok=True)
        return cls(Path(folder) / f"{worker}.jsonl")

    @property
    def is_late(self) -> bool:
        """Whether the run has had its time (``MINUTES``), so that what is still to do is left out."""
        return time.monotonic() - self.began > MINUTES * 60

    def leave_out(self) -> None:
        """Write down that a fault was not tried, for want of time."""
        if self.path is not None:
            with self.path.with_suffix(LEFT_OUT).open("a", encoding="utf-8") as lines:
                lines.write("left out\n")

    def add(self, record: Record) -> None:
        """Write one down."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(dataclasses.asdict(record)) + "\n")


def read(folder: Path) -> list[Record]:
    """All of a run."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [Record(**json.loads(line)) for line in lines]


def left_out(folder: Path) -> int:
    """How many faults of a run were not tried."""
    return sum(len(path.read_text("utf-8").splitlines()) for path in folder.glob(f"*{LEFT_OUT}"))


def rows(records: Iterable[Record]) -> list[dict[str, object]]:
    """One row for each fault and boundary: how many, and how many violations of each invariant."""
    counted: Counter[tuple[str, str]] = Counter()
    broken: Counter[tuple[str, str, str]] = Counter()
    for record in records:
        name = f"{record.fault}, {record.moment}" if record.moment else record.fault
        place = (name, record.boundary or "-")
        counted[place] += 1
        broken.update((*place, invariant) for invariant in record.violations)
    return [
        {
            "fault": fault,
            "boundary": boundary,
            "injected": number,
            **{name: broken[fault, boundary, name] for name in INVARIANTS},
        }
        for (fault, boundary), number in sorted(counted.items())
    ]
