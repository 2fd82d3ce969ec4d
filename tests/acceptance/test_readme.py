"""What README promises, run as it is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from headway.cli.group import root
from headway.cli.invocation import Invocation

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
FILE = re.compile(r"`([\w/]+\.py)`")


def quickstart() -> str:
    return README.split("<!-- quickstart:begin -->")[1].split("<!-- quickstart:end -->")[0]


def environment() -> dict[str, str]:
    """The environment of somebody whose virtual environment is active."""
    own = Path(sys.executable).parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "HEADWAY_"))}
    return {**kept, "PATH": f"{own}{os.pathsep}{os.environ['PATH']}"}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S602  # the README is written for a shell
        command,
        shell=True,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_quickstart_brings_an_own_project_to_head_word_for_word(checkout: Path) -> None:
    output = ""
    for block in BLOCK.finditer(quickstart()):
        if block["kind"] == "python":
            [name] = FILE.findall(block["before"])
            (checkout / name).write_text(block["text"], encoding="utf-8")
            continue
        for command in block["text"].splitlines():
            if command.startswith("pip install"):
                continue  # what it installs is what this test runs with
            done = run(command, checkout)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            output += done.stdout
    [revision] = re.findall(r"^✓  (\w+)  applied, current, head  .*  create users$", output, re.MULTILINE)
    assert f"at head ({revision})" in output
    assert f"{revision} (head)" in output  # alembic's own words


def test_every_command_of_the_readme_exists() -> None:
    named = {
        verb for row in re.findall(r"^\| `headway (.+?) \|", README, re.MULTILINE) for verb in verbs(row)
    }
    assert {"status", "upgrade", "dev url", "dev reset", "tests psql", "merge"} <= named
    for verb in sorted(named):
        helped = CliRunner().invoke(root, [*verb.split(), "--help"], obj=Invocation())
        assert helped.exit_code == 0, f"{verb}\n{helped.output}"


def verbs(row: str) -> list[str]:
    words = [part.strip(" `").split(" ") for part in row.partition("|")[0].split(",")]
    if words[0][0] in {"dev", "tests"}:
        group = words[0][0]
        return [f"{group} {words[0][1]}", *(f"{group} {word[0]}" for word in words[1:])]
    return [word[0] for word in words]


def test_every_file_that_the_documents_link_to_is_there() -> None:
    for document in ("README.md", "MIGRATIONS.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / link).exists(), f"{document} links to {link}"


def test_every_part_of_the_handbook_that_its_contents_name_is_there() -> None:
    text = (ROOT / "MIGRATIONS.md").read_text(encoding="utf-8")
    parts = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == parts


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_transcript_of_the_readme_is_what_the_commands_print(checkout: Path) -> None:
    shutil.copytree(ROOT / "alembic", checkout / "alembic")
    shutil.copytree(ROOT / "src" / "taskman", checkout / "src" / "taskman")
    shutil.copy(ROOT / "alembic.ini", checkout)
    headway = f"{sys.executable} -m headway"
    printed = ""
    for command in ("upgrade head", "upgrade head", "status", "downgrade -1"):
        done = run(f"{headway} {command} 2>&1 </dev/null", checkout)
        printed += done.stdout
    timeless = re.compile(r"[\d.]+ (ms|s|kB)|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
    transcript = README.partition("```console\n")[2].partition("```")[0]
    expected = [line for line in transcript.splitlines() if line and not line.startswith(("$", "Undo"))]
    seen = {timeless.sub("N", line) for line in printed.splitlines()}
    missing = [line for line in expected if timeless.sub("N", line) not in seen]
    assert missing == [], printed
