"""The real command line on a real project and a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from commandline import SECRET, CommandLine
from headway import DatabaseURL

if TYPE_CHECKING:
    import subprocess

    from conftest import ProjectFolder

_METADATA = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("notes", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture
def tool(project: ProjectFolder, database_url: str) -> CommandLine:
    """In a project of two revisions, r1 (users) and r2 (notes), on an empty database."""
    project.tables("users", "notes")
    return CommandLine(project.root, database_url)


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["format_version"] == 1
    return document


def _rows(database_url: str, query: str = "SELECT version_num FROM alembic_version") -> list[Any]:
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute(query.encode())]


# -- looking ---------------------------------------------------------------------------------------------


def test_status_marks_revisions_and_exits_0_whatever_the_state(tool: CommandLine) -> None:
    done = tool("status")
    assert done.returncode == 0
    assert "✗  r1" in done.stdout
    assert "unversioned: 2 revisions pending" in done.stdout
    assert "database: postgresql://" in done.stderr
    assert "applied  " not in done.stdout
    tool("upgrade", "r1")
    done = tool("status")
    assert "✓  r1" in done.stdout
    assert "✗  r2" in done.stdout


def test_status_as_json_is_one_document(tool: CommandLine) -> None:
    document = _document(tool("--json", "status"))
    assert document["state"] == "unversioned"
    assert document["pending"] == ["r1", "r2"]
    assert [item["mark"] for item in document["revisions"]] == ["pending", "pending"]


def test_output_in_a_pipe_has_no_colour_unless_it_is_forced(tool: CommandLine) -> None:
    done = tool("status")
    assert "\x1b" not in done.stdout + done.stderr
    done = tool("status", "--color", "always")
    assert "\x1b[" in done.stdout
    assert "\x1b[" in done.stderr


def test_pending_exits_4_when_behind_and_0_at_head(tool: CommandLine) -> None:
    done = tool("pending")
    assert (done.returncode, done.stdout) == (4, "r1\nr2\n")
    tool("upgrade")
    done = tool("pending")
    assert (done.returncode, done.stdout) == (0, "")
    assert "at head (r2)" in done.stderr


def test_every_verb_that_minds_exits_7_on_a_database_with_unknown_revisions(
    tool: CommandLine, database_url: str
) -> None:
    tool("upgrade")
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffff'")
    done = tool("pending", "--json")
    assert done.returncode == 7
    assert _document(done)["unknown"] == ["ffff"]
    for verb in (
        ["upgrade"],
        ["plan"],
        ["check"],
        ["revision", "--autogenerate", "-m", "x"],
    ):
        done = tool(*verb)
        assert done.returncode == 7, verb
        assert "ffff" in done.stderr


def test_every_verb_that_minds_exits_8_on_a_database_with_an_interrupted_revision(
    tool: CommandLine, project: ProjectFolder
) -> None:
    tool("upgrade")
    path = project.revision("r3", "r2", upgrade="op.execute('CREATE TABLE c()')\nop.execute('SELECT 1/0')")
    path.write_text(path.read_text().replace("down_revision", "transactional = False\ndown_revision", 1))
    assert tool("upgrade").returncode == 1
    for verb in ["pending"], ["check"], ["revision", "--autogenerate", "-m", "x"]:
        assert tool(*verb).returncode == 8, verb


def test_pending_imports_neither_sqlalchemy_nor_alembic_nor_rich(tool: CommandLine) -> None:
    done = tool("pending", variables={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 4
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "asyncpg" in imported
    assert not imported & {"sqlalchemy", "alembic", "rich"}


def test_history_and_heads_and_sql_need_no_database(tool: CommandLine) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    done = tool("history", url=nowhere)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["r2", "r1"]
    done = tool("heads", "--json", url=nowhere)
    assert [item["revision"] for item in _document(done)["revisions"]] == ["r2"]
    done = tool("sql", url=nowhere)
    assert done.returncode == 0
    assert "CREATE TABLE notes" in done.stdout
    assert "CREATE TABLE notes" in _document(tool("sql", "r1:r2", "--json", url=nowhere))["sql"]


def test_history_shows_a_range_and_where_the_database_is(tool: CommandLine) -> None:
    tool("upgrade", "r1")
    done = tool("history", "-i")
    assert [("current" in line) for line in done.stdout.splitlines()] == [False, True]
    assert tool("history", "-r", "r1:r1").stdout.split()[0] == "r1"
    assert "r2.py" in tool("history", "-v").stdout


def test_current_can_insist_on_heads(tool: CommandLine) -> None:
    done = tool("current", "--check-heads")
    assert (done.returncode, done.stdout) == (4, "")
    tool("upgrade")
    done = tool("current", "--check-heads", "--json")
    assert done.returncode == 0
    assert _document(done)["at_head"] is True


def test_check_exits_4_when_models_hold_what_no_revision_creates(
    tool: CommandLine, project: ProjectFolder
) -> None:
    project.env("metadata", _METADATA)
    assert tool("check").returncode == 4  # not at head: the comparison would say nothing
    tool("upgrade")
    done = tool("check")
    assert (done.returncode, done.stdout) == (0, "")
    project.env("metadata", _METADATA + 'sa.Table("tags", metadata, sa.Column("id", sa.Integer))\n')
    done = tool("check")
    assert done.returncode == 4
    assert "tags" in done.stdout
    assert _document(tool("check", "--json"))["clean"] is False


# -- changing --------------------------------------------------------------------------------------------


def test_upgrade_names_the_database_and_every_revision_and_then_has_nothing_to_do(tool: CommandLine) -> None:
    done = tool("upgrade")
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("database: postgresql://")
    assert [line[:4] for line in lines[1:3]] == ["✓ r1", "✓ r2"]
    assert lines[3].startswith("2 revisions applied in ")
    assert lines[3].endswith(": at head (r2)")
    done = tool("upgrade")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "nothing to do: at head (r2)"


def test_upgrade_as_json_keeps_progress_off_stdout(tool: CommandLine) -> None:
    done = tool("upgrade", "+1", "--json")
    document = _document(done)
    assert [step["revision"] for step in document["steps"]] == ["r1"]
    assert (document["after"], document["at_head"]) == (["r1"], False)
    assert "✓ r1" in done.stderr
    for _ in "done", "nothing to do":
        assert _document(tool("upgrade", "--json"))["at_head"] is True
    assert _document(tool("stamp", "r1", "--json"))["at_head"] is False


def test_quiet_success_says_nothing(tool: CommandLine) -> None:
    done = tool("-q", "upgrade")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_dry_run_shows_the_plan_and_changes_nothing(tool: CommandLine, database_url: str) -> None:
    done = tool("upgrade", "--dry-run", "--no-scratch")
    assert "upgrade base -> r2, in order:" in done.stdout
    assert _rows(database_url, "SELECT count(*) FROM pg_class WHERE relname IN ('users', 'notes')") == [0]
    assert done.stdout == tool("plan", "--no-scratch").stdout


@pytest.mark.parametrize("words", [["plan"], ["upgrade", "--dry-run"], ["downgrade", "base", "--dry-run"]])
@pytest.mark.sampled(3)
def test_a_plan_names_the_database_that_it_is_for(
    tool: CommandLine, database_url: str, words: list[str]
) -> None:
    tool("upgrade", "r1")
    name = DatabaseURL.parse(database_url).database
    words = [*words, "--no-scratch"]
    said = [line for line in tool(*words).stderr.splitlines() if line.startswith("database:")]
    assert len(said) == 1
    assert f"/{name}" in said[0]
    document = _document(tool(*words, "--json"))
    assert document["database"] == said[0].removeprefix("database: ")


def test_upgrade_sql_prints_what_sql_prints(tool: CommandLine, database_url: str) -> None:
    done = tool("upgrade", "r1:r2", "--sql")
    assert "CREATE TABLE notes" in done.stdout
    assert "CREATE TABLE users" not in done.stdout
    assert _rows(database_url, "SELECT count(*) FROM pg_class WHERE relname = 'notes'") == [0]


def test_downgrade_without_a_terminal_names_the_loss_and_is_refused_at_once(
    tool: CommandLine, database_url: str
) -> None:
    tool("upgrade")
    done = tool("downgrade", "-1")
    assert done.returncode == 3
    assert "table notes" in done.stderr
    assert "--yes" in done.stderr
    assert _rows(database_url) == ["r2"]
    document = _document(tool("downgrade", "-1", "--json"))
    assert document["exit_code"] == 3
    assert document["error"]["type"] == "RefusedError"


def test_downgrade_with_yes_undoes(tool: CommandLine, database_url: str) -> None:
    tool("upgrade")
    done = tool("downgrade", "-1", "--yes")
    assert done.returncode == 0
    assert "table notes" in done.stderr
    assert "✓ r2 create notes undone" in done.stderr
    assert _rows(database_url) == ["r1"]
    assert tool("downgrade", "--yes", "base").stderr.splitlines()[-1].endswith(": at base")
    assert _rows(database_url) == []


def test_downgrade_that_loses_nothing_asks_outside_development_only(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    project.revision(
        "r3", "r2", upgrade="op.create_index('i', 'notes', ['id'])", downgrade="op.drop_index('i')"
    )
    tool("upgrade")
    assert tool("downgrade", "-1", "--environment", "staging").returncode == 3
    assert _rows(database_url) == ["r3"]
    assert tool("downgrade", "-1").returncode == 0
    assert _rows(database_url) == ["r2"]


def test_plan_of_a_downgrade_tells_what_it_destroys(tool: CommandLine) -> None:
    tool("upgrade")
    document = _document(tool("plan", "--downgrade", "base", "--json", "--no-scratch"))
    assert [step["revision"] for step in document["steps"]] == ["r2", "r1"]
    assert [loss["kind"] for loss in document["losses"]] == ["table", "table"]
    assert "this destroys data:" in tool("plan", "-1", "--downgrade", "--no-scratch").stdout


def test_stamp_records_without_running(tool: CommandLine, database_url: str) -> None:
    done = tool("stamp", "r1")
    assert done.stderr.splitlines()[-1] == "stamped: base -> r1"
    assert _rows(database_url) == ["r1"]
    assert _document(tool("stamp", "--purge", "head", "--json"))["after"] == ["r2"]


def test_a_failed_revision_gives_the_facts_and_what_was_done_before(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    project.revision("r3", "r2", upgrade='op.execute("CREATE TABLE users (id int)")', doc="again")
    done = tool("upgrade")
    assert done.returncode == 1
    for fact in (
        "alembic/versions/r3.py:",
        "CREATE TABLE users (id int)",
        "42P07",
        "r1, r2",
        "headway upgrade",
    ):
        assert fact in done.stderr
    assert _rows(database_url) == ["r2"]
    document = _document(tool("upgrade", "--json"))
    assert document["exit_code"] == 1
    error = document["error"]
    assert (error["type"], error["sqlstate"], error["succeeded"]) == ("StepFailedError", "42P07", [])


# -- writing ---------------------------------------------------------------------------------------------


def test_revision_prints_the_path_of_an_empty_file(tool: CommandLine, project: ProjectFolder) -> None:
    done = tool("revision", "-m", "fill users")
    assert done.returncode == 0
    path = project.root / done.stdout.strip()
    assert path.name.endswith("_fill_users.py")
    assert "pass" in path.read_text()


def test_autogenerate_writes_a_file_only_when_there_is_something_to_write(
    tool: CommandLine, project: ProjectFolder
) -> None:
    project.env("metadata", _METADATA)
    tool("upgrade")
    done = tool("revision", "--autogenerate", "-m", "more")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no file written" in done.stderr
    project.env("metadata", _METADATA + 'sa.Table("tags", metadata, sa.Column("id", sa.Integer))\n')
    done = tool("revision", "--autogenerate", "-m", "tags", "--json")
    (path,) = _document(done)["paths"]
    assert "create_table('tags'" in Path(path).read_text()


def test_merge_joins_all_heads(tool: CommandLine, project: ProjectFolder) -> None:
    project.revision("r2b", "r1")
    assert tool("upgrade").returncode == 2  # two heads: head is ambiguous
    done = tool("merge", "-m", "join")
    assert done.returncode == 0
    assert (project.root / done.stdout.strip()).exists()
    assert len(tool("heads").stdout.splitlines()) == 1


# -- settings and errors ---------------------------------------------------------------------------------


def test_the_project_may_lie_elsewhere(tool: CommandLine, project: ProjectFolder, tmp_path: Path) -> None:
    assert tool("heads", folder=tmp_path).returncode == 2
    assert tool("heads", "-c", str(project.ini), folder=tmp_path).stdout.split()[0] == "r2"
    assert tool("-c", str(project.root), "heads", folder=tmp_path).stdout.split()[0] == "r2"


def test_x_arguments_reach_env_py(tool: CommandLine, project: ProjectFolder, tmp_path: Path) -> None:
    said = tmp_path / "said"
    project.env(
        preamble="from alembic import context\nfrom pathlib import Path\n"
        f"Path({str(said)!r}).write_text(str(context.get_x_argument(as_dictionary=True)))"
    )
    tool("upgrade", "-x", "tenant=a", "-x", "mode=b")
    assert said.read_text() == "{'tenant': 'a', 'mode': 'b'}"


def test_the_url_option_beats_the_variable(tool: CommandLine, database_url: str) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    assert tool("pending", "--url", database_url, url=nowhere).returncode == 4


def test_a_database_that_does_not_answer_is_a_failure_in_one_message(tool: CommandLine) -> None:
    done = tool("pending", url=f"postgresql://u:{quote(SECRET)}@127.0.0.1:1/none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "hint:" in done.stderr


def test_wrong_settings_are_a_usage_error_that_names_the_variable(tool: CommandLine) -> None:
    done = tool("status", "--json", url="mysql://u:p@h/d")
    assert done.returncode == 2
    document = _document(done)
    assert document["error"]["type"] == "ConfigurationError"
    assert document["error"]["variable"] == "DATABASE_URL"


def test_what_env_py_and_revisions_print_does_not_mix_with_the_answer(
    project: ProjectFolder, tool: CommandLine
) -> None:
    project.env(preamble="print('from env.py')")
    project.revision(
        "r3", "r2", upgrade="import os\nprint('from the revision')\nos.system('echo from a program')"
    )
    done = tool("upgrade", "--json")
    assert json.loads(done.stdout)["after"] == ["r3"]
    for words in ("from env.py", "from the revision", "from a program"):
        assert words in done.stderr
    assert tool("sql", "r1").stdout.lstrip().startswith("BEGIN;")
