"""What a watcher sees of a backend: who keeps it waiting, and how far it is."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import pytest
from sqlalchemy import create_engine, text

from headway import DatabaseURL, Event, Peer, StepBlocked, StepProgress, watch
from headway.session import open_session
from headway.watch import Watcher, interval_within, progress_of, watching
from servers import AT_WORK_UNTIL_GO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from headway.session import Session

T = TypeVar("T")
_DEADLINE_S = 60.0


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # what the server does sets no event of ours
            await asyncio.sleep(0.01)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever a watcher has looked."""
    made: list[int] = []
    original = watch._look_at

    def counted(connection: Connection, pid: int) -> Sequence[Any]:
        rows = original(connection, pid)
        made.append(pid)
        return rows

    monkeypatch.setattr(watch, "_look_at", counted)
    return made


async def _more(looks: list[int], count: int = 5) -> None:
    before = len(looks)
    await _until(lambda: len(looks) > before + count)


async def _repeat_until(condition: Callable[[], object], work: Callable[[], Awaitable[object]]) -> None:
    """Do work until it was seen: a fast machine may be done with it between two looks."""
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():
            await work()


def _execute(*statements: str) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        with connection.begin():
            for statement in statements:
                connection.execute(text(statement))

    return work


def _pid(connection: Connection) -> int:
    with connection.begin():
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


class _Watch:
    """A step's session, and everything a watcher says of it."""

    def __init__(self, step: Session, watcher: Watcher, events: list[Event]) -> None:
        self.step = step
        self.watcher = watcher
        self.events = events

    @property
    def blocked(self) -> list[StepBlocked]:
        return [event for event in self.events if isinstance(event, StepBlocked)]

    @property
    def progress(self) -> list[StepProgress]:
        return [event for event in self.events if isinstance(event, StepProgress)]


@asynccontextmanager
async def _watched(database_url: str, interval_s: float = 0.02) -> AsyncIterator[_Watch]:
    url = DatabaseURL.parse(database_url)
    events: list[Event] = []
    async with open_session(url) as step, open_session(url) as control:
        pid = await step.run(_pid)
        watcher = Watcher("run", "r1", events.append, interval_s=interval_s)
        async with watching(watcher, control, pid):
            yield _Watch(step, watcher, events)


@pytest.fixture
def holder(database_url: str) -> Iterator[psycopg.Connection]:
    """Another session, which has a table ``held`` to lock."""
    with psycopg.connect(database_url, autocommit=True, application_name="reports") as connection:
        connection.execute("CREATE TABLE held ()")
        yield connection


@pytest.mark.asyncio
async def test_the_session_that_keeps_a_step_waiting_is_named(
    database_url: str, holder: psycopg.Connection
) -> None:
    with holder.transaction():
        holder.execute("LOCK TABLE held")
        async with _watched(database_url) as seen:
            waiting = asyncio.create_task(seen.step.run(_execute("ALTER TABLE held ADD id int")))
            await _until(lambda: seen.blocked)
            [blocker] = seen.watcher.blockers
            assert not waiting.done()
            holder.execute("COMMIT")
            await waiting
    first = seen.blocked[0]
    assert (first.run_id, first.revision, first.waited_s) == ("run", "r1", 0.0)
    assert first.blockers == (blocker,)
    assert isinstance(blocker, Peer)
    assert blocker.pid == holder.info.backend_pid
    assert blocker.application_name == "reports"
    assert (blocker.backend_type, blocker.state) == ("client backend", "idle in transaction")
    assert blocker.query == "LOCK TABLE held"
    assert blocker.since is not None
    assert blocker.since.tzinfo is not None


