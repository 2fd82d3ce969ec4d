"""Comments that let a rule pass, and what is amiss with some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headway.errors import ConfigurationError
from headway.lint import Policy, Subject, comment, examine, read_policy
from headway.results import Severity, StatementReview
from lint_subjects import before, lint, step

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "CREATE INDEX i ON users (age)"
PYTHON = '''"""Words."""
{top}
revision = "r1"
down_revision = None


def upgrade():
    {above}
    op.create_index(
        "i",{between}
        "users",
        ["age"],
    ){beside}


def downgrade():
    raise NotImplementedError  # headway: allow downgrade-missing: nobody goes back
'''
ALLOW = "# headway: allow index-not-concurrent"


def found(source: str, line: int = 9, path: str = "versions/r1.py") -> dict[str, str | None]:
    review = StatementReview(1, INDEX, line=line)
    subject = Subject(step=step(review, path=path), source=source, before=before())
    return {it.rule: it.silenced for it in examine(subject) if it.rule != "downgrade-missing"}


def python(**where: str) -> str:
    return PYTHON.format(**{"top": "", "above": "pass", "between": "", "beside": ""} | where)


@pytest.mark.parametrize("where", ["top", "above", "beside", "between"])
def test_a_comment_with_a_reason_silences_on_above_and_within_the_statement_and_at_the_top(
    where: str,
) -> None:
    source = python(
        **{where: f"  {ALLOW}: twelve rows" if where in {"between", "beside"} else f"{ALLOW}: twelve rows"}
    )
    assert found(source) == {"index-not-concurrent": "twelve rows"}


def test_a_comment_at_another_statement_silences_nothing_and_is_found() -> None:
    source = python() + f"\n\ndef other():\n    {ALLOW}: twelve rows\n    pass\n"
    assert found(source) == {"index-not-concurrent": None, "silence-unused": None}


def test_a_comment_without_a_reason_silences_nothing() -> None:
    assert found(python(above=ALLOW)) == {"index-not-concurrent": None, "silence-without-reason": None}


def test_a_misspelt_rule_is_found_with_what_was_meant() -> None:
    subject = Subject(
        step=step(StatementReview(1, INDEX, line=9)),
        source=python(above="# headway: allow index-not-concurent: twelve rows"),
        before=before(),
    )
    [unused] = [it for it in examine(subject) if it.rule == "silence-unused"]
    assert "index-not-concurrent" in unused.hazard
    assert unused.line == 8


def test_several_rules_share_a_comment_and_a_reason() -> None:
    source = python(above="# headway: allow index-not-concurrent, downgrade-missing: a small table")
    assert found(source) == {"index-not-concurrent": "a small table", "silence-unused": None}


def test_a_text_within_a_string_is_no_comment() -> None:
    assert found(python(above=f'x = "{ALLOW}: twelve rows"')) == {"index-not-concurrent": None}


def test_an_sql_revision_is_silenced_by_its_comments() -> None:
    allow = "-- headway: allow index-not-concurrent: twelve rows"
    above = f"-- headway: revision=r1\n\nSELECT 1;\n{allow}\n{INDEX};\n"
    assert found(above, 5, "1_a.up.sql") == {"index-not-concurrent": "twelve rows"}
    beside = f"SELECT 1;\n{INDEX}; {allow}\n"
    assert found(beside, 2, "1_a.up.sql") == {"index-not-concurrent": "twelve rows"}
    top = f"{allow}\n\nSELECT 1;\n{INDEX};\n"
    assert found(top, 4, "1_a.up.sql") == {"index-not-concurrent": "twelve rows"}
    other = f"{allow}\nSELECT 1;\n{INDEX};\n"
    assert found(other, 3, "1_a.up.sql") == {"index-not-concurrent": None, "silence-unused": None}


def test_the_way_back_is_silenced_where_the_downgrade_is() -> None:
    up = step(StatementReview(1, "ALTER TABLE users ADD a int", line=9))
    silenced = examine(Subject(step=up, source=python(), before=before()))
    assert [(it.rule, it.silenced) for it in silenced] == [("downgrade-missing", "nobody goes back")]


def test_a_finding_says_how_it_is_silenced() -> None:
    [finding] = lint(INDEX)
    assert comment(finding) == "# headway: allow index-not-concurrent: (the reason)"


def test_severities_are_read_and_misspelt_rules_are_refused_with_the_nearest() -> None:
    where = "pyproject.toml: [tool.headway.lint]"
    policy = read_policy({"drop-column": "warning", "fail-on": "off"}, where=where)
    assert policy == Policy({"drop-column": Severity.WARNING}, Severity.OFF)
    above = read_policy({"drop-table": "off"}, where="alembic.ini", beneath=policy)
    assert above.severities == {"drop-column": Severity.WARNING, "drop-table": Severity.OFF}
    assert above.fail_on is Severity.OFF
    with pytest.raises(ConfigurationError, match="did you mean drop-column"):
        read_policy({"drop-colum": "warning"}, where=where)
    with pytest.raises(ConfigurationError, match="error, warning, off"):
        read_policy({"drop-column": "fatal"}, where=where)


def test_a_project_says_its_severities_in_either_file(tmp_path: Path) -> None:
    from headway.project import load_project
    from headway.project.lintsection import lint_sections

    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = alembic\n\n[headway:lint]\ndrop-column = warning\n", encoding="utf-8"
    )
    (tmp_path / "pyproject.toml").write_text('[tool.headway.lint]\nfail-on = "off"\n', encoding="utf-8")
    assert list(lint_sections(load_project(tmp_path))) == [
        ("pyproject.toml: [tool.headway.lint]", {"fail-on": "off"}),
        ("alembic.ini: [headway:lint]", {"drop-column": "warning"}),
    ]
    (tmp_path / "pyproject.toml").write_text("[tool.headway]\nlint = 3\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="must be a table"):
        list(lint_sections(load_project(tmp_path)))
