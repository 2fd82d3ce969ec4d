"""SQL without a database, and revisions that cannot be written so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headway.alembic_bridge import AlembicProject, losses_of, render_sql
from headway.errors import HeadwayError, StepFailedError
from headway.planning import plan_downgrade, plan_range
from headway.project import load_project
from headway.results import Direction
from headway.revisions import read_graph

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder
    from headway.results import Loss


def sql(project: ProjectFolder, span: str = "head", direction: Direction = Direction.UPGRADE) -> str:
    plan = plan_range(read_graph([project.versions]), span, direction)
    return render_sql(AlembicProject(load_project(project.ini)), plan)


def losses(project: ProjectFolder, current: str) -> tuple[Loss, ...]:
    (step,) = plan_downgrade(read_graph([project.versions]), [current], "-1").steps
    return losses_of(AlembicProject(load_project(project.ini)), step)


def _line(path: Path, marked: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), start=1) if marked in line)


READING = [
    ("for row in op.get_bind().execute(sa.text('SELECT 1')): print(row)  # here", "TypeError"),
    ("op.get_bind().execute(sa.text('SELECT 1')).scalar_one()  # here", "AttributeError"),
    ("sa.inspect(op.get_bind()).get_table_names()  # here", "NoInspectionAvailable"),
    (
        "from sqlalchemy.orm import Session\nSession(op.get_bind()).execute(sa.text('SELECT 1'))  # here",
        "AttributeError",
    ),
    ("raise RuntimeError('no rows')  # here", "RuntimeError: no rows"),
]


@pytest.mark.parametrize(("body", "told"), READING)
def test_a_revision_that_reads_data_is_named_with_its_file_and_line(
    project: ProjectFolder, body: str, told: str
) -> None:
    project.tables("users")
    path = project.revision("r2", "r1", upgrade=body, doc="fill users")
    project.revision("r3", "r2")
    with pytest.raises(StepFailedError) as caught:
        sql(project)
    error = caught.value
    assert "r2 (fill users) cannot be written as SQL" in error.message
    assert told in error.message
    assert (error.revision, error.path, error.line) == ("r2", path, _line(path, "# here"))
    assert "reads data cannot be written as SQL beforehand" in (error.hint or "")


def test_a_value_without_a_type_is_told_to_get_one(project: ProjectFolder) -> None:
    body = "op.bulk_insert(sa.table('users', sa.column('born')), [{'born': __import__('datetime').date.min}])"
    path = project.revision("r1", upgrade=body)
    with pytest.raises(StepFailedError, match="CompileError") as caught:
        sql(project)
    assert caught.value.line == _line(path, "bulk_insert")
    assert "sa.Integer" in (caught.value.hint or "")


def test_a_downgrade_that_cannot_be_written_says_which_way(project: ProjectFolder) -> None:
    project.revision("r1", downgrade="raise NotImplementedError('no way back')")
    with pytest.raises(StepFailedError, match=r"downgrade of revision r1 .*NotImplementedError: no way back"):
        sql(project, "head:base", Direction.DOWNGRADE)


def test_a_revision_file_that_cannot_be_loaded_is_named(project: ProjectFolder) -> None:
    project.tables("users")
    path = project.revision("r2", "r1")
    path.write_text(path.read_text() + "import no_such_package_at_all\n")
    with pytest.raises(HeadwayError, match="no_such_package_at_all") as caught:
        sql(project, "r1")
    assert f"r2.py:{_line(path, 'no_such_package_at_all')}" in caught.value.message


def test_a_revision_that_only_writes_becomes_sql(project: ProjectFolder) -> None:
    project.tables("users")
    text = sql(project)
    assert "CREATE TABLE users" in text
    assert "INSERT INTO alembic_version" in text


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("raise NotImplementedError('no way back')", "downgrade() raises NotImplementedError: no way back"),
        ("raise NotImplementedError", "downgrade() raises NotImplementedError"),
        (
            "op.get_bind().execute(sa.text('SELECT 1')).scalar_one()",
            "downgrade() reads data (AttributeError: 'NoneType' object has no attribute 'scalar_one')",
        ),
    ],
)
def test_a_downgrade_that_cannot_be_followed_says_why(project: ProjectFolder, body: str, what: str) -> None:
    project.revision("r1", downgrade="op.drop_table('users')\n" + body)
    found = losses(project, "r1")
    assert [(loss.kind, loss.what) for loss in found] == [("table", "users"), ("unknown", what)]


def test_what_is_not_transactional_is_printed_outside_its_transaction(project: ProjectFolder) -> None:
    project.tables("users")
    path = project.revision("r2", "r1", upgrade="op.execute('CREATE INDEX CONCURRENTLY i ON users (id)')")
    path.write_text(f"{path.read_text()}\n\ntransactional = False\n")
    printed = sql(project, "r1:r2")
    assert "-- Running upgrade r1 -> r2" in printed
    script = [line for line in printed.splitlines() if line and not line.startswith("--")]
    assert script[:4] == ["BEGIN;", "COMMIT;", "CREATE INDEX CONCURRENTLY i ON users (id);", "BEGIN;"]
    assert script[-1] == "COMMIT;"
