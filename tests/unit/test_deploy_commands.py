"""Every ``headway`` command that the guide and ``deploy/`` show is one; every local link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from headway.cli.group import root

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "deploy.md"
PAGES = [ROOT / "README.md", ROOT / "MIGRATIONS.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]

# A verb follows; the command ends where the shell, a quotation or a comment would end it.
COMMAND = re.compile(r"(?<![\w/.-])headway ([a-z][^\n|&;<>\"'`#)]*)")
CODE = re.compile(r"^```(\w*)\n(.*?)^```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def in_text(text: str) -> list[list[str]]:
    return [shlex.split(words) for words in COMMAND.findall(text.replace("\\\n", " "))]


def in_page(text: str) -> list[list[str]]:
    """The commands in code, be it a block or a few words; Python's is left out."""
    code = [block or span for language, block, span in CODE.findall(text) if language != "python"]
    return [command for piece in code for command in in_text(piece)]


def in_document(value: Any) -> Iterator[list[str]]:
    """Lists that begin with ``headway``, and what strings say to a shell; comments are not read."""
    if isinstance(value, str):
        yield from in_text(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from in_document(inner)
    elif isinstance(value, list):
        if value[:1] == ["headway"]:
            yield value[1:]
        else:
            for inner in value:
                yield from in_document(inner)


def shown() -> list[tuple[str, tuple[str, ...]]]:
    found = {("docs/deploy.md", tuple(words)) for words in in_page(GUIDE.read_text(encoding="utf-8"))}
    for path in (ROOT / "deploy").rglob("*"):
        name = str(path.relative_to(ROOT))
        if path.suffix == ".yaml":
            parsed = yaml.safe_load_all(path.read_text(encoding="utf-8"))
            found |= {(name, tuple(words)) for words in in_document(list(parsed))}
        elif path.is_file():
            found |= {(name, tuple(words)) for words in in_text(path.read_text(encoding="utf-8"))}
    return sorted(found)


def parse(words: tuple[str, ...]) -> None:
    """Let click take the words apart without calling anything."""
    with click.Context(root, info_name="headway") as context:
        verb = root.get_command(context, words[0])
        if verb is None:
            raise click.UsageError(f"no verb {words[0]}")
        verb.make_context(words[0], list(words[1:]), parent=context)


@pytest.mark.parametrize(
    ("where", "words"), shown(), ids=lambda part: " ".join(part) if isinstance(part, tuple) else part
)
def test_a_command_that_is_shown_is_one_of_headways(where: str, words: tuple[str, ...]) -> None:
    parse(words)


@pytest.mark.parametrize(
    "words", ["migrate", "upgrade --lock-wait soon", "wait --deadline 1min", "pending --quick"]
)
def test_what_is_no_command_is_recognised(words: str) -> None:
    with pytest.raises(click.UsageError):
        parse(tuple(words.split()))


def test_commands_are_found_wherever_they_are_shown() -> None:
    page = """
a `headway plan` b
```python
from headway import x
```
```sh
x && headway wait \\
  --server || exec headway pending
```
"""
    assert in_page(page) == [["plan"], ["wait", "--server"], ["pending"]]
    assert list(
        in_document({"command": ["headway", "upgrade", "head"], "run": ["sh -c 'headway check'"]})
    ) == [
        ["upgrade", "head"],
        ["check"],
    ]
    assert {name for name, _ in shown()} >= {
        "docs/deploy.md",
        "deploy/kubernetes/migrate/job.yaml",
        "deploy/kubernetes/app/deployment.yaml",
        "deploy/helm/migrate-hook.yaml",
        "deploy/argo/migrate-presync.yaml",
        "deploy/compose.production.yaml",
        "deploy/github-actions/deploy.yaml",
    }


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_local_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        leads_to = (page.parent / target).resolve() if target else page
        assert leads_to.exists(), target
        if anchor:
            assert anchor in anchors(leads_to), f"{target}#{anchor}"


def test_the_handbook_and_the_readme_lead_to_the_guide() -> None:
    for page in ("README.md", "MIGRATIONS.md"):
        assert "(docs/deploy.md)" in (ROOT / page).read_text(encoding="utf-8")


def test_the_guide_names_every_file_to_start_from() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    files = [path for path in (ROOT / "deploy").rglob("*") if path.suffix in {".yaml", ".sh"}]
    assert [
        path.name for path in files if path.name not in guide and path.parent.name not in {"app", "migrate"}
    ] == []


def test_the_guides_time_limits_are_those_of_the_files() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    job = (ROOT / "deploy" / "kubernetes" / "migrate" / "job.yaml").read_text(encoding="utf-8")
    script = (ROOT / "deploy" / "kubernetes" / "rollout.sh").read_text(encoding="utf-8")
    workflow = (ROOT / "deploy" / "github-actions" / "deploy.yaml").read_text(encoding="utf-8")
    for row, file, text in [
        ("| `--lock-wait` of the Job | 10 min |", job, "--lock-wait, 10min"),
        ("| `activeDeadlineSeconds` | 30 min |", job, "activeDeadlineSeconds: 1800"),
        ("| `helm upgrade --timeout`, `ROLLOUT_TIMEOUT` | 35 min |", script, "ROLLOUT_TIMEOUT:-2100"),
        ("| `timeout-minutes` of the pipeline's job | 90 min |", workflow, "timeout-minutes: 90"),
    ]:
        assert row in guide
        assert text in file
