"""The entry of Alembic's plugin interface (group ``alembic.plugins``): which comparison happens when.

Alembic imports this module whenever it is imported, so that everything else is imported when it is needed.
It changes nothing for a project that does not name the plugin: ``headway.env.run`` does, and any other
env.py may, by ``context.configure(..., autogenerate_plugins=["alembic.autogenerate.*", "headway.*"])``.

On PostgreSQL, in Alembic's order:

0. ``find_alike`` looks for what is certainly the same on both sides; the rest is about what is not;
1. ``begin`` reads the catalogue of all schemas that are compared, and lets PostgreSQL spell the models;
2. Alembic compares, and wherever PostgreSQL has spelt both sides the comparators here answer in place of
   Alembic's own, which keep answering for the rest;
3. ``finish`` looks over the operations that were found.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from alembic.util import DispatchPriority, PriorityDispatchResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from alembic.runtime.plugins import Plugin

NAME = "headway.autogenerate"
"""What the plugin is called; ``autogenerate_plugins`` takes patterns, so ``headway.*`` names it too."""

PLUGINS = ("alembic.autogenerate.*", "headway.*")
"""The value of ``autogenerate_plugins`` with which headway compares."""


def setup(plugin: Plugin) -> None:
    """Register the comparators; Alembic calls it once a process."""
    global _registered  # noqa: PLW0603  # Alembic's registry is of the process, and refuses a second one
    _registered = True
    add = plugin.add_autogenerate_comparator
    first, last = DispatchPriority.FIRST, DispatchPriority.LAST
    # In the subgroup of Alembic's comparison of tables, which it stops where there is nothing to compare.
    add(find_alike, "schema", "tables", qualifier="postgresql", priority=first)
    add(begin, "schema", "headway", qualifier="postgresql", priority=first)
    # Behind `begin`, which has the types of extensions known.
    add(prime, "schema", "headway.priming", qualifier="postgresql", priority=first)
    # In between come the user's own comparisons, which Alembic registers as the first of these two.
    add(compare_type, "column", "types", qualifier="postgresql")
    add(compare_default, "column", "server_default", qualifier="postgresql")
    add(compare_generation, "table", "headway.generation", qualifier="postgresql", priority=first)
    add(compare_parts, "table", "indexes", qualifier="postgresql")
    add(compare_checks, "table", "checkconstraints", qualifier="postgresql")
    add(compare_enums, "schema", "headway.enums", qualifier="postgresql", priority=last)
    add(compare_sequences, "schema", "headway.sequences", qualifier="postgresql", priority=last)
    add(compare_enums_again, "schema", "headway.enums.package", qualifier="postgresql", priority=last)
    add(finish, "autogenerate", "headway", qualifier="postgresql", priority=last)


def register() -> None:
    """Register the plugin unless Alembic found it by its entry point already."""
    from alembic.runtime.plugins import Plugin

    # To import Alembic's plugins is to load those with an entry point.
    if not _registered:
        Plugin.setup_plugin_from_module(sys.modules[__name__], NAME)


_registered = False


def find_alike(
    autogen_context: AutogenContext, _: UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Spare the tables that are alike; see :mod:`headway.autogenerate.likeness`."""
    from headway.autogenerate.likeness import find_likeness

    whole = find_likeness(autogen_context, schemas).whole
    return PriorityDispatchResult.STOP if whole else PriorityDispatchResult.CONTINUE


def prime(autogen_context: AutogenContext, _: UpgradeOps, schemas: set[str | None]) -> PriorityDispatchResult:
    """Read what Alembic will ask SQLAlchemy's inspector about ``schemas``, in bulk."""
    from headway.autogenerate.likeness import likeness_of
    from headway.autogenerate.priming import fill

    if not likeness_of(autogen_context).whole:
        fill(autogen_context, schemas)
    return PriorityDispatchResult.CONTINUE


def begin(autogen_context: AutogenContext, _: UpgradeOps, schemas: set[str | None]) -> PriorityDispatchResult:
    """Before Alembic looks at any table of ``schemas`` (``None`` is the default schema)."""
    from headway.autogenerate.comparison import prepare
    from headway.autogenerate.likeness import likeness_of
    from headway.autogenerate.rendering import complete

    complete(autogen_context)
    if not likeness_of(autogen_context).whole:
        prepare(autogen_context, schemas)
    return PriorityDispatchResult.CONTINUE


