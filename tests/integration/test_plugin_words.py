"""What the pytest plugin says where a test asks for what it cannot have, leaves something open, or fails."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest

from suites import outcomes, run

if TYPE_CHECKING:
    from conftest import ProjectFolder

SUITE = """
    import asyncpg
    import pytest
    from sqlalchemy import text

    pytestmark = pytest.mark.anyio

    @pytest.fixture(params=["asyncio"])
    def anyio_backend(request):
        return request.param

    @pytest.mark.headway(isolation="nothing")
    def test_isolation(headway_engine):
        pass

    @pytest.mark.headway(revsion="r1")
    def test_misspelt(headway_engine):
        pass

    @pytest.mark.headway(revision="r7")
    def test_revision(headway_engine):
        pass

    @pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
    async def test_trio(headway_engine):
        pass

    LEFT = []

    async def test_left_open(headway_database):
        named = {"application_name": "culprit"}
        LEFT.append(await asyncpg.connect(headway_database.dsn, server_settings=named))
        await LEFT[0].execute("BEGIN; INSERT INTO first VALUES (1)")

    async def test_failing(headway_session):
        assert await headway_session.scalar(text("SELECT count(*) FROM first")) == 0
        await headway_session.execute(text("INSERT INTO first VALUES (7)"))
        await headway_session.commit()
        assert False

    @pytest.mark.parametrize("turn", range(2))
    @pytest.mark.headway(isolation="clone")
    def test_failing_under_a_name_that_is_longer_than_a_database_can_have(headway_database, turn):
        assert False

    def test_shared_failing(headway_module_database):
        assert False

    def test_shared_first(headway_suite_database, headway_module_database):
        assert headway_suite_database.name != headway_module_database.name

    async def test_shared_after(headway_module_engine, headway_suite_engine, anyio_backend):
        for engine in (headway_module_engine, headway_suite_engine):
            async with engine.connect() as connection:
                assert await connection.scalar(text("SELECT count(*) FROM first")) == 0
"""


@pytest.mark.slow
def test_each_fault_is_told_with_its_way_out_and_without_a_traceback(
    project: ProjectFolder, server_url: str
) -> None:
    project.tables("first")
    (project.root / "test_words.py").write_text(textwrap.dedent(SUITE), encoding="utf-8")
    asked = ("-p", "no:asyncio", "-W", "default::ResourceWarning", "--headway-keep")
    done = run(project.root, *asked, more={"HEADWAY_TEST_DATABASE_URL": server_url})
    assert outcomes(done) == {"passed": 3, "failed": 4, "errors": 5}, done.stdout + done.stderr
    [kept] = re.findall(r"^headway: kept, until --headway-drop-kept: (.*)$", done.stdout, re.MULTILINE)
    assert len({*kept.split(", ")}) == done.stdout.count("headway: the database is kept") == 5, done.stdout
    for words in (
        "isolation='nothing' is not one of reset, clone, savepoint",
        "takes revision= and isolation= and nothing else",
        "'r7'",
        "work on asyncio, and this test runs on trio",
        "(culprit): idle in transaction",
        "with locks on first",
        "headway: PostgreSQL ",
        "headway: the database is kept",
        "--headway-drop-kept",
        "psql 'postgresql://",
    ):
        assert words in done.stdout, words
    assert "suite.py" not in done.stdout
    again = run(
        project.root,
        *asked[:2],
        "--headway-drop-kept",
        "-k",
        "first",
        more={"HEADWAY_TEST_DATABASE_URL": server_url},
    )
    assert outcomes(again) == {"passed": 1}, again.stdout + again.stderr
    assert "kept" not in again.stdout


ASKING = """
    def test_asking(headway_database):
        pass
"""


@pytest.mark.slow
def test_a_server_of_the_ini_that_is_down_is_told_to_those_who_ask_and_to_nobody_else(
    project: ProjectFolder,
) -> None:
    project.tables("first")
    (project.root / "test_none.py").write_text("def test_none(): pass\n", encoding="utf-8")
    (project.root / "test_asking.py").write_text(textwrap.dedent(ASKING), encoding="utf-8")
    down = "headway_database_url = postgresql://tester@127.0.0.1:1/postgres"
    (project.root / "pytest.ini").write_text(f"[pytest]\n{down}\n", encoding="utf-8")
    quiet = ("-p", "no:asyncio")
    assert outcomes(run(project.root, *quiet, "test_none.py")) == {"passed": 1}
    done = run(project.root, *quiet, "-n", "1")
    assert outcomes(done) == {"passed": 1, "error": 1}, done.stdout + done.stderr
    assert "hint: " in done.stdout
    assert "127.0.0.1:1" in done.stdout
    assert "INTERNALERROR" not in done.stdout
