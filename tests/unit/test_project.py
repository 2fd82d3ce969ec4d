"""The Alembic configuration is read as Alembic reads it, without Alembic, from any directory."""

import os
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from headway.errors import ConfigurationError, ExitCode
from headway.project import Project, VersionTable, load_project, project_of_config

INI = """\
[alembic]
script_location = %(here)s/alembic
prepend_sys_path = .
path_separator = os
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with ``alembic/``, and another working directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder = tmp_path / "project"
    (folder / "alembic" / "versions").mkdir(parents=True)
    return folder


def load(root: Path, ini: str | None = None, toml: str | None = None, *, section: str = "alembic") -> Project:
    if ini is not None:
        (root / "alembic.ini").write_text(ini, encoding="utf-8")
    if toml is not None:
        (root / "pyproject.toml").write_text(toml, encoding="utf-8")
    return load_project(root, section=section)


def problem(root: Path, ini: str | None = None, toml: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(root, ini, toml)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_a_stock_project_is_found_from_below(root: Path) -> None:
    (root / "alembic.ini").write_text(INI)

    project = load_project(start=root / "alembic" / "versions")

    assert project == Project(
        root=root,
        config_file=root / "alembic.ini",
        pyproject=None,
        script_location=root / "alembic",
        version_locations=(root / "alembic" / "versions",),
        recursive=False,
        sourceless=False,
        sys_path=(root,),
        url=None,
    )
    assert project.env_file == root / "alembic" / "env.py"


@pytest.mark.parametrize("given", ["alembic.ini", ".", "alembic/../alembic.ini"])
def test_the_configuration_may_be_named_as_file_or_folder(root: Path, given: str) -> None:
    expected = load(root, INI)

    assert load_project(root / given).script_location == expected.script_location
    assert load_project(str(root / given)).sys_path == (root,)


def test_an_ini_file_of_another_name_is_read(root: Path) -> None:
    (root / "tenant.ini").write_text(INI)

    assert load_project(root / "tenant.ini").config_file == root / "tenant.ini"


def test_pyproject_alone_is_enough(root: Path) -> None:
    project = load(
        root,
        toml="""
