"""The private names of Alembic that headway stands on; when one of these fails, the bridge must follow."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import alembic.context
import alembic.op
import pytest
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import HeadMaintainer, MigrationContext, RevisionStep

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
