"""Whatever an application's own lifespan was written as, it begins, ends and hands on its state."""

from __future__ import annotations

from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import TYPE_CHECKING, Any

import pytest

from headway import ConfigurationError, Migrator
from headway.asgi import lifespan
from headway.telemetry import LogListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

APP = object()
STATE = {"pool": "open"}


class Life:
    """One lifespan in every form it is written in; notes what happens."""

    def __init__(self) -> None:
        self.notes: list[object] = []

    async def async_generator(self, app: object) -> AsyncIterator[dict[str, str]]:
        self.notes.append(app)
        yield STATE
        self.notes.append("ended")

    def generator(self, app: object) -> Iterator[dict[str, str]]:
        self.notes.append(app)
        yield STATE
        self.notes.append("ended")

    def async_manager(self, app: object) -> AbstractAsyncContextManager[dict[str, str]]:
        return asynccontextmanager(self.async_generator)(app)

    def manager(self, app: object) -> AbstractContextManager[dict[str, str]]:
        return contextmanager(self.generator)(app)

    async def coroutine_of_a_manager(self, app: object) -> AbstractAsyncContextManager[dict[str, str]]:
        return self.async_manager(app)

    def function(self, app: object) -> None:
        self.notes.append(app)

    async def coroutine(self, app: object) -> None:
        self.notes.append(app)


@pytest.fixture
def migrator(project: ProjectFolder) -> Migrator:
    return Migrator(project.ini, url="postgresql://nobody@localhost/nowhere")


@pytest.mark.parametrize(
    "form", ["async_generator", "generator", "async_manager", "manager", "coroutine_of_a_manager"]
)
async def test_a_lifespan_begins_hands_on_its_state_and_ends(migrator: Migrator, form: str) -> None:
    life = Life()
    around = lifespan(migrator, "off", wraps=getattr(life, form))
    async with around(APP) as state:
        assert state == STATE
        assert life.notes == [APP]
    assert life.notes == [APP, "ended"]


@pytest.mark.parametrize("form", ["async_manager", "manager"])
async def test_a_context_manager_itself_will_do(migrator: Migrator, form: str) -> None:
    life = Life()
    async with lifespan(migrator, "off", wraps=getattr(life, form)(APP))(APP) as state:
        assert state == STATE
    assert life.notes == [APP, "ended"]


@pytest.mark.parametrize("form", ["function", "coroutine"])
async def test_a_plain_function_is_called_at_the_start(migrator: Migrator, form: str) -> None:
    life = Life()
    async with lifespan(migrator, "off", wraps=getattr(life, form))(APP) as state:
        assert state is None
        assert life.notes == [APP]


async def test_an_object_that_is_called_is_a_function_too(migrator: Migrator) -> None:
    class Own(Life):
        async def __call__(self, app: object) -> AsyncIterator[dict[str, str]]:
            async for state in self.async_generator(app):
                yield state

    life = Own()
    async with lifespan(migrator, "off", wraps=life)(APP) as state:
        assert state == STATE
    assert life.notes == [APP, "ended"]


async def test_there_need_be_no_lifespan_to_wrap(migrator: Migrator) -> None:
    async with lifespan(migrator, "off")(APP) as state:
        assert state is None


@pytest.mark.parametrize("form", ["async_generator", "generator"])
async def test_a_failure_of_the_application_goes_through_its_lifespan(migrator: Migrator, form: str) -> None:
    life = Life()
    with pytest.raises(LookupError):
        async with lifespan(migrator, "off", wraps=getattr(life, form))(APP):
            raise LookupError
    assert life.notes == [APP]


async def test_a_failure_of_the_wrapped_lifespan_is_raised(migrator: Migrator) -> None:
    def broken(_app: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        async with lifespan(migrator, "off", wraps=broken)(APP):
            raise AssertionError


async def test_a_mode_that_does_not_exist_is_named_with_those_that_do(migrator: Migrator) -> None:
    said = "'upgade' is none of off, check, wait, upgrade, auto"
    with pytest.raises(ConfigurationError, match=said):
        lifespan(migrator, "upgade")
    with pytest.raises(ConfigurationError, match=said):
        async with migrator.startup("upgade"):
            raise AssertionError


@pytest.mark.parametrize("wrong", [float("nan"), -1, "5", None])
async def test_a_timeout_that_is_no_number_of_seconds_is_refused(migrator: Migrator, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no number of seconds"):
        lifespan(migrator, "off", timeout_s=wrong)


async def test_what_cannot_be_a_lifespan_is_refused(migrator: Migrator) -> None:
    with pytest.raises(ConfigurationError, match="wraps: 'own' is neither a function nor a context manager"):
        lifespan(migrator, "off", wraps="own")  # type: ignore[arg-type]  # that is the point


async def test_two_lives_of_one_application_log_each_event_once(
    migrator: Migrator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "headway")
    around: Callable[[Any], AbstractAsyncContextManager[Any]] = lifespan(migrator, "off")
    for _ in range(2):
        caplog.clear()
        async with around(APP):
            pass
        assert [record.getMessage() for record in caplog.records] == [
            "start-up: the database is not looked at",
            "start-up: done",
        ]


async def test_a_migrator_that_logs_already_does_not_log_twice(
    project: ProjectFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "headway")
    logging = Migrator(project.ini, url="postgresql://nobody@localhost/nowhere", listeners=[LogListener()])
    async with lifespan(logging, "off")(APP):
        pass
    assert [record.getMessage() for record in caplog.records] == [
        "start-up: the database is not looked at",
        "start-up: done",
    ]
