"""Read pytest's JUnit reports: did a suite really run, and what do all of them add up to?

``counts.py suite REPORT [--may-skip REGEX]`` exits 1 when tests of ``tests/integration`` are missing or none
passed, or when a test was skipped for a reason that was not allowed. ``counts.py total FOLDER`` prints the
sum of the reports in a folder in one line.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

DATABASE_TESTS = "tests.integration."


@dataclass(frozen=True)
class Suite:
    """What one report says; tests that need a server are counted apart."""

    passed: int
    failed: int
    skipped: int
    database_passed: int
    skip_reasons: tuple[tuple[str, str], ...]


def read(report: Path) -> Suite:
    """Count the test cases of a report by outcome."""
    passed = failed = database_passed = 0
    reasons: list[tuple[str, str]] = []
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # pytest wrote it a moment ago
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skip is not None:
            reasons.append((f"{case.get('classname')}.{case.get('name')}", skip.get("message") or ""))
        else:
            passed += 1
            database_passed += (case.get("classname") or "").startswith(DATABASE_TESTS)
    return Suite(passed, failed, len(reasons), database_passed, tuple(reasons))


def faults(suite: Suite, may_skip: str | None) -> list[str]:
    """Why this suite proves less than it should; empty when it does not."""
    found = [
        f"skipped without leave: {test}: {reason}"
        for test, reason in suite.skip_reasons
        if may_skip is None or not re.search(may_skip, reason)
    ]
    if suite.failed:
        found.append(f"{suite.failed} failed")
    if not suite.database_passed:
        found.append("no test of tests/integration passed: the database suite was empty or skipped")
    return found


def line(suites: list[Suite]) -> str:
    """Several suites in the words pytest uses for one."""
    skipped = sum(suite.skipped for suite in suites)
    return ", ".join(
        [
            f"{sum(suite.passed for suite in suites)} passed",
            f"{sum(suite.failed for suite in suites)} failed",
            *([f"{skipped} skipped"] if skipped else []),
        ]
    )


def main(arguments: list[str]) -> int:
    """Run one of the two commands; returns the exit code."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    suite_command = commands.add_parser("suite")
    suite_command.add_argument("report", type=Path)
    suite_command.add_argument("--may-skip", metavar="REGEX")
    commands.add_parser("total").add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "total":
        print(line([read(report) for report in sorted(options.folder.glob("*.xml"))]))
        return 0
    suite = read(options.report)
    found = faults(suite, options.may_skip)
    print(f"{line([suite])}; {suite.database_passed} of the passed in tests/integration")
    for fault in found:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
