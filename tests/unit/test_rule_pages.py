"""Every rule of lint has a page; the index names them all; the corpus knows no other."""

from __future__ import annotations

import re

import pytest

from headway.lint import RULES
from lint_cases import cases
from rule_pages import INDEX, PAGES, index, page

NEWEST = 18


def test_each_rule_has_a_page_and_each_page_a_rule() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*RULES, "README"}


def test_the_index_is_up_to_date() -> None:
    assert INDEX.read_text(encoding="utf-8") == index(), "run: python tests/rule_pages.py"


@pytest.mark.parametrize("slug", RULES)
def test_a_page_says_what_its_rule_says(slug: str) -> None:
    first, _, said, *_ = (PAGES / f"{slug}.md").read_text(encoding="utf-8").splitlines()
    rule = RULES[slug]
    assert first == f"# {slug}"
    assert said.lower() == f"{rule.title}. Severity: {rule.severity.value}.".lower()


@pytest.mark.parametrize("slug", RULES)
def test_a_page_shows_how_its_own_rule_is_silenced(slug: str) -> None:
    silenced = page(slug).silenced
    if slug.startswith("silence-"):
        assert silenced is None
    else:
        assert silenced is not None
        assert re.fullmatch(rf"(#|--) headway: allow {slug}: \S.+\n", silenced.code)


def test_each_rule_is_found_by_two_revisions_of_the_corpus_at_least() -> None:
    found = [rule for case in cases(NEWEST) for rule in case.rules]
    assert {rule: found.count(rule) for rule in RULES if found.count(rule) < 2} == {}


def test_the_corpus_speaks_of_no_rule_that_is_not_there() -> None:
    assert {rule for case in cases(NEWEST) for rule in case.rules | case.also} <= {*RULES}


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    corpus = cases(NEWEST)
    assert len({str(case) for case in corpus}) == len(corpus) >= 250
    assert 0.4 < sum(case.dangerous for case in corpus) / len(corpus) < 0.6
