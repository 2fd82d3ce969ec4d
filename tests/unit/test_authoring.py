"""New revision files: their names, their message, and that none stays behind that breaks the checkout."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.alembic_bridge import AlembicProject, Draft, differences, write_merge, write_revision
from headway.alembic_bridge.drafting import in_docstring
from headway.errors import ConfigurationError, ExitCode, HeadwayError, ResolutionError
from headway.project import load_project
from headway.revisions import Graph, read_graph

if TYPE_CHECKING:
    from conftest import ProjectFolder


def alembic(project: ProjectFolder) -> AlembicProject:
    return AlembicProject(load_project(project.ini))


def graph(project: ProjectFolder) -> Graph:
    return read_graph([project.versions])


def files(project: ProjectFolder) -> set[Path]:
    return {path for path in project.root.parent.rglob("*.py") if path.name != "env.py"}


def write(project: ProjectFolder, message: str | None = "a message", **draft: Any) -> str:
    report = write_revision(alembic(project), Draft(message, **draft))
    assert report.revision
    return report.revision


def merge(
    project: ProjectFolder, *revisions: str, message: str | None = None, rev_id: str | None = None
) -> Path:
    report = write_merge(
        alembic(project), revisions or ("heads",), message=message, branch_label=None, rev_id=rev_id
    )
    return report.paths[0]


# -- the message -----------------------------------------------------------------------------------------

TEMPLATE = '"""${message}"""\nrevision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n'
REFERENCE = Path(__file__).parents[2] / "alembic" / "script.py.mako"
MESSAGES = [
    r"move C:\Users",
    r"\N is no name, \x no byte",
    'x """ \n',
    'ends in a "quote"',
    '"begins" so',
    '""""""""',
    "ends in a backslash \\",
    "two\nlines",
    "a null \x00 and a bell \x07",
    "not to be encoded \udcff",
    '"""\nimport os\nos.abort()\n"""',
    "${up_revision} % ## <%",
]


@pytest.mark.parametrize("template", [TEMPLATE, REFERENCE.read_text(encoding="utf-8")])
@pytest.mark.parametrize("message", MESSAGES)
def test_any_message_makes_a_revision_that_can_be_read(
    project: ProjectFolder, message: str, template: str
) -> None:
    _template(project, template)
    made = write(project, message)
    first_line = message.strip().partition("\n")[0].strip().encode("utf-8", "backslashreplace").decode()
    assert graph(project).revisions[made].description == first_line


@given(st.text(min_size=1) | st.text(alphabet='a"\\\n', min_size=1))
def test_a_message_comes_out_of_its_docstring_as_it_went_in(message: str) -> None:
    module = ast.parse(f'"""{in_docstring(message)}"""\n')
    (statement,) = module.body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    assert statement.value.value == message.strip()


def test_an_ordinary_message_is_written_as_it_was_typed() -> None:
    assert in_docstring('add "users", and Größe to it') == 'add "users", and Größe to it'


@pytest.mark.parametrize("message", ["", "  \n"])
def test_a_message_that_says_nothing_is_refused(project: ProjectFolder, message: str) -> None:
    with pytest.raises(ConfigurationError, match="says nothing"):
        write(project, message)
    assert files(project) == set()


# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "problem"),
    [
        ("r1", "already used by"),
        ("billing", "already a branch label"),
        ("x" * 33, "33 characters"),
        ("head", "reserved"),
        ("base", "reserved"),
        ("", "empty"),
        ("a-b", "'-'"),
        ("a@b", "'@'"),
        ("../../evil", "file's name"),
        ("a/b", "file's name"),
        ("a\\b", "file's name"),
        (".hidden", "file's name"),
        ("a b", "file's name"),
        ("a\x00b", "file's name"),
    ],
)
def test_an_id_that_cannot_be_is_refused_before_anything_is_written(
    project: ProjectFolder, id_: str, problem: str
) -> None:
    path = project.revision("r1")
    path.write_text(path.read_text() + "branch_labels = 'billing'\n")
    before = files(project)
    with pytest.raises(ConfigurationError) as caught:
        write(project, rev_id=id_)
    assert problem in caught.value.problem
    assert caught.value.variable == "--rev-id"
    assert caught.value.exit_code is ExitCode.USAGE
    assert files(project) == before