@pytest.mark.asyncio
async def test_the_same_blockers_are_not_named_at_every_look(
    database_url: str, holder: psycopg.Connection, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_SAY_AGAIN_S", 3600.0)  # however slow this machine is
    with holder.transaction():
        holder.execute("LOCK TABLE held")
        async with _watched(database_url) as seen:
            waiting = asyncio.create_task(seen.step.run(_execute("ALTER TABLE held ADD id int")))
            await _until(lambda: seen.blocked)
            await _more(looks)
            assert len(seen.blocked) == 1
            holder.execute("COMMIT")
            await waiting


@pytest.mark.asyncio
async def test_another_blocker_is_named_when_it_comes_and_not_when_its_turn_comes(
    database_url: str, holder: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_SAY_AGAIN_S", 3600.0)
    holder.execute("CREATE TABLE other ()")
    with psycopg.connect(database_url) as second:
        second.execute("LOCK TABLE other")
        expected = [holder.info.backend_pid, second.info.backend_pid]
        with holder.transaction():
            holder.execute("LOCK TABLE held")
            async with _watched(database_url) as seen:
                waiting = asyncio.create_task(seen.step.run(_execute("LOCK TABLE held", "LOCK TABLE other")))
                await _until(lambda: len(seen.blocked) == 1)
                holder.execute("COMMIT")
                await _until(lambda: seen.blocked[-1].blockers != seen.blocked[0].blockers)
                await _until(lambda: seen.blocked[-1].blockers)
                second.rollback()
                await waiting
    named = [event for event in seen.blocked if event.blockers]
    assert [peer.pid for event in named for peer in event.blockers] == expected


@pytest.mark.asyncio
async def test_who_made_the_lock_timeout_run_out_is_remembered(
    database_url: str, holder: psycopg.Connection, looks: list[int]
) -> None:
    async def time_out() -> None:
        statements = "SET LOCAL lock_timeout = '300ms'", "ALTER TABLE held ADD id int"
        with pytest.raises(Exception, match="lock timeout"):
            await seen.step.run(_execute(*statements))

    with holder.transaction():
        holder.execute("LOCK TABLE held")
        async with _watched(database_url) as seen:
            await _repeat_until(lambda: seen.watcher.blockers, time_out)
            await _more(looks, 1)  # the one that was under way is over
            told = len(seen.events)
            await _more(looks)  # these find nobody waiting
            assert len(seen.events) == told
        assert [peer.pid for peer in seen.watcher.blockers] == [holder.info.backend_pid]


@pytest.mark.asyncio
async def test_blockers_are_forgotten_once_the_step_has_its_lock_and_that_is_said(
    database_url: str, holder: psycopg.Connection
) -> None:
    holder.execute("CREATE TABLE go (at int)")
    with holder.transaction():
        holder.execute("LOCK TABLE held")
        async with _watched(database_url) as seen:
            running = asyncio.create_task(seen.step.run(_execute("LOCK TABLE held", AT_WORK_UNTIL_GO)))
            await _until(lambda: seen.watcher.blockers)
            holder.execute("COMMIT")
            await _until(lambda: not seen.watcher.blockers)
            holder.execute("INSERT INTO go VALUES (1)")
            await running
    last = seen.blocked[-1]
    assert last.blockers == ()
    assert last.waited_s > 0


@pytest.mark.asyncio
async def test_an_index_build_shows_its_phases_and_how_far_they_are(database_url: str) -> None:
    seen: _Watch | None = None

    async def build() -> None:
        nonlocal seen
        async with _watched(database_url, interval_s=0.005) as seen:
            await seen.step.run(
                _execute(
                    "DROP TABLE IF EXISTS big",
                    "CREATE TABLE big AS SELECT md5(g::text) AS hash FROM generate_series(1, 400000) g",
                    "SET LOCAL maintenance_work_mem = '1MB'",
                    "SET LOCAL max_parallel_maintenance_workers = 0",
                    "CREATE INDEX ON big (hash)",
                )
            )

    def scans() -> list[StepProgress]:
        return [event for event in seen.progress if event.unit == "blocks" and event.total] if seen else []

    await _repeat_until(scans, build)
    assert seen is not None
    scanning = scans()
    assert {event.phase for event in scanning} == {"building index: scanning table"}
    assert {event.command for event in seen.progress} == {"CREATE INDEX"}
    assert all(0 <= event.done <= event.total for event in scanning)
    assert [event.done for event in scanning] == sorted(event.done for event in scanning)
    assert len(set(seen.progress)) == len(seen.progress)


@pytest.mark.asyncio
async def test_a_concurrent_index_build_counts_those_it_waits_for(
    database_url: str, holder: psycopg.Connection
) -> None:
    def build(connection: Connection) -> None:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("CREATE INDEX CONCURRENTLY ON held (id)"))

    holder.execute("ALTER TABLE held ADD id int")
    with holder.transaction():
        holder.execute("INSERT INTO held VALUES (1)")
        async with _watched(database_url) as seen:
            building = asyncio.create_task(seen.step.run(build))
            await _until(
                lambda: seen.blocked
            )  # it is waiting, so this look and every one from here on shows it
            await _until(lambda: seen.progress and seen.progress[-1].total)
            waiting = seen.progress[-1]
            holder.execute("COMMIT")
            await building
    assert waiting.command == "CREATE INDEX CONCURRENTLY"
    assert waiting.phase.startswith("waiting for writers")
    assert (waiting.done, waiting.total, waiting.unit) == (0, 1, "lockers")
    assert [peer.pid for peer in seen.blocked[0].blockers] == [holder.info.backend_pid]


@pytest.mark.asyncio
async def test_an_index_of_a_partitioned_table_counts_its_partitions(
    database_url: str, holder: psycopg.Connection
) -> None:
    holder.execute("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    holder.execute("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (1000000)")
    holder.execute("INSERT INTO whole SELECT g FROM generate_series(1, 400000) g")
    async with _watched(database_url, interval_s=0.005) as seen:
        await _repeat_until(
            lambda: any(event.phase.startswith("partition 1 of 1: ") for event in seen.progress),
            lambda: seen.step.run(_execute("CREATE INDEX ON whole (id)")),
        )


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        ("VACUUM FULL big", "VACUUM FULL"),
        ("VACUUM (DISABLE_PAGE_SKIPPING) big", "VACUUM"),  # the second time as long as the first
        ("ANALYZE big", "ANALYZE"),
        ("COPY big TO PROGRAM 'cat > /dev/null'", "COPY TO"),
    ],
)
@pytest.mark.asyncio
async def test_other_long_commands_show_progress_too(
    database_url: str, holder: psycopg.Connection, statement: str, command: str
) -> None:
    if command == "COPY TO" and holder.info.server_version < 140000:
        pytest.skip("the server reports COPY since version 14")

    def run(connection: Connection) -> None:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(statement))
        connection.commit()  # it may run again, where it was too fast to be seen

    holder.execute(
        "CREATE TABLE big AS SELECT g AS id, repeat('x', 99) AS t FROM generate_series(1, 300000) g"
    )
    async with _watched(database_url, interval_s=0.002) as seen:
        await _repeat_until(
            lambda: command in {event.command for event in seen.progress}, lambda: seen.step.run(run)
        )


