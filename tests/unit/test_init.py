"""``headway init``: the files of a new project, and what becomes of an Alembic project's env.py."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import alembic
import pytest

from commandline import CommandLine
from headway import load_project
from headway.alembic_bridge import AlembicProject
from headway.errors import ConfigurationError, RefusedError
from headway.scaffold import adopt, begin, examine, is_project

_TEMPLATES = Path(alembic.__file__).parent / "templates"

CUSTOM = '''\
"""Env of the shop."""
from __future__ import annotations

import os
from logging.config import fileConfig

import pathlib  # noqa: F401  # imported for what it does
from alembic import context
from sqlalchemy import MetaData, engine_from_config, pool

# models
target_metadata = MetaData()
config = context.config
if config.config_file_name is not None:
    fileConfig(config.config_file_name)

SCHEMAS = {"app", "audit"}  # what we own


def get_url():
    return os.environ["DB"]


# keep postgis out
def include_name(name, type_, parent_names):
    return type_ != "schema" or name in SCHEMAS


def run_migrations_offline():
    context.configure(url=get_url(), target_metadata=target_metadata, include_schemas=True)
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online():
    def keep_quiet(context, revision, directives):
        if directives[0].upgrade_ops.is_empty():
            directives[:] = []

    section = config.get_section(config.config_ini_section)
    section["sqlalchemy.url"] = get_url()
    connectable = engine_from_config(section, poolclass=pool.NullPool)
    with connectable.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=target_metadata,
            include_schemas=True,
            include_name=include_name,
            version_table_schema="app",
            process_revision_directives=keep_quiet,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
'''

PROPOSED = '''\
"""Env of the shop."""
from __future__ import annotations

import pathlib  # noqa: F401  # imported for what it does
from sqlalchemy import MetaData, engine_from_config, pool
from headway import env

# models
target_metadata = MetaData()

SCHEMAS = {"app", "audit"}  # what we own


# keep postgis out
def include_name(name, type_, parent_names):
    return type_ != "schema" or name in SCHEMAS


def keep_quiet(context, revision, directives):
    if directives[0].upgrade_ops.is_empty():
        directives[:] = []


env.run(
    target_metadata,
    include_schemas=True,
    include_name=include_name,
    version_table_schema='app',
    process_revision_directives=keep_quiet,
)
'''


def existing(folder: Path, source: str) -> Path:
    """An Alembic project with this env.py."""
    (folder / "db" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/db\n")
    path = folder / "db" / "env.py"
    path.write_text(source)
    return path


@pytest.mark.parametrize("file", ["alembic.ini", "pyproject.toml"])
def test_a_new_project_is_one_that_headway_reads(tmp_path: Path, file: str) -> None:
    toml = file == "pyproject.toml"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (tmp_path / "Makefile").write_text("mine:\n")
    assert not is_project(tmp_path)
    done = begin(tmp_path, "db/migrations", models=None, toml=toml)
    assert is_project(tmp_path)
    project = load_project(tmp_path)
    assert project.script_location == tmp_path / "db" / "migrations"
    assert AlembicProject(project).options.target_metadata is None
    assert (tmp_path / "Makefile").read_text() == "mine:\n"
    assert done.left_alone == (Path("Makefile"),)
    assert "headway upgrade" in done.lines["Makefile"]
    assert (tmp_path / "alembic.ini").exists() is not toml
    assert all((tmp_path / path).exists() for path in done.written)


@pytest.mark.parametrize(
    ("models", "line"),
    [
        ("shop.models:Base", "env.run(Base.metadata)"),
        ("shop.models:Base.metadata", "env.run(Base.metadata)"),
        ("models:metadata", "env.run(metadata)"),
    ],
)
def test_the_models_are_handed_over(tmp_path: Path, models: str, line: str) -> None:
    begin(tmp_path, "migrations", models=models, toml=False)
    source = (tmp_path / "migrations" / "env.py").read_text()
    assert source.rstrip().endswith(line)
    assert f"from {models.split(':', maxsplit=1)[0]} import" in source


@pytest.mark.parametrize(
    ("directory", "models", "file"),
    [
        ("/migrations", None, "alembic.ini"),
        ("../up", None, "alembic.ini"),
        ("m", "models", "alembic.ini"),
        ("m", "a b:c", "alembic.ini"),
        ("m", None, "pyproject.toml"),
    ],
)
def test_what_cannot_be_begun_writes_nothing(
    tmp_path: Path, directory: str, models: str | None, file: str
) -> None:
    with pytest.raises(ConfigurationError):
        begin(tmp_path, directory, models=models, toml=file == "pyproject.toml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("template", ["generic", "async", "pyproject", "pyproject_async"])
def test_the_stock_env_py_works_as_it_is_and_comes_down_to_its_models(tmp_path: Path, template: str) -> None:
    path = existing(tmp_path, (_TEMPLATES / template / "env.py").read_text())
    found = examine(load_project(tmp_path))
    assert (found.hands_over, found.obstacle, found.manual, found.database) == (False, None, (), ())
    adopt(found)
    body = [ast.unparse(node) for node in ast.parse(path.read_text()).body]
    assert body == ["from headway import env", "target_metadata = None", "env.run(target_metadata)"]
    assert "# target_metadata = mymodel.Base.metadata" in path.read_text()
    assert examine(load_project(tmp_path)).hands_over


def test_everything_the_project_relies_on_is_kept(tmp_path: Path) -> None:
    path = existing(tmp_path, CUSTOM)
    found = examine(load_project(tmp_path))
    assert found.obstacle is None
    assert found.database == ("get_url() (line 30)",)
    assert found.proposal == PROPOSED
    assert "-    run_migrations_online()\n" in found.diff
    assert path.read_text() == CUSTOM
    before = AlembicProject(load_project(tmp_path)).options
    adopt(found)
    after = AlembicProject(load_project(tmp_path)).options
    assert before.options.keys() == after.options.keys()
    assert after.version_table.schema == before.version_table.schema == "app"


def test_an_env_py_that_lets_another_module_hand_over_has_nothing_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_migrations.py").write_text("from headway import env\n\ndef go():\n    env.run()\n")
    monkeypatch.syspath_prepend(tmp_path)
    existing(tmp_path, "from shop_migrations import go\n\ngo()\n")
    found = examine(load_project(tmp_path))
    assert (found.hands_over, found.obstacle, found.proposal) == (True, None, None)


def test_what_a_person_must_decide_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    source = CUSTOM.replace(
        "        context.configure(\n", "        connection.execute(SET_PATH)\n        context.configure(\n"
    ).replace("include_name=include_name", "include_name=connection.info")
    path = existing(tmp_path, source)
    found = examine(load_project(tmp_path))
    assert found.obstacle is not None
    assert [line.split(" ", 2)[2] for line in found.manual] == [
        "takes include_name from 'connection', a name of its connection code",
        "runs SQL of its own (connection.execute(SET_PATH))",
    ]
    with pytest.raises(RefusedError, match="is left as it is"):
        adopt(found)
    assert path.read_text() == source


def test_the_command_begins_a_project_once_and_then_looks_at_it(tmp_path: Path) -> None:
    tool = CommandLine(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
    done = tool("init", "--models", "shop.models:Base", "db")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "db/env.py"), done.stderr
    document = json.loads(tool("init", "--json").stdout)
    assert (document["project"], document["hands_over"], document["applied"]) == ("existing", True, False)
    assert "No module named 'shop'" in document["obstacle"]
    (tmp_path / "db" / "env.py").write_text(CUSTOM)
    shown = tool("init")
    assert "+env.run(\n" in shown.stdout
    assert "it finds the database by get_url() (line 30)" in shown.stderr
    assert (tmp_path / "db" / "env.py").read_text() == CUSTOM


def test_a_folder_of_sql_revisions_is_a_project_already_and_nothing_is_written(tmp_path: Path) -> None:
    first = tmp_path / "migrations" / "20261120080000_add_users.up.sql"
    first.parent.mkdir()
    first.write_text("CREATE TABLE users (id int);\n")
    with pytest.raises(RefusedError, match="migrations is a project already, of SQL revisions"):
        begin(tmp_path, "migrations", models=None, toml=False)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [first]
    assert Path("db/env.py") in begin(tmp_path, "db", models=None, toml=False).written


def test_the_command_says_that_apply_would_leave_the_file_to_its_owner(tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "env.py").write_text((_TEMPLATES / "multidb" / "env.py").read_text())
    shown = CommandLine(tmp_path, "postgresql://nobody@127.0.0.1:1/none")("init")
    assert shown.returncode == 0
    assert "`headway init --apply` leaves this file to you" in shown.stderr
    assert "--apply` would write" not in shown.stderr