@pytest.mark.parametrize("id_", ["0042", "v1.2", "x" * 32, "größe"])
def test_an_id_of_ones_own_is_taken(project: ProjectFolder, id_: str) -> None:
    assert write(project, rev_id=id_) == id_
    assert id_ in graph(project)


@pytest.mark.parametrize("label", ["", "head", "r1", "a@b", "billing", "a/b"])
def test_a_branch_label_that_cannot_be_is_refused(project: ProjectFolder, label: str) -> None:
    path = project.revision("r1")
    path.write_text(path.read_text() + "branch_labels = 'billing'\n")
    before = files(project)
    with pytest.raises(ConfigurationError, match="--branch-label"):
        write(project, branch_label=label)
    assert files(project) == before


@pytest.mark.parametrize("needed", ["nosuch", "", "base"])
def test_a_dependency_that_names_nothing_is_refused_as_a_head_is(project: ProjectFolder, needed: str) -> None:
    project.tables("users")
    before = files(project)
    with pytest.raises(ResolutionError) as caught:
        write(project, depends_on=[needed])
    assert "headway history" in (caught.value.hint or "")
    assert files(project) == before


def test_a_dependency_is_written(project: ProjectFolder) -> None:
    project.tables("users", "notes")
    made = write(project, depends_on="r1", head="base")
    assert graph(project).revisions[made].depends_on == ("r1",)


@pytest.mark.parametrize("option", ["rev_id", "branch_label", "depends_on"])
def test_a_url_in_a_name_s_place_is_refused_without_its_password(project: ProjectFolder, option: str) -> None:
    with pytest.raises(ResolutionError) as caught:
        write(project, **{option: "postgresql://u:s3cret@h/x"})
    assert "s3cret" not in f"{caught.value}{vars(caught.value)}"


# -- whole or not at all ---------------------------------------------------------------------------------


def _template(project: ProjectFolder, text: str | None) -> None:
    path = project.root / "alembic" / "script.py.mako"
    if text is None:
        path.unlink()
    else:
        path.write_text(text.replace("TEMPLATE", path.read_text()))


@pytest.mark.parametrize(
    ("template", "error", "told"),
    [
        ("TEMPLATE\nthis is no Python\n", ConfigurationError, "not Python"),
        ("TEMPLATE\n# ${message}\n", ConfigurationError, "not Python"),
        ("TEMPLATE\nimport no_such_package_at_all\n", HeadwayError, "ModuleNotFoundError"),
        ("TEMPLATE\n${no_such_variable()}\n", HeadwayError, "Template rendering failed"),
        (None, ConfigurationError, "does not exist"),
    ],
)
def test_a_template_that_makes_no_revision_leaves_no_file(
    project: ProjectFolder, template: str | None, error: type[HeadwayError], told: str
) -> None:
    project.tables("users")
    before = files(project)
    _template(project, template)
    with pytest.raises(error) as caught:
        write(project, "one\ntwo words")
    assert told in caught.value.message
    assert caught.value.hint or isinstance(caught.value, ConfigurationError)
    assert files(project) == before


def test_a_file_that_cannot_be_written_is_told_with_its_path(project: ProjectFolder) -> None:
    # Not a folder without write permission: to the superuser of a container there is none.
    (project.versions / "taken").write_text("")
    ini = project.ini.read_text().splitlines()
    lines = ["file_template = taken/%%(rev)s" if line.startswith("file_template") else line for line in ini]
    project.ini.write_text("\n".join(lines))
    with pytest.raises(HeadwayError, match="cannot be written") as caught:
        write(project, rev_id="abc")
    assert "abc.py" in caught.value.message
    assert "writable" in (caught.value.hint or "")