def test_a_backend_that_runs_nothing_long_has_no_progress(database_url: str) -> None:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            assert progress_of(connection, _pid(connection)) is None
            assert not connection.in_transaction()
            assert progress_of(connection, 0) is None
    finally:
        engine.dispose()


@pytest.mark.asyncio
async def test_a_short_step_costs_no_query(database_url: str) -> None:
    url = DatabaseURL.parse(database_url)

    class Refusing:
        async def run(self, work: Callable[[Connection], T]) -> T:
            raise AssertionError(work)

    watcher = Watcher("", "", print, interval_s=3600)  # shorter than this is any step here
    async with open_session(url) as step, watching(watcher, Refusing(), 1):
        await step.run(_execute("SELECT 1"))


@pytest.mark.asyncio
async def test_a_watcher_whose_connection_breaks_ends_in_silence(
    database_url: str, holder: psycopg.Connection
) -> None:
    events: list[Event] = []
    async with open_session(DatabaseURL.parse(database_url)) as control:
        pid = await control.run(_pid)
        watcher = Watcher("", "", events.append, interval_s=0.01)
        watching_it = asyncio.create_task(watcher.watch(control, holder.info.backend_pid))
        holder.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])
        await asyncio.wait_for(watching_it, _DEADLINE_S)
    assert events == []


@pytest.mark.asyncio
async def test_leaving_the_block_ends_the_watcher_and_leaves_its_connection_usable(
    database_url: str, holder: psycopg.Connection, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LAST_LOOK_S", _DEADLINE_S)  # what it takes when nobody tells it to stop
    url = DatabaseURL.parse(database_url)
    events: list[Event] = []
    before = len(asyncio.all_tasks())
    async with open_session(url) as control:
        watcher = Watcher("", "", events.append, interval_s=0.0)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the block that fails is what is tested
            async with watching(watcher, control, holder.info.backend_pid):
                await _more(looks)
                left = time.monotonic()
                raise ZeroDivisionError
        assert time.monotonic() - left < _DEADLINE_S
        assert len(asyncio.all_tasks()) == before
        await control.run(_execute("SELECT 1"))


@pytest.mark.asyncio
async def test_cancelling_a_watched_step_ends_the_watcher(
    database_url: str, holder: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LAST_LOOK_S", _DEADLINE_S)  # what it takes when nobody tells it to stop

    async def step() -> None:
        async with _watched(database_url) as seen:
            seen_blocked.append(seen)
            await seen.step.run(_execute("ALTER TABLE held ADD id int"))

    seen_blocked: list[_Watch] = []
    before = len(asyncio.all_tasks())
    with holder.transaction():
        holder.execute("LOCK TABLE held")
        task = asyncio.create_task(step())
        await _until(lambda: seen_blocked and seen_blocked[0].blocked)
        left = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert time.monotonic() - left < _DEADLINE_S
    assert len(asyncio.all_tasks()) == before


@pytest.mark.asyncio
async def test_a_watcher_ends_by_itself_when_the_backend_is_gone(database_url: str) -> None:
    url = DatabaseURL.parse(database_url)
    async with open_session(url) as control:
        await asyncio.wait_for(Watcher("", "", print, interval_s=0.01).watch(control, 0), _DEADLINE_S)


@pytest.mark.parametrize(
    ("lock_timeout_ms", "interval_s"), [(0, 0.2), (10_000, 0.2), (200, 0.1), (50, 0.025), (1, 0.02)]
)
def test_looks_come_often_enough_for_a_short_lock_timeout(lock_timeout_ms: int, interval_s: float) -> None:
    assert interval_within(lock_timeout_ms) == interval_s