def compare_type(*arguments: Any) -> PriorityDispatchResult:
    """A column's type; see :func:`headway.autogenerate.columns.compare_type`."""
    from headway.autogenerate.columns import compare_type as compare

    return compare(*arguments)


def compare_default(*arguments: Any) -> PriorityDispatchResult:
    """A column's default; see :func:`headway.autogenerate.columns.compare_default`."""
    from headway.autogenerate.columns import compare_default as compare

    return compare(*arguments)


def compare_generation(*arguments: Any) -> PriorityDispatchResult:
    """Computed, identity and serial columns; see :mod:`headway.autogenerate.generation`."""
    from headway.autogenerate.generation import compare_generation as compare

    return compare(*arguments)


def compare_parts(*arguments: Any) -> PriorityDispatchResult:
    """Indexes and constraints; see :mod:`headway.autogenerate.parts`."""
    from headway.autogenerate.parts import compare_parts as compare

    return compare(*arguments)


def compare_checks(*arguments: Any) -> PriorityDispatchResult:
    """Checks have been compared with the other parts."""
    from headway.autogenerate.parts import compare_nothing_again as compare

    return compare(*arguments)


def compare_enums(
    autogen_context: AutogenContext, upgrade_ops: UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Enum types, once Alembic has compared the tables; see :mod:`headway.autogenerate.enums`."""
    from headway.autogenerate import enums
    from headway.autogenerate.comparison import comparison_of
    from headway.autogenerate.likeness import likeness_of

    if likeness_of(autogen_context).whole:
        return PriorityDispatchResult.CONTINUE
    came_in_time = enums.PACKAGE in sys.modules
    comparison = comparison_of(autogen_context)
    if not enums.activate():
        if comparison is not None:
            enums.compare_without_package(autogen_context, comparison, upgrade_ops)
    elif not came_in_time:
        likeness = likeness_of(autogen_context)
        doubtful = schemas - likeness.without_change_of_enums
        enums.compare_with_package(autogen_context, upgrade_ops, doubtful, likeness.enums)
    return PriorityDispatchResult.CONTINUE


def compare_enums_again(
    autogen_context: AutogenContext, upgrade_ops: UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """What alembic-postgresql-enum says, where it was kept from saying it by itself."""
    from headway.autogenerate import enums
    from headway.autogenerate.likeness import likeness_of

    likeness = likeness_of(autogen_context)
    if likeness.without_package and not likeness.whole:
        doubtful = schemas - likeness.without_change_of_enums
        enums.compare_with_package(autogen_context, upgrade_ops, doubtful, likeness.enums)
    return PriorityDispatchResult.CONTINUE


def compare_sequences(
    autogen_context: AutogenContext, upgrade_ops: UpgradeOps, _: set[str | None]
) -> PriorityDispatchResult:
    """Sequences that columns name; see :mod:`headway.autogenerate.sequences`."""
    from headway.autogenerate.sequences import compare_sequences as compare

    compare(autogen_context, upgrade_ops)
    return PriorityDispatchResult.CONTINUE


def finish(autogen_context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """After everything has been compared, by others as well."""
    from headway.autogenerate.boundchecks import leave_checks_to_operations
    from headway.autogenerate.comparison import comparison_of
    from headway.autogenerate.enums import keep_what_is_used
    from headway.autogenerate.names import name_foreign_keys
    from headway.autogenerate.references import forget_same_references

    comparison = comparison_of(autogen_context)
    if comparison is not None:
        forget_same_references(upgrade_ops.ops, autogen_context.dialect.default_schema_name or "public")
        name_foreign_keys(upgrade_ops.ops)
        leave_checks_to_operations(upgrade_ops.ops, comparison.pairs, autogen_context.dialect)
        keep_what_is_used(autogen_context, comparison, upgrade_ops)
    return PriorityDispatchResult.CONTINUE


class _PluginModule(ModuleType):
    """This module as a list of one, too: Alembic 1.18 and 1.19 iterate over what an entry point names."""

    def __iter__(self) -> Iterator[Any]:
        yield self


sys.modules[__name__].__class__ = _PluginModule
