"""The labels of ``tests/lint_corpus``: confirmed by PostgreSQL, and compared with what headway says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import psycopg
import pytest

from conftest import ProjectFolder
from headway import Migrator
from headway.results import LockMode
from lint_cases import OF_THE_WAY_BACK, Case, cases, scripts, write
from lint_witness import Facts, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headway.results import StepReview

_EVERY = 9
"""One case in so many is looked at in each build; ``make test`` looks at all."""


@pytest.fixture(scope="module")
def corpus(server_url: str) -> tuple[Case, ...]:
    with psycopg.connect(server_url) as connection:
        return cases(connection.info.server_version // 10_000)


def test_postgresql_confirms_what_each_label_says_of_locks_rewrites_and_scans(
    corpus: tuple[Case, ...], project: ProjectFolder, database_url: str
) -> None:
    write(project, corpus)

    async def print_sql() -> str:
        async with Migrator(project.ini) as migrator:
            return await migrator.sql()

    printed = scripts(anyio.run(print_sql))
    with psycopg.connect(database_url, autocommit=True) as connection:
        witness = Witness(connection)
        told = {case: witness.watch(case, printed[case.revision]) for case in corpus}
    assert {str(case): facts for case, facts in told.items() if not _confirmed(case, facts)} == {}


@pytest.fixture(scope="module", params=["some", pytest.param("all", marks=pytest.mark.slow)])
def watched(
    request: pytest.FixtureRequest,
    corpus: tuple[Case, ...],
    server_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[Case, StepReview]:
    """Cases, and what headway says of them."""
    chosen = corpus if request.param == "all" else corpus[::_EVERY]
    folder = ProjectFolder(tmp_path_factory.mktemp("corpus") / "project")
    write(folder, chosen)

    async def lint() -> Mapping[str, StepReview]:
        async with Migrator(folder.ini) as migrator:
            report = await migrator.lint(scratch=server_url)
            return {step.revision: step for step in report.steps}

    steps = anyio.run(lint)
    return {case: steps[case.revision] for case in chosen}


def test_what_headway_watches_is_what_the_labels_say(watched: Mapping[Case, StepReview]) -> None:
    wrong = {}
    for case, step in watched.items():
        if case.sqlstate or case.autocommit or "autocommit_block" in case.body:
            continue  # it ends early, or PostgreSQL tells nothing of it: what is documented stands in for it
        facts = _facts(step)
        if facts != (case.locks, {*case.rewritten}, {*case.scanned}):
            wrong[str(case)] = facts
    assert wrong == {}


def test_what_headway_finds_is_what_the_labels_say(watched: Mapping[Case, StepReview]) -> None:
    # Behind a revision that failed, another one that fails is not examined: here they stand in one chain.
    seen = {case: step for case, step in watched.items() if not (case.sqlstate and step.unseen)}
    assert {str(case): found for case, step in seen.items() if (found := _wrong(case, step))} == {}


def _confirmed(case: Case, facts: Facts) -> bool:
    if case.sqlstate or facts.sqlstate:  # where it failed, the rest was not reached
        return case.sqlstate == facts.sqlstate
    locks = {name: mode.sql for name, mode in facts.locks.items()}
    files = {*case.rewritten, *case.emptied}
    return (case.locks, files, {*case.scanned}) == (locks, facts.rewritten, facts.scanned)


def _facts(step: StepReview) -> tuple[dict[str, str], set[str], set[str]]:
    """Locks of tables and views that hinder others, rewrites and scans, as the labels say them."""
    held: dict[str, LockMode] = {}
    indexes: set[str] = set()
    for lock in (lock for statement in step.statements for lock in statement.locks):
        known = held.get(lock.relation, LockMode.ROW_EXCLUSIVE)
        if lock.kind in {"index", "sequence"}:
            indexes.add(lock.relation)
        elif lock.mode.strength > known.strength:
            held[lock.relation] = lock.mode
    rewritten = {name for statement in step.statements for name in statement.rewritten}
    scanned = {name for statement in step.statements for name in statement.scanned}
    if rewritten - indexes:  # a table, and so its indexes
        rewritten -= indexes
    return {name: mode.sql for name, mode in held.items()}, rewritten, scanned - rewritten


def _wrong(case: Case, step: StepReview) -> dict[str, list[str]]:
    """Rules that should have been found, and rules that should not."""
    aside = OF_THE_WAY_BACK if case.down is None else frozenset()
    found = {finding.rule for finding in step.findings if finding.silenced is None} - aside
    wrong = {"missed": sorted(case.rules - found), "accused": sorted(found - case.rules - case.also)}
    return {what: rules for what, rules in wrong.items() if rules}
