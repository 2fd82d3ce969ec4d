"""Lint's report as other programs read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from headway.lint import RULES, Subject, examine, github, gitlab, sarif
from headway.results import Finding, LintReport, Severity
from lint_subjects import IRREVERSIBLE, before, step

ROOT = Path("/repository")
FILE = ROOT / "db" / "versions" / "1 50%,a:b.py"


def report(*findings: Finding) -> LintReport:
    return LintReport((replace(step("SELECT 1"), findings=findings),), unwatched="no server")


def real() -> list[Finding]:
    subject = Subject(
        step=step("CREATE INDEX i ON users (age)", "DROP TABLE posts", path=str(FILE)),
        source=IRREVERSIBLE,
        before=before(),
    )
    return [it for it in examine(subject) if it.rule != "downgrade-missing"]


def finding(hazard: str = "it is locked", **changes: object) -> Finding:
    made = Finding("drop-table", Severity.ERROR, "r1", FILE, 7, 1, hazard)
    return replace(made, **changes)  # type: ignore[arg-type]  # of a test's own words


def test_annotations_are_escaped_as_github_reads_them() -> None:
    assert github(report(finding("100% of a\nb")), ROOT) == (
        "::error file=db/versions/1 50%25%2Ca%3Ab.py,line=7,title=drop-table%3A a table is dropped::"
        "100%25 of a%0Ab\n"
    )


def test_a_silenced_finding_is_a_notice_with_its_reason() -> None:
    said = github(report(finding(silenced="nobody reads it", line=None)), ROOT)
    assert said.startswith("::notice file=db/versions/1 50%25%2Ca%3Ab.py,title=")
    assert said.endswith("silenced: nobody reads it\n")
    assert json.loads(gitlab(report(finding(silenced="nobody reads it")), ROOT))[0]["severity"] == "info"


def test_a_report_without_findings_is_a_document_all_the_same() -> None:
    assert github(report(), ROOT) == ""
    assert json.loads(gitlab(report(), ROOT)) == []
    assert json.loads(sarif(report(), ROOT))["runs"][0]["results"] == []


def test_sarif_has_what_its_schema_requires() -> None:
    findings = [*real(), finding(silenced="nobody reads it", line=None)]
    log = json.loads(sarif(report(*findings), ROOT))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "headway"
    assert [rule["id"] for rule in rules] == list(RULES)
    for rule in rules:
        assert rule["help"]["text"]
        assert rule["shortDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning"}
    assert len(run["results"]) == len(findings)
    for result, source in zip(run["results"], findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == source.rule
        assert result["level"] == source.severity.value
        assert source.hazard in result["message"]["text"]
        [location] = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "db/versions/1%2050%25%2Ca%3Ab.py"
        assert place.get("region", {}).get("startLine") == source.line
    assert [it.get("suppressions") for it in run["results"]][-1] == [
        {"kind": "inSource", "justification": "nobody reads it"}
    ]
    assert all("suppressions" not in it for it in run["results"][:-1])


def test_a_fingerprint_stays_when_lines_move_and_differs_for_each_finding() -> None:
    def marks(*findings: Finding) -> list[str]:
        return [issue["fingerprint"] for issue in json.loads(gitlab(report(*findings), ROOT))]

    assert marks(finding()) == marks(finding(line=70))
    assert len(set(marks(finding(), finding(), finding("another"), finding(rule="drop-view")))) == 4


def test_gitlab_gets_what_its_format_asks_for() -> None:
    [issue, *_] = json.loads(gitlab(report(*real()), ROOT))
    assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert issue["check_name"] == "index-not-concurrent"
    assert issue["severity"] == "critical"
    assert issue["location"] == {"path": "db/versions/1 50%,a:b.py", "lines": {"begin": 11}}


def test_a_file_outside_the_repository_is_named_in_full() -> None:
    [issue] = json.loads(gitlab(report(finding(path=Path("/elsewhere/a.py"))), ROOT))
    assert issue["location"]["path"] == "/elsewhere/a.py"


def test_lint_fails_from_the_severity_on_that_the_project_says() -> None:
    warned = report(finding(severity=Severity.WARNING))
    assert [
        replace(warned, fail_on=it).failed for it in (Severity.ERROR, Severity.WARNING, Severity.OFF)
    ] == [
        False,
        True,
        False,
    ]
    assert report(finding()).failed
    assert not report(finding(silenced="a reason")).failed
