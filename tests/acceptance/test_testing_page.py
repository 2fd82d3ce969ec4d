"""docs/testing.md, run as it is written."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from suites import outcomes, run

if TYPE_CHECKING:
    from conftest import ProjectFolder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
FILE = re.compile(r"`([\w/.-]+\.(?:py|ini|yml))`:?$")

MODELS = """\
from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
"""


def blocks(kind: str) -> list[tuple[str, str]]:
    """Every block of a kind with the file that the line before it names, or ""."""
    found = []
    for block in BLOCK.finditer(PAGE):
        if block["kind"] == kind:
            named = FILE.search(block["before"])
            found.append((named[1] if named else "", block["text"]))
    return found


@pytest.fixture
def documented(project: ProjectFolder) -> ProjectFolder:
    """The project that the page speaks of, with every file that it shows."""
    project.revision(
        "1a2b3c4d5e6f",
        upgrade="op.create_table('users', sa.Column('id', sa.Integer, primary_key=True),\n"
        "    sa.Column('email', sa.Text, nullable=False))",
        downgrade="op.drop_table('users')",
        doc="create users",
    ).rename(project.versions / "20260101_0000_1a2b3c4d5e6f_create_users.py")
    project.revision(
        "5f6e7d8c9b0a",
        "1a2b3c4d5e6f",
        upgrade="op.add_column('users', sa.Column('name', sa.Text))\n"
        "op.execute(\"UPDATE users SET name = split_part(email, '@', 1)\")",
        downgrade="op.drop_column('users', 'name')",
        doc="name users",
    ).rename(project.versions / "20260102_0000_5f6e7d8c9b0a_name_users.py")
    (project.root / "models.py").write_text(MODELS, encoding="utf-8")
    (project.root / "pytest.ini").write_text(blocks("ini")[-1][1], encoding="utf-8")
    for name, text in blocks("python"):
        path = project.root / (name or "alembic/env.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return project


@pytest.mark.slow
def test_the_suite_of_the_page_passes_with_all_checks(documented: ProjectFolder, server_url: str) -> None:
    assert len(blocks("python")) == 7
    paths = ("-o", "pythonpath=.")
    server = {"HEADWAY_TEST_DATABASE_URL": server_url}
    done = run(documented.root, *paths, more=server)
    assert outcomes(done) == {"passed": 17}, done.stdout + done.stderr
    for item in re.findall(r"^\| `(headway::\w+)", PAGE, re.MULTILINE):
        assert f"PASSED {item}" in done.stdout


@pytest.mark.slow
def test_every_command_of_the_page_is_one_that_pytest_takes(documented: ProjectFolder) -> None:
    commands = [shlex.split(line) for _, text in blocks("sh") for line in text.splitlines()]
    options = [words[1:] for words in commands if words[0] == "pytest"]
    assert [words[0] for words in commands if words[0] != "pytest"] == ["pip"]
    every = [word for words in options for word in words if word.startswith("--headway")]
    every += re.findall(r"`(--headway-[\w-]+(?:=\w+)?)`", PAGE)
    helped = run(documented.root, "--help", "-n", "0").stdout
    for option in every:
        assert option.partition("=")[0] in helped
    for value in re.findall(r"`(headway_(?:config|image|isolation|checks|database_url|provider))\b", PAGE):
        assert re.search(rf"^  {value} ", helped, re.MULTILINE), value


def test_the_pipelines_of_the_page_are_well_formed_and_run_its_command() -> None:
    github, gitlab = [yaml.safe_load(text) for _, text in blocks("yaml")]
    [job] = github["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == gitlab["tests"]["script"]
    assert job["env"]["HEADWAY_TEST_DATABASE_URL"].startswith("postgresql://")


def test_the_contents_of_the_page_name_its_parts() -> None:
    parts = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    slugs = [re.sub(r"[^\w -]", "", part.lower()).replace(" ", "-") for part in parts]
    assert re.findall(r"\]\(#([^)]+)\)", PAGE) == slugs
    for text in (text for _, text in blocks("ini")):
        configparser.ConfigParser().read_string(text)
