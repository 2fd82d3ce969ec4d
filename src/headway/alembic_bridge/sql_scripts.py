"""SQL revisions, in the eyes of Alembic's own commands.

A ``ScriptDirectory`` loads revisions when it is first asked for one. Commands that run env.py ask for none
before that, so an env.py of headway's comes in time to add those in SQL. The others see revisions in Python
alone: ``alembic heads`` and ``branches``; and ``history``, ``merge`` and ``revision`` without
``--autogenerate``, unless ``revision_environment`` is set.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from alembic.script import Script
from alembic.script.revision import RevisionMap

from headway.alembic_bridge.sql_code import load_sql
from headway.errors import GraphError
from headway.results import Direction
from headway.revisions import graph_error, holds_sql, read_graph, read_revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.script import ScriptDirectory

    from headway.revisions import Graph, Revision


def see_sql_revisions(directory: ScriptDirectory) -> None:
    """Have a directory load SQL revisions too, whenever it next loads any.

    Loading them raises :class:`GraphError` when one of their files is wrong.
    """
    directory.revision_map = RevisionMap(partial(_load, directory))


def sql_graph(directory: ScriptDirectory) -> Graph | None:
    """The directory's revisions as headway reads them.

    Returns:
        ``None`` where none of them is in SQL, and where those in Python are such as only Alembic can read.
    """
    locations = directory._version_locations  # noqa: SLF001  # as below
    recursive = directory.recursive_version_locations
    if not holds_sql(locations, recursive=recursive):
        return None
    try:
        return read_graph(locations, recursive=recursive, sourceless=directory.sourceless)
    except GraphError:
        return None


def _load(directory: ScriptDirectory) -> Iterator[Script]:
    # Names of Alembic's own, under canaries: it offers no other way to what is loaded.
    yield from directory._load_revisions()  # noqa: SLF001
    locations = directory._version_locations  # noqa: SLF001
    recursive = directory.recursive_version_locations
    if not holds_sql(locations, recursive=recursive):
        return
    revisions, faults = read_revisions(locations, recursive=recursive, sourceless=directory.sourceless)
    own = [fault for fault in faults if fault.path.suffix == ".sql"]
    if own:
        raise graph_error(own)
    yield from (_script(revision) for revision in revisions if revision.path.suffix == ".sql")


def _script(revision: Revision) -> Script:
    """A revision as Alembic knows them: by a module."""

    def upgrade() -> None:
        load_sql(revision.path, Direction.UPGRADE).function()

    def downgrade() -> None:
        load_sql(revision.path, Direction.DOWNGRADE).function()

    module = ModuleType(revision.path.name, revision.description)
    vars(module).update(
        revision=revision.id,
        down_revision=revision.parents or None,
        depends_on=revision.depends_on or None,
        branch_labels=revision.labels or None,
        upgrade=upgrade,
        downgrade=downgrade,
    )
    return Script(module, revision.id, revision.path)
