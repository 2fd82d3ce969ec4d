"""Count what lint finds in ``tests/lint_corpus``: headway watching PostgreSQL, headway reading alone, squawk.

Usage: ``python tests/peers/lint_precision.py [--url URL] [--squawk PROGRAM] [--write] [--show]``. Without
``--url`` headway watches an embedded server. Squawk (``pip install squawk-cli``) is left out, and said to be,
where there is none; it is given each revision as ``headway sql`` prints it. ``--write`` puts the table into
``docs/lint.md``, ``--show`` names every revision that was missed or wrongly accused.

Counted is whether a revision is stopped: one whose label holds an error should be. Left out are revisions
of which no SQL could tell (see ``beyond_sql``), and those whose label holds warnings only.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).parents[1])]

import anyio  # noqa: E402  # after the path of the test's own modules, here and below

from conftest import ProjectFolder  # noqa: E402
from headway import Migrator  # noqa: E402
from headway.lint import RULES  # noqa: E402
from headway.results import Severity  # noqa: E402
from lint_cases import OF_THE_WAY_BACK, Case, cases, scripts, write  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from headway import LintReport

PAGE = Path(__file__).parents[2] / "docs" / "lint.md"
BEGIN, END = "<!-- precision: begin -->\n", "<!-- precision: end -->"

MAJOR = 18
TASTE = re.compile(r"prefer-.*|ban-char-field|require-(lock|statement)-timeout|require-enum-value-ordering")
"""Rules of squawk that are about style, or about time limits, which headway sets itself for every step."""

_BEYOND = OF_THE_WAY_BACK | {"several-statements-in-one-string", "silence-unused", "silence-without-reason"}


@dataclass(frozen=True)
class Count:
    """How a linter did."""

    name: str
    missed: Sequence[Case]
    accused: Sequence[Case]
    dangerous: int

    def row(self) -> str:
        """A line of the table."""
        found = self.dangerous - len(self.missed)
        precision, recall = found / (found + len(self.accused)), found / self.dangerous
        return (
            f"| {self.name} | {found} of {self.dangerous} | {len(self.accused)} "
            f"| {precision:.1%} | {recall:.1%} |"
        )


def beyond_sql(case: Case) -> bool:
    """Whether it is about what its SQL does not hold: downgrade, comments, how strings are handed over."""
    return bool(case.rules & _BEYOND) or "headway: allow" in case.body


def dangerous(case: Case) -> bool:
    """Whether its label holds an error."""
    return any(RULES[rule].severity is Severity.ERROR for rule in case.rules)


def main() -> None:
    """Count, and print."""
    asked = _asked()
    corpus = [case for case in cases(MAJOR) if not beyond_sql(case) and (dangerous(case) or not case.rules)]
    with tempfile.TemporaryDirectory(prefix="headway-precision-") as folder:
        Path(folder).chmod(0o755)  # an embedded server may run as another user
        watched, read, printed = anyio.run(_linted, Path(folder), corpus, asked.url)
        squawk = _squawk(asked.squawk, {case: printed[case.revision] for case in corpus}, Path(folder))
    ours = f"headway {version('headway')}"
    counts = [
        _count(f"{ours}, watching {watched.oracle}", corpus, _stopped(watched)),
        _count(f"{ours}, reading alone", corpus, _stopped(read)),
        *_squawk_count(corpus, squawk, asked.squawk),
    ]
    told = _table(corpus, counts)
    print(told)
    if squawk is None:
        print("squawk is not installed: pip install squawk-cli, or --squawk PROGRAM")
    if asked.show:
        _show(counts)
    if asked.write:
        _write(told)


async def _linted(
    folder: Path, corpus: Sequence[Case], url: str | None
) -> tuple[LintReport, LintReport, dict[str, str]]:
    """What headway says watching, and reading alone; and the SQL that it prints."""
    project = ProjectFolder(folder / "project")
    write(project, corpus)
    async with Migrator(project.ini) as migrator:
        watched = await migrator.lint(scratch=url or "embedded")
        read = await migrator.lint(scratch=None)
        return watched, read, scripts(await migrator.sql())


def _write(told: str) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{told}{END}{rest.partition(END)[2]}", encoding="utf-8")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", help="of a PostgreSQL on which databases may be made; else an embedded one")
    parser.add_argument("--squawk", default=shutil.which("squawk"), help="the program")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    parser.add_argument("--show", action="store_true", help="name what was missed and what was accused")
    return parser.parse_args()


def _stopped(report: LintReport) -> set[str]:
    """The revisions with an error; those without a ``down`` are not asked for the way back."""
    return {
        finding.revision
        for finding in report.findings
        if finding.severity is Severity.ERROR and finding.rule not in OF_THE_WAY_BACK
    }


def _squawk(program: str | None, printed: Mapping[Case, str], folder: Path) -> set[str] | None:
    """The revisions in which squawk finds something that is no matter of taste; ``None`` without squawk."""
    if program is None:
        return None
    scripts_folder = folder / "sql"
    scripts_folder.mkdir()
    for case, script in printed.items():
        (scripts_folder / f"{case.revision}.sql").write_text(script, encoding="utf-8")
    files = [str(path) for path in sorted(scripts_folder.iterdir())]
    command = [program, "--reporter", "json", "--pg-version", f"{MAJOR}.0", *files]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # it exits 1 when it finds
    return {
        Path(found["file"]).stem
        for found in json.loads(answer.stdout)
        if not TASTE.fullmatch(found["rule_name"])
    }


def _squawk_count(corpus: Sequence[Case], found: set[str] | None, program: str | None) -> Iterable[Count]:
    """Squawk's line, where there is a squawk."""
    if found is not None and program is not None:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        yield _count(said.stdout.strip(), corpus, found)


def _count(name: str, corpus: Sequence[Case], stopped: set[str]) -> Count:
    return Count(
        name,
        missed=[case for case in corpus if dangerous(case) and case.revision not in stopped],
        accused=[case for case in corpus if not dangerous(case) and case.revision in stopped],
        dangerous=sum(dangerous(case) for case in corpus),
    )


def _table(corpus: Sequence[Case], counts: Iterable[Count]) -> str:
    safe = sum(not dangerous(case) for case in corpus)
    head = f"| {len(corpus)} revisions | dangerous stopped | safe stopped, of {safe} | precision | recall |"
    return "\n".join([head, "|---|---|---|---|---|", *(count.row() for count in counts)]) + "\n"


def _show(counts: Iterable[Count]) -> None:
    for count in counts:
        print(f"\n{count.name}")
        for what, those in (("missed", count.missed), ("accused", count.accused)):
            for case in those:
                print(f"  {what:8} {case}")


if __name__ == "__main__":
    main()