[tool.alembic]
script_location = "%(here)s/alembic"
prepend_sys_path = [".", "%(here)s/alembic"]
version_locations = ["%(here)s/a%%b", "alembic/versions"]
recursive_version_locations = true
sourceless = true
""",
    )

    assert (project.config_file, project.pyproject) == (None, root / "pyproject.toml")
    assert project.sys_path == (root, root / "alembic")
    assert project.version_locations == (root / "a%b", root / "alembic" / "versions")
    assert (project.recursive, project.sourceless, project.url) == (True, True, None)


def test_the_ini_file_goes_before_pyproject_and_each_fills_the_others_gaps(root: Path) -> None:
    project = load(
        root,
        "[alembic]\nscript_location = %(here)s/alembic\nsourceless = true\n",
        '[tool.alembic]\nscript_location = "absent"\nsourceless = false\nrecursive_version_locations=true\n',
    )

    assert project.script_location == root / "alembic"
    assert (project.sourceless, project.recursive) == (True, True)
    assert (project.config_file, project.pyproject) == (root / "alembic.ini", root / "pyproject.toml")


def test_an_ini_file_with_the_url_alone_leaves_the_rest_to_pyproject(root: Path) -> None:
    project = load(
        root,
        "[alembic]\nsqlalchemy.url = postgresql://db/shop\n",
        '[tool.alembic]\nscript_location = "alembic"\n',
    )

    assert (project.url, project.script_location) == ("postgresql://db/shop", root / "alembic")


def test_a_pyproject_of_no_concern_is_passed_over(root: Path) -> None:
    (root / "alembic" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    load(root, INI)

    assert load_project(start=root / "alembic").pyproject is None


def test_only_lower_case_true_is_true_in_an_ini_file_as_in_alembic(root: Path) -> None:
    project = load(root, INI + "sourceless = True\nrecursive_version_locations = true\n")

    assert (project.sourceless, project.recursive) == (False, True)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("postgresql://ada:100%%25@db/shop", "postgresql://ada:100%25@db/shop"),
        ("postgresql://ada:a%40b@db/shop", "postgresql://ada:a%40b@db/shop"),
        ("postgresql://ada:100%@db/shop", "postgresql://ada:100%@db/shop"),
        ("postgresql://ada:%(secret)s@db/shop", "postgresql://ada:%(secret)s@db/shop"),
        ("postgresql://ada:%(pw)s@db/shop", "postgresql://ada:p%w@db/shop"),
        ("postgresql://ada:%(PW)s@db/shop", "postgresql://ada:p%w@db/shop"),
        ("%(loop)s", "%(loop)s"),
        ("", None),
    ],
)
def test_a_percent_sign_in_the_url_never_fails_and_is_never_lost(
    root: Path, written: str, url: str | None
) -> None:
    project = load(root, f"{INI}pw = p%%w\nloop = %(loop)s\nsqlalchemy.url = {written}\n")

    assert project.url == url
    assert not url or url not in repr(project)


def test_another_section_is_read_by_name(root: Path) -> None:
    (root / "tenants").mkdir()
    project = load(root, INI + "[tenants]\nscript_location = %(here)s/tenants\n", section="tenants")

    assert (project.script_location, project.section) == (root / "tenants", "tenants")
    with pytest.raises(ConfigurationError, match=r"there is no section \[absent\]"):
        load(root, section="absent")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (f"version_locations = %(here)s/a{os.pathsep}%(here)s/b\npath_separator = os", ["a", "b"]),
        ("version_locations = %(here)s/a;%(here)s/b\npath_separator = ;", ["a", "b"]),
        ("version_locations = %(here)s/a %(here)s/b\npath_separator = space", ["a", "b"]),
        ("version_locations =\n  %(here)s/a\n  %(here)s/b c\npath_separator = newline", ["a", "b c"]),
        ("version_locations = %(here)s/a:%(here)s/b\nversion_path_separator = :", ["a", "b"]),
        ("version_locations = %(here)s/a, %(here)s/b %(here)s/c", ["a", "b", "c"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*path_separator:DeprecationWarning")
def test_version_locations_are_split_as_alembic_splits_them(
    root: Path, options: str, names: list[str]
) -> None:
    project = load(root, f"[alembic]\nscript_location = %(here)s/alembic\n{options}\n")

    assert project.version_locations == tuple(root / name for name in names)
    alembic = ScriptDirectory.from_config(Config(str(root / "alembic.ini")))
    assert [Path(location) for location in alembic._version_locations] == list(project.version_locations)


@pytest.mark.filterwarnings("ignore:.*path_separator:DeprecationWarning")
def test_sys_path_without_separator_is_split_as_alembic_did_before(root: Path) -> None:
    project = load(root, "[alembic]\nscript_location = %(here)s/alembic\nprepend_sys_path = .:alembic, lib\n")

    assert project.sys_path == (root, root / "alembic", root / "lib")


def test_a_relative_path_belongs_to_the_files_folder_then_to_the_working_directory(root: Path) -> None:
    assert load(root, "[alembic]\nscript_location = alembic\n").script_location == root / "alembic"
    Path("migrations").mkdir()
    assert (
        load(root, "[alembic]\nscript_location = migrations\n").script_location == Path.cwd() / "migrations"
    )


def test_a_package_is_found_without_being_imported(root: Path) -> None:
    package = root / "src" / "shop" / "db"
    (package / "migrations").mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")

    project = load(
        root,
        "[alembic]\nscript_location=shop.db:migrations\nprepend_sys_path = %(here)s/src\npath_separator=:\n",
    )

    assert project.script_location == package / "migrations"
    assert "shop" not in sys.modules
    assert "the package 'absent' cannot be found" in problem(root, "[alembic]\nscript_location = absent:x\n")


def test_no_project_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"run inside the project, or name it") as caught:
        load_project(start=tmp_path)
    assert caught.value.hint == "For example: headway -c PATH status"
    with pytest.raises(ConfigurationError, match="no such file or folder"):
        load_project(tmp_path / "absent.ini")
    with pytest.raises(ConfigurationError, match=r"no alembic\.ini and no"):
        load_project(tmp_path)


@pytest.mark.parametrize(
    ("ini", "says"),
    [
        ("[alembic]\n", "script_location is not set"),
        ("[alembic]\nscript_location = %(here)s/absent\n", "script_location: there is no folder"),
        ("sqlalchemy.url = s3cret\n[alembic]\n", "alembic.ini: line 1 is neither"),
        ("[alembic]\nscript_location = alembic\ns3cret\n", "alembic.ini: line 3 is neither"),
        (
            "[alembic]\nsqlalchemy.url = s3cret\nsqlalchemy.url = s3cret\n",
            "line 3 sets sqlalchemy.url",
        ),
        ("[alembic]\n[alembic]\n", "line 2 opens [alembic] for the second time"),
        (
            INI.replace("= os", "= |") + "version_locations = a|b\n",
            "path_separator must be one of space, newline",
        ),
    ],
)
def test_a_wrong_ini_file_is_told_with_its_line_and_not_its_text(root: Path, ini: str, says: str) -> None:
    told = problem(root, ini)

    assert says in told
    assert str(root / "alembic.ini") in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (
            "[tool.alembic]\nscript_location = \n",
            "it is not valid TOML: Invalid value (at line 2, column 19)",
        ),
        ("[tool]\nalembic = 1\n", "tool.alembic must be a table"),
        ("[tool.alembic]\nscript_location = 1\n", "script_location must be a string"),
        (
            '[tool.alembic]\nscript_location = "alembic"\nsourceless = "true"\n',
            "sourceless must be true or false",
        ),
        (
            '[tool.alembic]\nscript_location = "alembic"\nversion_locations = "a"\n',
            "must be a list of strings",
        ),
    ],
)
def test_a_wrong_pyproject_is_told(root: Path, toml: str, says: str) -> None:
    told = problem(root, None, toml)

    assert says in told
    assert str(root / "pyproject.toml") in told


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(root: Path) -> None:
    (root / "alembic.ini").write_bytes(b"\xef\xbb\xbf" + INI.replace("\n", "\r\n").encode())

    assert load_project(root).script_location == root / "alembic"


def test_text_that_is_not_utf8_is_told_with_its_line(root: Path) -> None:
    (root / "alembic.ini").write_bytes(b"[alembic]\n# gr\xfc\xdfe\n")

    with pytest.raises(ConfigurationError, match="line 2 is not UTF-8 text"):
        load_project(root)


CONFIGURE = "from alembic import context\ncontext.configure(target_metadata=None"


@pytest.mark.parametrize(
    ("source", "table"),
    [
        (f"{CONFIGURE})\n", VersionTable()),
        ("from headway import env\nenv.run(None)\n", VersionTable()),
        ("from headway.env import run\nrun(None, version_table='v')\n", VersionTable("v")),
        ("import headway.env\nheadway.env.run(None, version_table_schema='s')\n", VersionTable(schema="s")),
        (f"{CONFIGURE}, version_table='v', version_table_schema='s')\n", VersionTable("v", "s")),
        (f"{CONFIGURE}, version_table='v')\ncontext.configure(version_table='v')\n", VersionTable("v")),
        (f"{CONFIGURE}, version_table_schema=None)\n", VersionTable()),
        (f"{CONFIGURE}, version_table='v')\ncontext.configure(version_table='w')\n", None),
        (f"{CONFIGURE}, version_table=NAME)\n", None),
        (f"{CONFIGURE}, version_table=f'{{x}}')\n", None),
        (f"{CONFIGURE}, version_table=1)\n", None),
        (f"{CONFIGURE}, **options)\n", None),
        (f"options = {{'version_table': 'v'}}\n{CONFIGURE})\n", None),
        ("from shop.migrations import main\nmain()\n", None),
        ("raise SystemExit(1)\n" + f"{CONFIGURE})\n", VersionTable()),
        ("this does not parse\n", None),
        ("\0", None),
        (None, None),
    ],
)
def test_the_version_table_is_read_from_env_py_without_running_it(
    root: Path, source: str | None, table: VersionTable | None
) -> None:
    project = load(root, INI)
    if source is not None:
        project.env_file.write_text(source)

    assert project.version_table() == table


TOML = '[tool.alembic]\nscript_location = "%(here)s/alembic"\n'


def test_of_the_two_names_a_config_has_the_first_that_exists_counts(root: Path) -> None:
    ini, toml = str(root / "alembic.ini"), str(root / "pyproject.toml")
    (root / "pyproject.toml").write_text(TOML)

    project = project_of_config(ini, toml)
    assert (project.config_file, project.pyproject) == (None, root / "pyproject.toml")

    (root / "alembic.ini").write_text(INI.replace("[alembic]", "[other]"))
    project = project_of_config(ini, toml, section="other")
    assert (project.config_file, project.section) == (root / "alembic.ini", "other")
    assert project_of_config(None, toml).root == root


def test_a_config_neither_of_whose_names_exists_is_an_error_that_names_the_first(root: Path) -> None:
    ini = str(root / "nowhere.ini")

    with pytest.raises(ConfigurationError) as caught:
        project_of_config(ini, str(root / "pyproject.toml"))

    assert caught.value.variable == ini


def test_a_config_without_names_is_that_of_the_working_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "alembic.ini").write_text(INI)
    monkeypatch.chdir(root / "alembic")

    assert project_of_config(None, None).root == root


def test_what_is_no_path_is_a_configuration_error_that_says_what_was_given() -> None:
    with pytest.raises(ConfigurationError, match="a int names none"):
        load_project(5)  # type: ignore[arg-type]  # the mistake
