"""The labels of ``tests/lint_corpus``: confirmed by PostgreSQL, and compared with what headway says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import psycopg
import pytest

from conftest import ProjectFolder
from headway import Migrator
from lint_cases import Case, cases, scripts, write
from lint_witness import Facts, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(scope="module")
def corpus(server_url: str) -> tuple[Case, ...]:
    with psycopg.connect(server_url) as connection:
        return cases(connection.info.server_version // 10_000)


@pytest.fixture(scope="module")
def folder(corpus: tuple[Case, ...], tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    folder = ProjectFolder(tmp_path_factory.mktemp("corpus") / "project")
    write(folder, corpus)
    return folder


@pytest.fixture(scope="module")
def printed(folder: ProjectFolder) -> Mapping[str, str]:
    async def print_sql() -> str:
        async with Migrator(folder.ini) as migrator:
            return await migrator.sql()

    return scripts(anyio.run(print_sql))


def test_postgresql_confirms_what_each_label_says_of_locks_rewrites_and_scans(
    corpus: tuple[Case, ...], printed: Mapping[str, str], database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        witness = Witness(connection)
        told = {case: witness.watch(case, printed[case.revision]) for case in corpus}
    wrong = {str(case): facts for case, facts in told.items() if not _confirmed(case, facts)}
    assert not wrong


def _confirmed(case: Case, facts: Facts) -> bool:
    if case.sqlstate or facts.sqlstate:  # where it failed, the rest was not reached
        return case.sqlstate == facts.sqlstate
    locks = {name: mode.sql for name, mode in facts.locks.items()}
    files = {*case.rewritten, *case.emptied}
    return (case.locks, files, {*case.scanned}) == (locks, facts.rewritten, facts.scanned)
