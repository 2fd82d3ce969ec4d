"""The private names of Alembic that headway stands on; when one of these fails, the bridge must follow."""

from __future__ import annotations

import inspect
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import alembic.context
import alembic.op
import pytest
from alembic import command
from alembic.ddl.impl import DefaultImpl
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import HeadMaintainer, MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import langhelpers
from alembic.util.langhelpers import ModuleClsProxy

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("module", [alembic.op, alembic.context])
def test_the_functions_of_op_and_context_look_up_a_module_global_named_proxy(module: ModuleType) -> None:
    function = module.execute
    assert "_proxy" in function.__code__.co_names
    assert function.__globals__ is vars(module)


def test_config_is_the_only_plain_attribute_of_context_besides_script() -> None:
    attributes = {
        name
        for name in dir(EnvironmentContext)
        if not name.startswith("_") and not callable(getattr(EnvironmentContext, name))
    }
    assert attributes == {"config", "script"}


def test_operations_has_no_plain_attribute_that_the_router_would_miss() -> None:
    attributes = {
        name
        for name in dir(Operations)
        if not name.startswith("_") and not callable(getattr(Operations, name))
    }
    # Properties of the class; `alembic.op` holds none of them.
    assert attributes.isdisjoint(vars(alembic.op))


def test_proxies_are_installed_and_removed_by_two_methods_that_do_nothing_but_set_module_globals() -> None:
    source = inspect.getsource(langhelpers)  # the methods themselves are headway's by now
    assert (
        """
    def _install_proxy(self) -> None:
        attr_names, modules = self._setups[self.__class__]
        for globals_, locals_ in modules:
            globals_["_proxy"] = self
            for attr_name in attr_names:
                globals_[attr_name] = getattr(self, attr_name)

    def _remove_proxy(self) -> None:
        attr_names, modules = self._setups[self.__class__]
        for globals_, locals_ in modules:
            globals_["_proxy"] = None
            for attr_name in attr_names:
                del globals_[attr_name]
"""
        in source
    )
    for kind in (Operations, EnvironmentContext):
        assert issubclass(kind, ModuleClsProxy)
        assert not {"_install_proxy", "_remove_proxy"} & set(vars(kind))


@pytest.mark.parametrize(
    ("kind", "module", "attributes"),
    [(Operations, alembic.op, set()), (EnvironmentContext, alembic.context, {"config", "script"})],
)
def test_setups_names_the_modules_and_plain_attributes_of_a_class(
    kind: type[ModuleClsProxy], module: ModuleType, attributes: set[str]
) -> None:
    names, modules = ModuleClsProxy._setups[kind]
    assert names == attributes
    assert [namespace for namespace, _ in modules] == [vars(module)]


@pytest.mark.parametrize("module", [alembic.op, alembic.context])
def test_the_modules_have_no_getattr_of_their_own(module: ModuleType) -> None:
    assert "__getattr__" not in inspect.getsource(module)


def test_every_run_of_alembic_installs_its_proxies_by_these_two_ways() -> None:
    assert "self._install_proxy()" in inspect.getsource(EnvironmentContext.__enter__)
    assert "self._remove_proxy()" in inspect.getsource(EnvironmentContext.__exit__)
    assert "op._install_proxy()" in inspect.getsource(Operations.context)
    assert "with Operations.context(self._migration_context)" in inspect.getsource(
        EnvironmentContext.run_migrations
    )


def test_begin_transaction_takes_per_migration() -> None:
    assert "_per_migration" in inspect.signature(MigrationContext.begin_transaction).parameters


def test_a_migration_context_keeps_the_commands_function() -> None:
    from sqlalchemy.dialects.postgresql import asyncpg

    def function(*_: object) -> list[object]:
        return []

    context = MigrationContext.configure(dialect=asyncpg.dialect(), opts={"fn": function, "as_sql": True})  # type: ignore[no-untyped-call]
    assert context._migrations_fn is function


