"""The labelled revisions of ``tests/lint_corpus``, and a project that holds them one after the other."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from conftest import ProjectFolder

CORPUS = Path(__file__).parent / "lint_corpus"
SHOP = (CORPUS / "shop.sql").read_text(encoding="utf-8")

OF_THE_WAY_BACK = {"downgrade-missing", "downgrade-untrue", "data-change-irreversible"}
"""Rules that are not compared where a case says nothing of the way back."""

EMPTIED = (CORPUS / "empty.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One labelled revision; ``tests/lint_corpus/README.md`` says what its keys mean."""

    topic: str
    number: int
    name: str
    given: str = ""
    op: str | None = None
    sql: str | None = None
    down: str | None = None
    autocommit: bool = False
    since: int = 0
    sqlstate: str | None = None
    rules: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    locks: Mapping[str, str] = field(default_factory=dict)
    rewritten: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()
    scanned: frozenset[str] = frozenset()

    @property
    def revision(self) -> str:
        """Its id: that of the revision which makes what is given ends in ``a``, its own in ``b``."""
        return f"{self.topic}{self.number:02}b"

    @property
    def dangerous(self) -> bool:
        """Whether a reviewer should stop it."""
        return bool(self.rules)

    @property
    def body(self) -> str:
        """What it does, as it is written."""
        return self.op if self.op is not None else self.sql or ""

    def __str__(self) -> str:
        return f"{self.topic}: {self.name}"


def cases(major: int) -> tuple[Case, ...]:
    """All that mean something to a PostgreSQL of this major version, with the facts that hold there."""
    return tuple(case for path in sorted(CORPUS.glob("*.toml")) for case in _read(path, major))


def _read(path: Path, major: int) -> Iterator[Case]:
    topic = tomllib.loads(path.read_text(encoding="utf-8"))
    for number, said in enumerate(topic["case"], start=1):
        told: dict[str, Any] = {}
        for key, value in said.items():
            if not key.startswith("before"):
                told.setdefault(key, value)
            elif major < int(key.removeprefix("before")):
                told |= value
        if told.get("since", 0) <= major:
            yield _case(path.stem.replace("_", ""), number, topic.get("given", ""), told)


def _case(topic: str, number: int, given: str, said: dict[str, Any]) -> Case:
    for key in ("rules", "also", "rewritten", "emptied", "scanned"):
        said[key] = frozenset(said.get(key, ()))
    return Case(topic=topic, number=number, given=given + said.pop("given", ""), **said)


def write(project: ProjectFolder, chosen: Iterable[Case]) -> None:
    """Write a chain of two revisions for each case: what is given, in a clean shop; and the case itself."""
    parent: str | None = None
    for number, case in enumerate(chosen):
        given = case.revision[:-1] + "a"
        stem = f"{datetime(2025, 1, 1) + timedelta(minutes=number):%Y%m%d%H%M}"  # noqa: DTZ001  # only a name
        text = f"{_header(given, parent)}{EMPTIED}{SHOP}{case.given}"
        (project.versions / f"{stem}00_given.up.sql").write_text(text, encoding="utf-8")
        if case.sql is None:
            (project.versions / f"{case.revision}.py").write_text(_python(case, given), encoding="utf-8")
        else:
            text = _header(case.revision, given, transactional=not case.autocommit) + case.sql
            (project.versions / f"{stem}01_case.up.sql").write_text(text, encoding="utf-8")
            if case.down:
                (project.versions / f"{stem}01_case.down.sql").write_text(case.down, encoding="utf-8")
        parent = case.revision


def _header(revision: str, parent: str | None, *, transactional: bool = True) -> str:
    return (
        f"-- headway: revision={revision} parent={parent or 'base'} "
        f"transactional={'yes' if transactional else 'no'}\n"
    )


def _python(case: Case, parent: str) -> str:
    return (
        f'"""{case.name}"""\n\nfrom alembic import op\nimport sqlalchemy as sa\n'
        "from sqlalchemy.dialects import postgresql\n\n"
        f"revision = {case.revision!r}\ndown_revision = {parent!r}\n"
        f"{'transactional = False' if case.autocommit else ''}\n"
        f"\n\ndef upgrade():\n{indent(case.body.strip(), '    ')}\n"
        f"\n\ndef downgrade():\n{indent((case.down or 'pass').strip(), '    ')}\n"
    )


_ONE = re.compile(
    r"(?:BEGIN;\s+)?-- Running upgrade \S* -> (?P<revision>\w+).*?(?=(?:BEGIN;\s+)?-- Running upgrade|\Z)",
    re.DOTALL,
)


def scripts(printed: str) -> dict[str, str]:
    """What ``headway sql`` printed, cut into one script for each revision, with its BEGIN and COMMIT."""
    return {found["revision"]: found[0] for found in _ONE.finditer(printed)}
