"""docs/observability.md says what the code tells: its tables and examples are held against it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from headway import Event, LockWaiting, RunFinished, RunStarted, StepBlocked
from headway.telemetry.logs import LEVELS, PREFIX, event_name, fields_of
from recorded_telemetry import Recorded, attributes
from sample_events import DATABASE, SAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
WITHIN_A_STEP = {"StepBlocked", "StepRetrying", "StepProgress", "StatementFinished", "Warned"}
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def rows(head: str) -> list[str]:
    """The rows of the table whose head begins so."""
    lines = iter(PAGE.splitlines())
    next(line for line in lines if line.startswith(head))
    next(lines)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append(line)
    return found


def words(text: str) -> set[str]:
    """What stands in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def first_column(head: str) -> set[str]:
    return set().union(*(words(cells(row)[0]) for row in rows(head)))


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """All that can be told, told: every kind of event within runs of every operation, good and bad."""
    made = Recorded()
    within = [event for event in SAMPLE if type(event).__name__ in WITHIN_A_STEP]
    by_name = {type(event).__name__: event for event in SAMPLE}
    for operation in ("upgrade", "downgrade", "stamp", "repair"):
        for ending in ("Finished", "Failed"):
            for event in (
                by_name["StartupBegan"],
                LockWaiting("run", DATABASE, None, 1.0),
                RunStarted("run", operation, DATABASE, 1),
                by_name["StepStarted"],
                *within,
                StepBlocked("run", "r1", (), 2.0),
                by_name[f"Step{ending}"],
                by_name[f"Run{ending}"],
                by_name[f"Startup{ending}"],
            ):
                made.listener(event)
    yield made
    made.close()


def test_every_event_stands_with_its_level_and_its_fields() -> None:
    sample = {type(event): event for event in SAMPLE}
    expected = [
        f"| `{event_name(kind)}` | {logging.getLevelName(LEVELS[kind])} | "
        + ", ".join(f"`{name.removeprefix(PREFIX)}`" for name in [*fields_of(sample[kind])][1:])
        + " |"
        for kind in get_args(Event)
    ]
    assert rows("| `headway_event` |") == expected


def test_every_field_is_explained() -> None:
    fields = {name.removeprefix(PREFIX) for event in SAMPLE for name in fields_of(event)} - {"event"}
    assert first_column("| field |") == fields


def test_every_span_stands_with_its_kind(recorded: Recorded) -> None:
    stated = {(name, cells(row)[1]) for row in rows("| span |") for name in words(cells(row)[0])}
    assert stated == {(span.name, span.kind.name.lower()) for span in recorded.spans()}


def test_every_attribute_of_a_span_is_explained(recorded: Recorded) -> None:
    assert first_column("| attribute |") == {name for span in recorded.spans() for name in attributes(span)}


def test_every_event_of_a_span_stands_with_its_attributes(recorded: Recorded) -> None:
    stated = {cells(row)[0].strip("`"): words(cells(row)[1]) for row in rows("| event of a span |")}
    assert stated == {
        event.name: {*(event.attributes or {})} for span in recorded.spans() for event in span.events
    }


def test_every_metric_stands_with_its_attributes(recorded: Recorded) -> None:
    common = {"headway.operation", "db.system.name", "db.namespace", "server.address", "server.port"}
    stated = {cells(row)[0].strip("`"): words(cells(row)[2]) for row in rows("| metric |")}
    measured = {
        name: set().union(*(set(point.attributes) - common for point in recorded.points(name)))
        for name in stated
    }
    assert stated == measured
    assert recorded.metrics() == set(stated)


def run_example(example: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{example}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_runs(example: str, project: ProjectFolder) -> None:
    done = run_example(example, project.root)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_for_json_writes_lines_of_json_with_the_facts(project: ProjectFolder) -> None:
    example = PAGE.split("<!-- json:begin -->")[1].split("<!-- json:end -->")[0].strip()
    event: Event = RunFinished("run", "upgrade", 2, 25.0)
    configured = example.removeprefix("```python").removesuffix("```")
    imports = "from headway import RunFinished\nfrom headway.telemetry import LogListener"
    done = run_example(f"{configured}\n{imports}\nLogListener()({event!r})", project.root)
    (line,) = done.stderr.splitlines()
    document = json.loads(line)
    assert (document["headway_event"], document["headway_steps"], document["level"]) == (
        "run_finished",
        2,
        "INFO",
    )
    assert document["message"] == "upgrade finished: 2 revisions in 25 ms"


def test_the_line_of_json_that_is_shown_has_the_fields_of_its_event() -> None:
    shown = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    (event,) = (event for event in SAMPLE if event_name(type(event)) == shown["headway_event"])
    assert {name for name in shown if name.startswith(PREFIX)} == {*fields_of(event)}