def test_alembics_own_loop_writes_versions_with_a_head_maintainer() -> None:
    source = inspect.getsource(MigrationContext.run_migrations)
    assert "HeadMaintainer(self, heads)" in source
    assert "update_to_step(step)" in source
    assert list(inspect.signature(HeadMaintainer.update_to_step).parameters) == ["self", "step"]
    assert list(inspect.signature(RevisionStep).parameters) == ["revision_map", "revision", "is_upgrade"]


def test_alembic_reads_and_writes_versions_through_the_table_at_context_version() -> None:
    methods = (
        MigrationContext.get_current_heads,
        HeadMaintainer._insert_version,
        HeadMaintainer._delete_version,
        HeadMaintainer._update_version,
    )
    assert all("_version" in method.__code__.co_names for method in methods)


def test_a_script_directory_loads_revisions_when_it_is_first_asked_for_one() -> None:
    source = inspect.getsource(ScriptDirectory.__init__)
    assert "self.revision_map = revision.RevisionMap(self._load_revisions)" in source
    assert list(inspect.signature(RevisionMap).parameters) == ["generator"]
    assert "for vers in self._version_locations if" in inspect.getsource(ScriptDirectory._load_revisions)
    for name in ("upgrade", "downgrade", "stamp", "current", "show"):
        before, ran, _ = inspect.getsource(getattr(command, name)).partition("script.run_env()")
        asked = [line for line in before.splitlines() if "script." in line and not line.startswith(" " * 8)]
        assert ran
        assert asked == []


def test_the_dialect_looks_up_oids_in_one_place_for_keys_unique_constraints_and_indexes() -> None:
    from sqlalchemy.dialects.postgresql.base import PGDialect

    assert "_get_table_oids" in PGDialect.get_multi_indexes.__code__.co_names
    assert "_get_table_oids" in PGDialect._reflect_constraint.__code__.co_names
    for method in (PGDialect.get_multi_pk_constraint, PGDialect.get_multi_unique_constraints):
        assert "_reflect_constraint" in method.__code__.co_names


def test_sqlalchemys_dialect_has_the_names_that_the_scratch_sets() -> None:
    from sqlalchemy import CheckConstraint
    from sqlalchemy.dialects.postgresql import asyncpg, base
    from sqlalchemy.types import String

    dialect: Any = asyncpg.dialect()  # type: ignore[no-untyped-call]
    assert "self.dialect._supports_create_index_concurrently" in inspect.getsource(base.PGDDLCompiler)
    assert String().dialect_impl(dialect) is not None
    assert isinstance(dialect._type_memos, MutableMapping)
    compiler = dialect.ddl_compiler(dialect, None)
    assert CheckConstraint("true")._should_create_for_compiler(compiler) is True
    assert (
        CheckConstraint("true", _create_rule=lambda _: False)._should_create_for_compiler(compiler) is False
    )
    preparer = inspect.signature(dialect.identifier_preparer.format_constraint).parameters
    assert next(iter(preparer)) == "constraint"


def test_the_comparators_of_one_comparison_are_listed_with_their_subgroups() -> None:
    import sqlalchemy as sa
    from alembic.autogenerate.api import AutogenContext
    from alembic.util import DispatchPriority

    with sa.create_engine("sqlite://").connect() as connection:
        context = AutogenContext(MigrationContext.configure(connection), sa.MetaData())
    of_schemas = context.comparators._registry["schema", "default", DispatchPriority.MEDIUM]
    found = {(function.__module__, subgroup) for function, subgroup in of_schemas}
    assert ("alembic.autogenerate.compare.tables", "tables") in found
    # Each comparison may set its own.
    context.sorted_tables = []
    assert context.sorted_tables == []
    assert sa.text("a = :b")._bindparams.keys() == {"b"}
    assert not sa.text("a")._bindparams


def test_an_environments_context_is_the_attribute_that_recording_exchanges() -> None:
    assert "_migration_context" in EnvironmentContext.get_context.__code__.co_names
    assert EnvironmentContext._migration_context is None


def test_a_migration_context_and_its_implementation_reach_the_database_by_one_attribute_each() -> None:
    bind: Any = MigrationContext.bind
    assert bind.fget.__code__.co_names == ("connection",)
    assert "connection" in DefaultImpl._exec.__code__.co_names
