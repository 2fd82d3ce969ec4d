"""Plans, identifiers, stamps and states, by table; Alembic's own answers are in the test beside this one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headway.errors import ExitCode, ResolutionError, UnknownRevisionsError
from headway.planning import (
    Plan,
    assess,
    describe,
    history_range,
    pending,
    plan_downgrade,
    plan_range,
    plan_stamp,
    plan_upgrade,
    resolve,
)
from headway.results import Direction, Mark, State
from headway.revisions import Graph, Revision

if TYPE_CHECKING:
    from collections.abc import Callable


def graph(*lines: str) -> Graph:
    """``"id < parent parent / needed needed : label label"``; everything after the id may be missing."""
    revisions = []
    for number, line in enumerate(lines):
        rest, _, labels = line.partition(":")
        rest, _, needed = rest.partition("/")
        id_, _, parents = rest.partition("<")
        revisions.append(
            Revision(
                id=id_.strip(),
                parents=tuple(parents.split()),
                depends_on=tuple(needed.split()),
                labels=tuple(labels.split()),
                description=f"Do {id_.strip()}",
                path=Path(f"{number:02}_{id_.strip()}.py"),
                line=1,
            )
        )
    return Graph(revisions)


LINE = graph("aaaa1", "bbbb2 < aaaa1", "cccc3 < bbbb2", "dddd4 < cccc3")
FORK = graph("root1", "left2 < root1 : left", "left3 < left2", "rite2 < root1 : right", "rite3 < rite2")
MERGED = graph("root1", "left2 < root1", "rite2 < root1", "join3 < left2 rite2", "last4 < join3")
NEEDY = graph("core1 : core", "core2 < core1", "shop1 / core2 : shop", "shop2 < shop1")
EMPTY = graph()


def ids(plan: Plan) -> str:
    return " ".join(step.revision for step in plan.steps)


@pytest.mark.parametrize(
    ("revisions", "current", "target", "steps", "after"),
    [
        (LINE, "", "heads", "aaaa1 bbbb2 cccc3 dddd4", "dddd4"),
        (LINE, "", "head", "aaaa1 bbbb2 cccc3 dddd4", "dddd4"),
        (LINE, "bbbb2", "+1", "cccc3", "cccc3"),
        (LINE, "", "+2", "aaaa1 bbbb2", "bbbb2"),
        (LINE, "", "base+1", "aaaa1", "aaaa1"),
        (LINE, "aaaa1", "ccc", "bbbb2 cccc3", "cccc3"),
        (LINE, "", "bbbb2+1", "aaaa1 bbbb2 cccc3", "cccc3"),
        (LINE, "", "head-2", "aaaa1 bbbb2", "bbbb2"),
        (LINE, "dddd4", "bbbb2", "", "dddd4"),
        (LINE, "dddd4", "heads", "", "dddd4"),
        (LINE, "bbbb2", "base", "", "bbbb2"),
        (EMPTY, "", "heads", "", ""),
        (EMPTY, "", "head", "", ""),
        (FORK, "", "heads", "root1 left2 left3 rite2 rite3", "left3 rite3"),
        (FORK, "", "left@head", "root1 left2 left3", "left3"),
        (FORK, "root1", "right@+1", "rite2", "rite2"),
        (FORK, "left3", "right@+2", "rite2 rite3", "left3 rite3"),
        (FORK, "left3", "right", "rite2", "left3 rite2"),
        (FORK, "left2", "+1", "left3", "left3"),
        (MERGED, "left2", "join3", "rite2 join3", "join3"),
        (NEEDY, "", "shop@head", "core1 core2 shop1 shop2", "shop2"),
        (NEEDY, "", "core@head", "core1 core2", "core2"),
        (NEEDY, "core1", "shop1", "core2 shop1", "shop1"),
    ],
)
def test_an_upgrade_runs_what_is_missing_in_order(
    revisions: Graph, current: str, target: str, steps: str, after: str
) -> None:
    plan = plan_upgrade(revisions, current.split(), target)
    assert (ids(plan), " ".join(plan.after)) == (steps, after)
    assert plan.direction is Direction.UPGRADE
    assert " ".join(plan.before) == current


@pytest.mark.parametrize(
    ("revisions", "current", "target", "steps", "after"),
    [
        (LINE, "dddd4", "-1", "dddd4", "cccc3"),
        (LINE, "dddd4", "base", "dddd4 cccc3 bbbb2 aaaa1", ""),
        (LINE, "bbbb2", "-2", "bbbb2 aaaa1", ""),
        (LINE, "dddd4", "bbbb2", "dddd4 cccc3", "bbbb2"),
        (LINE, "dddd4", "dddd4-3", "dddd4 cccc3 bbbb2", "aaaa1"),
        (LINE, "dddd4", "aaaa1+1", "dddd4 cccc3", "bbbb2"),
        (LINE, "bbbb2", "bbbb2", "", "bbbb2"),
        (LINE, "", "base", "", ""),
        (FORK, "left3 rite3", "left@-1", "left3", "left2 rite3"),
        (FORK, "left3 rite3", "rite3@-2", "rite3 rite2", "left3"),
        (FORK, "left3 rite3", "left@root1", "left3 left2", "rite3"),
        (FORK, "left3 rite3", "root1", "rite3 rite2 left3 left2", "root1"),
        (FORK, "left2 rite3", "left2", "", "left2 rite3"),
        (MERGED, "last4", "-1", "last4", "join3"),
        (MERGED, "last4", "left2", "last4 join3", "left2 rite2"),
        (MERGED, "join3", "root1", "join3 rite2 left2", "root1"),
        (NEEDY, "shop2", "-1", "shop2", "shop1"),
        (NEEDY, "shop2", "shop@base", "shop2 shop1", "core2"),
        (NEEDY, "shop2", "core@base", "shop2 shop1 core2 core1", ""),
        (NEEDY, "shop2", "core1", "shop2 shop1 core2", "core1"),
    ],
)
def test_a_downgrade_undoes_what_lies_above_and_what_needs_it(
    revisions: Graph, current: str, target: str, steps: str, after: str
) -> None:
    plan = plan_downgrade(revisions, current.split(), target)
    assert (ids(plan), " ".join(plan.after)) == (steps, after)


def test_a_step_knows_its_file_description_and_parents() -> None:
    (step,) = plan_upgrade(NEEDY, ["core2"], "shop1").steps
    assert (step.path, step.description, step.parents) == (Path("02_shop1.py"), "Do shop1", ("core2",))


@pytest.mark.parametrize(
    ("plan", "update", "deletes", "inserts"),
    [
        (plan_upgrade(LINE, [], "aaaa1"), None, (), ("aaaa1",)),
        (plan_upgrade(LINE, ["aaaa1"], "bbbb2"), ("aaaa1", "bbbb2"), (), ()),
        (plan_upgrade(MERGED, ["left2", "rite2"], "join3"), ("rite2", "join3"), ("left2",), ()),
        (plan_downgrade(MERGED, ["join3"], "left2"), ("join3", "rite2"), (), ("left2",)),
        (plan_downgrade(LINE, ["aaaa1"], "base"), None, ("aaaa1",), ()),
        (plan_downgrade(FORK, ["left3", "rite2"], "right@root1"), None, ("rite2",), ()),
    ],
)
def test_a_step_says_how_the_version_table_changes(
    plan: Plan, update: tuple[str, str] | None, deletes: tuple[str, ...], inserts: tuple[str, ...]
) -> None:
    (step,) = plan.steps
    assert (step.update, step.deletes, step.inserts) == (update, deletes, inserts)


def test_several_targets_are_all_reached_even_when_one_needs_another() -> None:
    assert ids(plan_upgrade(FORK, [], ["left2", "left3", "right"])) == "root1 left2 left3 rite2"
    assert plan_upgrade(FORK, [], []).steps == ()


def test_revisions_without_order_between_them_run_by_file_name() -> None:
    assert ids(plan_upgrade(graph("zz1", "aa1", "mm2 < aa1"), [], "heads")) == "zz1 aa1 mm2"


@pytest.mark.parametrize(
    ("revisions", "current", "target", "message", "candidates", "hint"),
    [
        (FORK, "", "head", "there are 2 heads", "left3 rite3", 'headway merge -m "merge heads" left3 rite3'),
        (FORK, "", "+2", "revisions after root1 are left2, rite2", "left2 rite2", "BRANCH@+1"),
        (FORK, "left2 rite2", "+1", "at left2, rite2", "left2 rite2", "headway upgrade left2+1"),
        (LINE, "", "nosuch", "begins with, 'nosuch'", "", "headway history"),
        (LINE, "", "", "names no revision", "", "headway history"),
        (LINE, "", "nosuch@head", "begins with, 'nosuch'", "", "headway history"),
        (LINE, "", "head@head", "before @", "", "no branch labels"),
        (FORK, "", "left@", "names no revision", "", "Branch labels: left, right"),
        (FORK, "", "left@rite2", "does not belong to branch 'left'", "rite2", "headway history"),
        (
            graph("abcd1", "abcd2 < abcd1"),
            "",
            "abc",
            "beginning of several",
            "abcd1 abcd2",
            "more characters",
        ),
        (graph("ab1"), "", "ab", "begins with, 'ab'", "", "headway history"),
        (LINE, "cccc3", "+2", "past the end", "", "headway history"),
        (LINE, "", "aaaa1-1", "past the end", "", "headway history"),
        (LINE, "", "base-1", "past the end", "", "headway history"),
        (LINE, "dddd4", "-1", "does not lead forward", "", "headway downgrade -1"),
        (LINE, "dddd4", "+0", "does not lead forward", "", "+1"),
        (LINE, "", "+1junk", "begins with, '+1junk'", "", "headway history"),
        (LINE, "", "+" + "9" * 5000, "No revision", "", "headway history"),
        (MERGED, "", "join3-1", "join3 merges left2, rite2", "left2 rite2", "go back to"),
    ],
)
def test_an_upgrade_target_that_is_unclear_is_refused_with_the_way_out(
    revisions: Graph, current: str, target: str, message: str, candidates: str, hint: str
) -> None:
    with pytest.raises(ResolutionError) as caught:
        plan_upgrade(revisions, current.split(), target)
    assert message in caught.value.message
    assert caught.value.identifier == target
    assert " ".join(caught.value.candidates) == candidates
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("revisions", "current", "target", "message", "hint"),
    [
        (
            FORK,
            "left3 rite3",
            "-1",
            "at left3, rite3",
            "`headway downgrade left3@-1` or `headway downgrade rite3@-1`",
        ),
        (LINE, "", "-1", "nothing to undo", "headway status"),
        (FORK, "left3", "rite3@-1", "no revision on branch 'rite3'", "headway status"),
        (LINE, "bbbb2", "-3", "past the end", "base"),
        (LINE, "bbbb2", "+1", "does not lead back", "-1"),
        (LINE, "bbbb2", "cccc3", "'cccc3' is not applied", "headway status"),
        (NEEDY, "shop1", "core2", "only because shop1 needs it", "headway status"),
        (MERGED, "join3", "-1", "join3 merges left2, rite2", "go back to"),
        (FORK, "left3 rite3", "heads", "2 heads", "heads"),
        (LINE, "dddd4", "base-1", "past the end", "base"),
        (LINE, "dddd4", "nosuch@base", "begins with, 'nosuch'", "headway history"),
        (FORK, "left3 rite3", "left@rite2", "does not belong to branch 'left'", "headway history"),
        (
            graph("r1", "a2 < r1 : a", "b3 < a2", "c3 < a2"),
            "b3 c3",
            "a@a2",
            "none of them is on the way to a2",
            "Before the @",
        ),
    ],
)
def test_a_downgrade_target_that_is_unclear_is_refused_with_the_way_out(
    revisions: Graph, current: str, target: str, message: str, hint: str
) -> None:
    with pytest.raises(ResolutionError) as caught:
        plan_downgrade(revisions, current.split(), target)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("ask", [plan_upgrade, plan_downgrade])
def test_unknown_rows_are_named_with_the_way_out_and_nothing_is_planned(
    ask: Callable[[Graph, list[str], str], Plan],
) -> None:
    with pytest.raises(
        UnknownRevisionsError, match=r"at revisions 'gone8', 'gone9'.*Another checkout"
    ) as caught:
        ask(LINE, ["gone9", "bbbb2", "gone8"], "base")
    assert caught.value.revisions == ("gone8", "gone9")
    assert "headway stamp --purge" in (caught.value.hint or "")


# Where headway and Alembic part, on purpose.


def test_rows_that_other_rows_imply_are_dropped_by_the_first_step_where_alembic_refuses() -> None:
    plan = plan_upgrade(LINE, ["aaaa1", "bbbb2"], "cccc3")
    assert [(step.before, step.after) for step in plan.steps] == [(("aaaa1", "bbbb2"), ("cccc3",))]
    assert plan.steps[0].deletes == ("aaaa1",)


def test_a_parent_that_another_parent_needs_leaves_no_row_behind_where_alembic_keeps_one_or_fails() -> None:
    revisions = graph("aaaa1", "bbbb2 < aaaa1", "side1", "cccc3 < bbbb2 side1 / aaaa1", "else1")
    up = plan_upgrade(revisions, ["bbbb2", "side1"], "cccc3")
    assert up.after == ("cccc3",)
    assert plan_downgrade(revisions, ["cccc3", "else1"], "bbbb2").after == ("bbbb2", "else1", "side1")


def test_heads_of_a_branch_that_need_each_other_are_all_applied_where_alembic_refuses() -> None:
    revisions = graph("root1 : all", "left2 < root1", "rite2 < root1 / left2")
    assert ids(plan_upgrade(revisions, [], "all@heads")) == "root1 left2 rite2"


def test_a_downgrade_understands_the_head_of_a_branch_where_alembic_sees_all_heads() -> None:
    assert plan_downgrade(FORK, ["left3", "rite3"], "left@head").steps == ()


def test_stamping_all_heads_keeps_the_head_that_is_there_where_alembic_loses_it() -> None:
    assert plan_stamp(FORK, ["left3", "rite2"], ["heads"]) == ("left3", "rite3")


@pytest.mark.parametrize(
    ("revisions", "current", "targets", "rows"),
    [
        (LINE, "", "head", "dddd4"),
        (LINE, "dddd4", "bbbb2", "bbbb2"),
        (LINE, "bbbb2", "dddd4", "dddd4"),
        (LINE, "bbbb2", "base", ""),
        (LINE, "bbbb2", "", ""),
        (LINE, "aaaa1 bbbb2", "bbbb2", "bbbb2"),
        (FORK, "", "heads", "left3 rite3"),
        (FORK, "left2", "rite3", "left2 rite3"),
        (FORK, "left3 rite3", "left2", "left2 rite3"),
        (FORK, "left3 rite3", "left@base", "rite3"),
        (FORK, "left3 rite3", "root1", "root1"),
        (FORK, "left3 rite3", "root1@left3", "left3 rite3"),
        (FORK, "root1", "left3 rite2", "left3 rite2"),
        (FORK, "", "left2 left3", "left3"),
        (MERGED, "left2", "head", "last4"),
        (NEEDY, "core1", "shop@head", "shop2"),
        (NEEDY, "shop2", "core1", "core1"),
    ],
)
def test_a_stamp_replaces_the_rows_it_shares_history_with(
    revisions: Graph, current: str, targets: str, rows: str
) -> None:
    assert " ".join(plan_stamp(revisions, current.split(), targets.split())) == rows


def test_a_stamp_refuses_steps_several_heads_and_unknown_rows() -> None:
    with pytest.raises(ResolutionError, match="counts steps"):
        plan_stamp(LINE, ["bbbb2"], ["+1"])
    with pytest.raises(ResolutionError, match="2 heads"):
        plan_stamp(FORK, [], ["head"])
    with pytest.raises(UnknownRevisionsError):
        plan_stamp(LINE, ["gone9"], ["head"])


@pytest.mark.parametrize(
    ("text", "direction", "steps"),
    [
        ("bbbb2", Direction.UPGRADE, "aaaa1 bbbb2"),
        ("bbbb2:head", Direction.UPGRADE, "cccc3 dddd4"),
        ("base:bbbb2", Direction.UPGRADE, "aaaa1 bbbb2"),
        ("bbbb2:+1", Direction.UPGRADE, "cccc3"),
        ("head:bbbb2", Direction.DOWNGRADE, "dddd4 cccc3"),
        ("dddd4:-1", Direction.DOWNGRADE, "dddd4"),
        ("head:base", Direction.DOWNGRADE, "dddd4 cccc3 bbbb2 aaaa1"),
        ("head:head", Direction.UPGRADE, ""),
    ],
)
def test_a_range_plans_without_a_database(text: str, direction: Direction, steps: str) -> None:
    assert ids(plan_range(LINE, text, direction)) == steps


@pytest.mark.parametrize("text", ["bbbb2", ":bbbb2", "bbbb2:", ":", "", "-1:base"])
def test_a_downgrade_range_needs_both_ends_and_a_place_to_start(text: str) -> None:
    with pytest.raises(ResolutionError):
        plan_range(LINE, text, Direction.DOWNGRADE)


@pytest.mark.parametrize(
    ("identifier", "current", "found"),
    [
        ("base", "", ""),
        ("heads", "", "left3 rite3"),
        ("left@head", "", "left3"),
        ("-1", "left3", "left2"),
        ("-3", "left3", ""),
        ("+1", "left2", "left3"),
        ("left", "", "left2"),
        ("rite3-2", "", "root1"),
    ],
)
def test_an_identifier_resolves_to_ids(identifier: str, current: str, found: str) -> None:
    assert " ".join(resolve(FORK, identifier, current.split())) == found


@pytest.mark.parametrize("identifier", ["+1", "-1"])
def test_steps_from_rows_that_are_unknown_here_resolve_to_nothing(identifier: str) -> None:
    with pytest.raises(UnknownRevisionsError):
        resolve(LINE, identifier, ["gone9"])
    assert resolve(LINE, "head", ["gone9"]) == ("dddd4",)


@pytest.mark.parametrize(
    ("revisions", "text", "current", "found"),
    [
        (LINE, None, "", "dddd4 cccc3 bbbb2 aaaa1"),
        (LINE, "base:heads", "", "dddd4 cccc3 bbbb2 aaaa1"),
        (LINE, "bbbb2:cccc3", "", "cccc3 bbbb2"),
        (LINE, "cccc3:", "", "dddd4 cccc3"),
        (LINE, ":bbbb2", "", "bbbb2 aaaa1"),
        (LINE, "current:", "cccc3", "dddd4 cccc3"),
        (LINE, ":current", "bbbb2", "bbbb2 aaaa1"),
        (LINE, "-1:", "", "dddd4 cccc3"),
        (LINE, "-9:", "", "dddd4 cccc3 bbbb2 aaaa1"),
        (LINE, "bbbb2:+1", "", "cccc3 bbbb2"),
        (FORK, "left@base:heads", "", "left3 left2 root1"),
        (FORK, "-1:heads", "", "rite3 rite2 left3 left2"),
        (EMPTY, None, "", ""),
        (EMPTY, "base:heads", "", ""),
        # Alembic counts from the heads here, whatever the end; its tutorial says "three back from current".
        (LINE, "-1:current", "bbbb2", "bbbb2 aaaa1"),
        # Alembic takes an end without rows for all heads.
        (LINE, ":current", "", ""),
        # Alembic fails an assertion when an end is reached through depends_on alone.
        (NEEDY, "core2:heads", "", "core2"),
    ],
)
def test_a_history_range_is_listed_newest_first(
    revisions: Graph, text: str | None, current: str, found: str
) -> None:
    assert " ".join(history_range(revisions, text, current.split())) == found


@pytest.mark.parametrize("text", ["bbbb2", "a:b:c", "dddd4:aaaa1", "+1:heads", "nosuch:", ":-1"])
def test_a_history_range_that_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(ResolutionError) as caught:
        history_range(LINE, text, ["bbbb2"])
    assert caught.value.hint


@pytest.mark.parametrize(
    ("revisions", "current", "state", "missing"),
    [
        (LINE, "", State.UNVERSIONED, "aaaa1 bbbb2 cccc3 dddd4"),
        (EMPTY, "", State.AT_HEAD, ""),
        (LINE, "bbbb2", State.BEHIND, "cccc3 dddd4"),
        (LINE, "dddd4", State.AT_HEAD, ""),
        (LINE, "gone9", State.AHEAD, ""),
        (LINE, "dddd4 gone9", State.AHEAD, ""),
        (LINE, "bbbb2 gone9", State.DIVERGED, "cccc3 dddd4"),
        (EMPTY, "gone9", State.AHEAD, ""),
        (FORK, "left3", State.BEHIND, "rite2 rite3"),
        (FORK, "left3 rite3", State.AT_HEAD, ""),
        (NEEDY, "shop2", State.AT_HEAD, ""),
    ],
)
def test_rows_decide_the_state_and_what_is_pending(
    revisions: Graph, current: str, state: State, missing: str
) -> None:
    assert assess(revisions, current.split()) is state
    assert " ".join(pending(revisions, current.split())) == missing


@pytest.mark.parametrize("dirty", ["bbbb2", "dddd4", "gone9"])
def test_what_was_interrupted_makes_a_database_dirty_wherever_its_rows_are_and_known_or_not(
    dirty: str,
) -> None:
    for rows in ([], ["bbbb2"], ["dddd4"], ["gone9"]):
        assert assess(LINE, rows, dirty=dirty) is State.DIRTY


@pytest.mark.parametrize(
    ("current", "recorded", "state", "missing"),
    [
        ("gone9", "", State.AHEAD, ""),
        ("gone9", "aaaa1 gone9", State.AHEAD, ""),
        ("bbbb2 gone9", "", State.DIVERGED, "cccc3 dddd4"),
        ("bbbb2 gone9", "cccc3 gone9", State.DIVERGED, "dddd4"),
        ("bbbb2 gone9", "dddd4 gone9", State.AHEAD, ""),
        # Rows that are all known are the truth, whatever a ledger that somebody went behind has kept.
        ("bbbb2", "dddd4", State.BEHIND, "cccc3 dddd4"),
        ("", "dddd4", State.UNVERSIONED, "aaaa1 bbbb2 cccc3 dddd4"),
    ],
)
def test_nothing_is_called_pending_that_an_unknown_revision_may_have_come_after(
    current: str, recorded: str, state: State, missing: str
) -> None:
    rows, ledger = current.split(), dict.fromkeys(recorded.split(), datetime.now(UTC))
    assert assess(LINE, rows, ledger) is state
    assert " ".join(pending(LINE, rows, ledger)) == missing
    marked = [
        item.revision for item in describe(LINE, LINE.revisions, rows, ledger) if item.mark is Mark.PENDING
    ]
    assert " ".join(marked) == missing


@pytest.mark.parametrize(
    "ask",
    [
        lambda text: plan_upgrade(LINE, ["bbbb2"], text),
        lambda text: plan_upgrade(LINE, ["bbbb2"], ["head", text]),
        lambda text: plan_downgrade(LINE, ["bbbb2"], text),
        lambda text: plan_range(LINE, text, Direction.UPGRADE),
        lambda text: plan_range(LINE, text, Direction.DOWNGRADE),
        lambda text: plan_stamp(LINE, ["bbbb2"], [text]),
        lambda text: history_range(LINE, text, ["bbbb2"]),
        lambda text: resolve(LINE, text, ["bbbb2"]),
    ],
)
@pytest.mark.parametrize("text", ["", " ", "postgresql://u:s3cr:t/e@h/x", "host=h password=s3cret"])
def test_an_empty_identifier_or_a_url_names_nothing_anywhere_and_no_password_is_repeated(
    ask: Callable[[str], object], text: str
) -> None:
    with pytest.raises(ResolutionError) as caught:
        ask(text)
    assert "s3cr" not in f"{caught.value} {vars(caught.value)}"
    assert caught.value.hint


def test_an_empty_identifier_makes_think_of_an_unset_variable() -> None:
    with pytest.raises(ResolutionError) as caught:
        plan_downgrade(LINE, ["dddd4"], "")
    assert "shell variable" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["head:base", "dddd4:bbbb2", "dddd4:-1", "head:aaaa1"])
def test_an_upgrade_range_that_leads_back_is_refused_with_the_flag_to_pass(text: str) -> None:
    with pytest.raises(ResolutionError) as caught:
        plan_range(LINE, text, Direction.UPGRADE)
    assert caught.value.exit_code is ExitCode.USAGE
    if text != "dddd4:-1":
        assert f"headway sql --downgrade {text}" in (caught.value.hint or "")


def test_five_thousand_revisions_in_one_line_need_no_deep_recursion() -> None:
    long = graph("r0", *(f"r{n} < r{n - 1}" for n in range(1, 5000)))
    assert len(plan_upgrade(long, [], "heads").steps) == 5000
    assert len(plan_downgrade(long, ["r4999"], "base").steps) == 5000
