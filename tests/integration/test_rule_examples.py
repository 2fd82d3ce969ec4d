"""The examples of ``docs/rules``, run on PostgreSQL: a bad one is found by its rule, a good one is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from conftest import ProjectFolder
from headway import Migrator
from headway.lint import RULES
from lint_cases import EMPTIED
from rule_pages import Example, Page, page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headway.results import StepReview

PAGES = [page(slug) for slug in RULES]


def _revisions() -> Iterator[tuple[str, Example]]:
    """Every example with its id, after what is given on its page."""
    for number, each in enumerate(PAGES):
        given = Example("sql", EMPTIED + each.given)
        yield f"p{number:02}given", given
        yield f"p{number:02}bad", each.bad
        yield f"p{number:02}again", given
        for order, example in enumerate(each.good):
            yield f"p{number:02}good{order}", example


def _text(id_: str, parent: str | None, example: Example) -> str:
    if example.language == "sql":
        return f"-- headway: revision={id_} parent={parent or 'base'}\n{example.code}"
    down = "" if "def downgrade" in example.code else "\n\ndef downgrade() -> None:\n    pass\n"
    return (
        f'"""An example"""\n\nfrom alembic import op\nimport sqlalchemy as sa\n{_imports(example.code)}'
        f"\nrevision = {id_!r}\ndown_revision = {parent!r}\n{_rest(example.code)}{down}"
    )


def _imports(code: str) -> str:
    return "import headway.op\n" if "import headway.op" in code else ""


def _rest(code: str) -> str:
    return code.replace("import headway.op\n", "").lstrip("\n")


@pytest.fixture(scope="module")
def steps(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, StepReview]:
    folder = ProjectFolder(tmp_path_factory.mktemp("pages") / "project")
    parent = None
    for number, (id_, example) in enumerate(_revisions()):
        name = f"202501{number // 1440 + 1:02}{number // 60:02}{number % 60:02}00_example.up.sql"
        file = folder.versions / (name if example.language == "sql" else f"{id_}.py")
        file.write_text(_text(id_, parent, example), encoding="utf-8")
        parent = id_

    async def lint() -> Mapping[str, StepReview]:
        async with Migrator(folder.ini) as migrator:
            return {step.revision: step for step in (await migrator.lint(scratch=server_url)).steps}

    return anyio.run(lint)


def _found(step: StepReview) -> set[str]:
    return {finding.rule for finding in step.findings if finding.silenced is None}


def test_what_the_pages_give_can_be_made(steps: Mapping[str, StepReview]) -> None:
    given = {id_: step for id_, step in steps.items() if id_.endswith(("given", "again"))}
    errors = {id_: [it.error for it in step.statements if it.error] for id_, step in given.items()}
    assert {id_: each for id_, each in errors.items() if each} == {}


@pytest.mark.parametrize(("number", "each"), [*enumerate(PAGES)], ids=[page.slug for page in PAGES])
def test_a_bad_example_is_found_and_a_good_one_is_not(
    steps: Mapping[str, StepReview], number: int, each: Page
) -> None:
    assert each.slug in _found(steps[f"p{number:02}bad"])
    for order in range(len(each.good)):
        good = steps[f"p{number:02}good{order}"]
        assert each.slug not in _found(good)
        assert [it.error for it in good.statements if it.error] == []
