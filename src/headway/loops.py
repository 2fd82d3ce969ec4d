"""Run a coroutine to its end from synchronous code, whatever loop there is and whatever signal comes."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from headway.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from sqlalchemy.ext.asyncio import AsyncConnection

# Only what would end the process or raise KeyboardInterrupt: whoever has a handler of his own keeps it.
_USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


def drive(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end from synchronous code, wherever that code itself runs.

    Where the main thread has no loop, SIGINT and SIGTERM cancel the work, so that it rolls back, lets go of
    its lock and says so in the ledger, unless the process has handlers of its own for them; a second signal
    does not make it worse.

    Raises:
        KeyboardInterrupt: SIGINT came; the work has finished its clean-up.
        SystemExit: SIGTERM came, likewise; with the status 143.
    """
    if in_greenlet():  # inside somebody's run_sync: their loop does the waiting
        await_only(work)
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run_until_signalled(work)
        return
    _drive_in_thread(work)


def _run_until_signalled(work: Coroutine[Any, Any, None]) -> None:
    received: list[int] = []
    try:
        with asyncio.Runner() as runner:
            task: asyncio.Task[None] | None = None

            def cancel(signum: int) -> None:
                received.append(signum)
                if task is not None and len(received) == 1:
                    runner.get_loop().call_soon_threadsafe(task.cancel)

            async def tracked() -> None:
                nonlocal task
                task = asyncio.current_task()
                if received:  # before the loop ran
                    work.close()
                    return
                await work

            with _signals_to(cancel):
                runner.run(tracked())
    except (Exception, asyncio.CancelledError):
        if not received:
            raise
    if received:
        raise KeyboardInterrupt if received[0] == signal.SIGINT else SystemExit(128 + received[0])


@contextmanager
def _signals_to(receive: Callable[[int], None]) -> Iterator[None]:
    """Hand SIGINT and SIGTERM over where nobody else handles them; only the main thread may."""
    taken = {}
    if threading.current_thread() is threading.main_thread():
        taken = {number: usual for number, usual in _USUAL.items() if signal.getsignal(number) == usual}
    for number in taken:
        signal.signal(number, lambda signum, _: receive(signum))
    try:
        yield
    finally:
        for number, usual in taken.items():
            signal.signal(number, usual)


def _drive_in_thread(work: Coroutine[Any, Any, None]) -> None:
    """A synchronous call on a running loop blocks it by its nature; the work gets a loop of its own."""
    failure: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:  # noqa: BLE001  # raised again in the calling thread
            failure.append(error)

    thread = threading.Thread(target=target, name="headway-env")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def drive_on_loop_of(connection: AsyncConnection, work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the loop that a connection was opened on, for it works on no other.

    Raises:
        RefusedError: that loop is the one this call blocks.
    """
    if in_greenlet():
        await_only(work)
        return
    loop = _loop_of(connection)
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if loop is None or loop is here:
        work.close()
        raise RefusedError(
            "this AsyncConnection belongs to the event loop that the call blocks, so neither could go on",
            hint="Use `await connection.run_sync(lambda _: command.upgrade(config, 'head'))`, "
            "`await asyncio.to_thread(command.upgrade, config, 'head')`, or headway.Migrator(connection=…).",
        )
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(work, loop).result()
    else:
        loop.run_until_complete(work)


def _loop_of(connection: AsyncConnection) -> asyncio.AbstractEventLoop | None:
    driver: Any = connection.sync_connection and connection.sync_connection.connection.driver_connection
    # asyncpg's own attribute; there is no public way from a connection to its loop.
    return getattr(driver, "_loop", None)
