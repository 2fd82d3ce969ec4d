"""What an application does about its database while it starts."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from headway.errors import ConfigurationError, HeadwayError, StartupInterruptedError
from headway.events import StartupBegan, StartupFailed, StartupFinished, Warned
from headway.narration.changes import origin
from headway.planning import require_serving
from headway.results import StartupMode
from headway.signals import cancelling_on_signals
from headway.waiting import wait_for_revision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from headway.events import Event
    from headway.results import PendingReport, RunOptions, RunReport


class Database(Protocol):
    """Of a Migrator, what a start-up needs."""

    async def pending(self) -> PendingReport:
        """Where the database stands."""

    async def upgrade(self, target: str, *, options: RunOptions | None) -> RunReport:
        """Apply what is missing up to ``target``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a start-up is asked to do; see ``Migrator.startup``."""

    mode: StartupMode
    timeout_s: float
    strict: bool
    options: RunOptions | None


def wish(
    mode: StartupMode | str,
    *,
    in_development: bool,
    timeout_s: float,
    strict: bool,
    options: RunOptions | None,
) -> Wish:
    """What the arguments of ``Migrator.startup`` ask for.

    Raises:
        ConfigurationError: there is no such mode, or ``timeout_s`` is no number of seconds.
    """
    try:
        wanted = StartupMode(mode)
    except ValueError:
        modes = ", ".join(StartupMode)
        raise ConfigurationError("mode", f"{mode!r} is none of {modes}", example="auto") from None
    try:
        usable = timeout_s >= 0  # NaN is not
    except TypeError:
        usable = False
    if not usable:
        raise ConfigurationError("timeout_s", f"{timeout_s!r} is no number of seconds", example="60")
    if wanted is StartupMode.AUTO:
        wanted = StartupMode.UPGRADE if in_development else StartupMode.CHECK
    return Wish(mode=wanted, timeout_s=timeout_s, strict=strict, options=options)


class Startup:
    """One start-up of an application: what it found, or why it failed.

    Attributes:
        mode: what it does; never ``auto``.
        report: where the database stood when the application was let in; ``None`` until then, after a
            failure, and in mode ``off``.
        error: why it failed; ``None`` as a rule.
    """

    def __init__(self, wish: Wish, database: Database, tell: Callable[[Event], None]) -> None:
        self.mode = wish.mode
        self.report: PendingReport | None = None
        self.error: Exception | None = None
        self._wish = wish
        self._database = database
        self._tell = tell
        self._over = asyncio.Event()

    @property
    def done(self) -> bool:
        """Whether it is over, well or not."""
        return self._over.is_set()

    async def wait(self) -> PendingReport | None:
        """Wait until it is over.

        Returns:
            ``report``.

        Raises:
            Exception: ``error``, if there is one.
        """
        await self._over.wait()
        if self.error is not None:
            raise self.error
        return self.report

    async def run(self) -> None:
        """Do it; what goes wrong is said in an event, kept in ``error``, and raised."""
        began = time.perf_counter()
        self._tell(StartupBegan(self.mode))
        try:
            self.report = await self._cancelled_by_signals()
        except BaseException as error:
            cancelled = StartupInterruptedError("cancelled")
            self.error = error if isinstance(error, Exception) else cancelled
            kind = type(self.error).__name__
            # What is not headway's own may say anything, a password too: its class must do.
            told = self.error.message if isinstance(self.error, HeadwayError) else kind
            hint = self.error.hint if isinstance(self.error, HeadwayError) else None
            self._tell(StartupFailed(self.mode, kind, told, _elapsed_ms(began), hint))
            raise
        else:
            state = self.report.state if self.report else None
            self._tell(StartupFinished(self.mode, state, _elapsed_ms(began)))
        finally:
            self._over.set()

    async def _cancelled_by_signals(self) -> PendingReport | None:
        # A task of its own: the signal cancels this, and not the server that is starting.
        task = asyncio.create_task(self._work(), name="headway start-up")
        with cancelling_on_signals(task) as received:
            try:
                report = await task
            except asyncio.CancelledError:
                ours = asyncio.current_task()
                if received.signum is None or (ours is not None and ours.cancelling()):
                    raise
            else:
                if not received.unheard:
                    return report
        # Also when all was done as the signal came, if nobody else is going to end the process.
        assert received.signum is not None  # noqa: S101  # for the type: nothing else leads here
        raise StartupInterruptedError(
            f"interrupted by {received.signum.name}",
            signum=received.signum if received.unheard else None,
        )

    async def _work(self) -> PendingReport | None:
        if self.mode is StartupMode.OFF:
            return None
        report = await self._look()
        if self.mode is StartupMode.UPGRADE and not report.serves and not report.unknown:
            await self._database.upgrade("heads", options=self._wish.options)
            report = await self._look()
        require_serving(report, strict=self._wish.strict)
        if report.unknown:
            self._tell(Warned("", None, _ahead(report)))
        return report

    async def _look(self) -> PendingReport:
        """The first answer of the server; in mode ``wait`` the first that will do, or never will."""
        enough = self.mode is not StartupMode.WAIT
        return await wait_for_revision(
            self._database.pending,
            target="heads",
            reached=lambda report: enough or report.serves,
            timeout_s=self._wish.timeout_s,
            emit=self._tell,
        )


@asynccontextmanager
async def started(startup: Startup, *, background: bool) -> AsyncIterator[Startup]:
    """Run a start-up before the block, or beside it; what is still under way at its end is cancelled.

    Args:
        startup: not begun yet.
        background: enter the block at once; then no failure is raised.

    Raises:
        Exception: why it failed, unless in the background.
    """
    if not background:
        await startup.run()
        yield startup
        return
    task = asyncio.create_task(startup.run(), name="headway start-up in the background")
    task.add_done_callback(_over)
    try:
        await asyncio.sleep(0)  # it has begun, and says so, before anybody asks
        yield startup
    finally:
        task.cancel()
        await asyncio.wait([task])


def _over(task: asyncio.Task[None]) -> None:
    """Look at how a start-up in the background ended; its error is in ``Startup.error``."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, StartupInterruptedError) and error.signum is not None:
        # By itself it would have ended the process, and now nothing is left in its way.
        signal.raise_signal(error.signum)
    elif error is not None and not isinstance(error, HeadwayError):
        # A defect, headway's or a revision's: its class alone, in the event, would lead nobody to it.
        said = {"message": "headway's start-up failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(said)


def _ahead(report: PendingReport) -> str:
    foreign = ", ".join(report.unknown)
    known = "".join(f" {item.revision} was {origin(item)}." for item in report.foreign)
    return (
        f"{report.database} is ahead of this code: it holds {foreign}, unknown here.{known} "
        "The start goes on, as it must while a new version is rolled out"
    )


def _elapsed_ms(since: float) -> float:
    return round((time.perf_counter() - since) * 1000, 3)