def test_a_hook_that_fails_leaves_no_file_and_is_told(project: ProjectFolder) -> None:
    hooks = "[post_write_hooks]\nhooks = tidy\ntidy.type = exec\ntidy.executable = no-such-program-at-all\n"
    project.ini.write_text(project.ini.read_text() + hooks)
    with pytest.raises(HeadwayError, match="no-such-program-at-all") as caught:
        write(project)
    assert "post_write_hooks" in (caught.value.hint or "")
    assert files(project) == set()


# -- merge -----------------------------------------------------------------------------------------------


def _fork(project: ProjectFolder) -> None:
    project.revision("r1")
    project.revision("left", "r1")
    project.revision("rite", "r1")


@pytest.mark.parametrize(("revisions", "told"), [((), "one head (r2)"), (("head",), "one head (r2)")])
def test_with_one_head_there_is_nothing_to_merge(
    project: ProjectFolder, revisions: tuple[str, ...], told: str
) -> None:
    project.tables("users", "notes")
    before = files(project)
    with pytest.raises(ResolutionError) as caught:
        merge(project, *revisions)
    assert told in caught.value.message
    assert "nothing to merge" in caught.value.message
    assert files(project) == before


def test_without_revisions_there_is_nothing_to_merge(project: ProjectFolder) -> None:
    with pytest.raises(ResolutionError, match="no revisions"):
        merge(project)


def test_a_merge_without_a_message_says_what_it_joins(project: ProjectFolder) -> None:
    _fork(project)
    merge(project, rev_id="join")
    joined = graph(project)
    assert joined.heads == ("join",)
    assert set(joined.revisions["join"].parents) == {"left", "rite"}
    assert joined.revisions["join"].description == "merge left and rite"


def test_a_merge_of_three_lists_them(project: ProjectFolder) -> None:
    _fork(project)
    project.revision("more", "r1")
    merge(project, rev_id="join")
    assert graph(project).revisions["join"].description == "merge left, more and rite"


def test_a_merge_s_message_may_hold_anything(project: ProjectFolder) -> None:
    _fork(project)
    merge(project, message=r'C:\Users """', rev_id="join")
    assert graph(project).revisions["join"].description == r'C:\Users """'


@pytest.mark.parametrize(
    ("revisions", "told"),
    [
        (["left"], "alone"),
        (["left", "left"], "alone"),
        (["r1", "left"], "'r1' is not a head"),
        (["left", "nosuch"], "nosuch"),
        (["left", ""], "names no revision"),
    ],
)
def test_a_merge_joins_two_heads_or_more(project: ProjectFolder, revisions: list[str], told: str) -> None:
    _fork(project)
    before = files(project)
    with pytest.raises(ResolutionError, match=told):
        merge(project, *revisions)
    assert files(project) == before


def test_a_head_that_another_one_depends_on_is_merged_too(project: ProjectFolder) -> None:
    project.revision("core")
    shop = project.revision("shop")
    shop.write_text(shop.read_text() + "depends_on = 'core'\n")
    merge(project, rev_id="join")
    assert graph(project).heads == ("join",)


def test_a_merge_s_id_is_held_to_the_same_rules(project: ProjectFolder) -> None:
    _fork(project)
    with pytest.raises(ConfigurationError, match="already used"):
        merge(project, rev_id="left")


# -- the models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handed", "told"),
    [("Base", "hands over Base"), ("[Base]", "a list"), ("'models'", "a str"), ("None", "no metadata")],
)
def test_what_is_no_metadata_is_refused_with_the_line_to_write(
    project: ProjectFolder, handed: str, told: str
) -> None:
    project.env(
        handed, preamble="from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase): pass"
    )
    bridge = alembic(project)
    # The models are looked at first: a comparison of nothing needs no connection to be refused.
    with pytest.raises(ConfigurationError, match=told) as caught:
        differences(bridge, None)  # type: ignore[arg-type]
    assert caught.value.example == "env.run(Base.metadata)"
