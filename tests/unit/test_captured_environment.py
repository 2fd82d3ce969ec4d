"""An env.py that calls ``context.configure`` itself: what is taken from it, and what is refused."""

from __future__ import annotations

import logging
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData

from headway import load_project
from headway.alembic_bridge import AlembicProject
from headway.errors import EnvironmentFileError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = """
from alembic import context
from sqlalchemy import MetaData, create_engine, text
import os

target_metadata = MetaData()

def include_object(object, name, type_, reflected, compare_to):
    return name != "spatial_ref_sys"

def offline():
    context.configure(url="driver://user:pass@localhost/dbname", target_metadata=target_metadata)
    with context.begin_transaction():
        context.run_migrations()

"""
_TAIL = """
if context.is_offline_mode():
    offline()
else:
    online()
"""
_ONLINE = """
def online():
{before}
    with create_engine(os.environ["NOBODY_SETS_THIS"]).connect() as connection:
{inside}
        context.configure(connection=connection, target_metadata=target_metadata, {options})
        with context.begin_transaction():
            context.run_migrations()
"""


def project(folder: Path, source: str) -> AlembicProject:
    (folder / "alembic" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n")
    (folder / "alembic" / "env.py").write_text(source)
    return AlembicProject(load_project(folder))


def written(options: str = "", before: str = "pass", inside: str = "pass") -> str:
    indented = [textwrap.indent(textwrap.dedent(code), "    ") for code in (before, inside)]
    online = _ONLINE.format(before=indented[0], inside=textwrap.indent(indented[1], "    "), options=options)
    return _HEAD + online + _TAIL


def test_the_online_branch_is_read_without_being_run(tmp_path: Path) -> None:
    source = written(
        "include_object=include_object, include_schemas=True, version_table_schema='app', "
        "transaction_per_migration=True, compare_type=False"
    )
    found = project(tmp_path, source).options
    assert isinstance(found.target_metadata, MetaData)
    assert (
        found.options["include_object"](None, "spatial_ref_sys", "table", reflected=True, compare_to=None)
        is False
    )
    assert {name: found.options[name] for name in found.options if name != "include_object"} == {
        "include_schemas": True,
        "version_table_schema": "app",
        "compare_type": False,
    }
    assert found.ledger.schema == "app"


def test_what_a_function_of_env_py_defines_for_itself_is_found(tmp_path: Path) -> None:
    source = written(
        "process_revision_directives=keep, render_item=render, **more",
        before="""
        batch = True
        more = {"render_as_batch": batch}
        def render(type_, obj, context):
            return False
        def keep(context, revision, directives):
            return target_metadata
        """,
    )
    found = project(tmp_path, source).options.options
    assert found["render_as_batch"] is True
    assert found["process_revision_directives"](None, None, []).tables == {}
    assert found["render_item"](None, None, None) is False


def test_an_offline_branch_that_is_not_there_does_not_matter(tmp_path: Path) -> None:
    source = written("include_object=include_object").replace(
        "    offline()\n", "    raise NotImplementedError\n"
    )
    assert "include_object" in project(tmp_path, source).options.options


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (written("include_object=made", inside="made = connection.info['filter']"), "include_object"),
        (written("**options", before="for options in ({},):\n    pass"), r"\*\*options"),
        (written(inside="connection.execute(text('SET search_path TO app'))"), "runs SQL of its own"),
        (written(inside="connection.exec_driver_sql('CREATE SCHEMA app')"), "runs SQL of its own"),
        (written(inside="connection.dialect.default_schema_name = 'app'"), "default schema"),
        (
            written(inside="connection = connection.execution_options(schema_translate_map={None: 'app'})"),
            "translates schemas",
        ),
        (
            written("include_schemas=True") + "\ndef more(connection):\n"
            "    context.configure(connection=connection, target_metadata=None)\n",
            "several contexts",
        ),
        ("from alembic import context\n", "does not hand over"),
        ("raise RuntimeError('no models')\n", "failed: RuntimeError: no models"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(EnvironmentFileError, match=words):
        _ = project(tmp_path, source).options


@pytest.mark.parametrize(
    "statement",
    ["SELECT pg_advisory_lock(1)", "SET lock_timeout = '4s'", "SET SESSION statement_timeout = 0"],
)
def test_locks_and_limits_of_its_own_are_left_aside(tmp_path: Path, statement: str) -> None:
    source = written(inside=f"connection.execute(text({statement!r}))")
    assert project(tmp_path, source).options.options == {}


def test_the_hosts_logging_is_left_alone(tmp_path: Path) -> None:
    handlers: list[Any] = [*logging.getLogger().handlers]
    source = "from logging.config import fileConfig\n" + written() + "\nfileConfig('nowhere.ini')\n"
    assert project(tmp_path, source).options.options == {}
    assert logging.getLogger().handlers == handlers
