"""One experiment: a fresh database, a fault, and what the database and the commands look like afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import command
import looks
import probed_chain
import psycopg
from extent import WHOLE
from invariants import Evidence, span, violations
from psycopg import sql
from records import Record
from statement_kinds import IN_ONE, pieces_of
from wire import Aim, Moment, Proxy

from headway import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from command import Command
    from records import Records
    from wire import Wire

UP, DOWN = ("upgrade",), ("downgrade", "base", "--yes")
WAYS = {"up": UP, "down": DOWN}
QUIET_S = 20.0
"""How long a session of a migrator that is gone may live on."""
_PAUSE_S = 0.01


@dataclass
class Laboratory:
    """Databases to break, and the project whose command breaks on them.

    Attributes:
        server: a superuser's URL.
        folder: of the project.
        records: where results go.
        tablespace: of the databases that are broken.
    """

    server: str
    folder: Path
    records: Records
    truth: looks.Truth
    templates: dict[str, str] = field(default_factory=dict)
    boundaries: dict[str, list[str]] = field(default_factory=dict)
    """Of each way: the kinds of the statements that a run without a fault sends."""
    tablespace: str = "pg_default"
    messages: dict[str, list[int]] = field(default_factory=dict)
    """Of each way: of how many statements each step that goes in one message is."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may be printed nowhere."""
        password = DatabaseURL.parse(self.server).password
        return (password.get_secret_value(),) if password and len(password.get_secret_value()) > 8 else ()

    @contextlib.contextmanager
    def database(self, way: str) -> Iterator[str]:
        """A database as it is before the command, to be dropped afterwards; its URL."""
        with _fresh(self.server, self.templates[way], self.tablespace) as url:
            yield url


@contextlib.contextmanager
def equipped(server: str, folder: Path, records: Records) -> Iterator[Laboratory]:
    """Make templates, and learn the truth and the boundaries from runs without a fault."""
    probed_chain.write(folder)
    with _fresh(server, "template0") as base, _fresh(server, "template0") as head:
        with watching(base) as connection:
            for statement in probed_chain.BEFORE:
                connection.execute(statement.encode())
        if WHOLE:
            with _fresh(server, DatabaseURL.parse(base).name) as scratch:
                command.warm(probed_chain.write(folder.parent / "warmth"), scratch)
                command.run(folder, scratch, "--version")  # when it is forked, all that is warm
        empty, full = (DatabaseURL.parse(url).name for url in (base, head))
        with _fresh(server, empty) as scratch, watching(scratch) as connection:
            laboratory = Laboratory(server, folder, records, looks.make_truth(connection), {"up": empty})
        _again(server, full, empty)
        _learn(laboratory, head, "up")
        laboratory.templates["down"] = full
        with laboratory.database("down") as url:
            _learn(laboratory, url, "down")
        yield laboratory


def _learn(laboratory: Laboratory, url: str, way: str) -> None:
    with Proxy(url) as proxy:
        done = command.run(laboratory.folder, proxy.url, *WAYS[way])
        assert done.code == 0, done.err
        laboratory.boundaries[way] = [statement.kind for statement in proxy.statements]
        laboratory.messages[way] = [
            len(pieces_of(statement.sql)) for statement in proxy.statements if statement.kind == IN_ONE
        ]


@dataclass
class Struck:
    """The command under way, for what strikes it."""

    command: Command
    url: str
    wire: Wire
    admin: psycopg.Connection


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        name: in the table.
        injure: does it; whether the statement, or its answer, still gets through.
        codes: what the struck command may end with.
        moments: when it makes sense.
        harm_s: how long the application's queries may take while it happens.
        rotates: it strikes at each boundary once, at one of the moments in turn; else at each moment.
        when: what the table says in place of the moment.
        among: the kind of statement that the number counts; all where it is ``None``.
        mend: called when the command has ended.
    """

    name: str
    injure: Callable[[Struck], bool]
    codes: frozenset[int]
    moments: tuple[Moment, ...] = (Moment.BEFORE, Moment.SENT, Moment.REPLIED)
    harm_s: float = 5.0
    rotates: bool = False
    when: str = ""
    among: str | None = None
    mend: Callable[[], object] = lambda: None


def strike(laboratory: Laboratory, fault: Fault, way: str, moment: Moment, number: int) -> Record:
    """Let one fault happen at one boundary, judge what came of it, and keep the record."""
    at, evidence = judged(laboratory, fault, way, moment, number)
    seconds = tuple(round(run.seconds, 2) for run in evidence.runs)
    code = evidence.runs[0].code
    when, wrong = fault.when or str(moment), violations(evidence)
    record = Record(fault.name, when, way, at, number, code, wrong, seconds)
    if at is not None:
        laboratory.records.add(record)
    return record


def judged(
    laboratory: Laboratory,
    fault: Fault,
    way: str,
    moment: Moment,
    number: int,
    *,
    broken: Callable[[], None] | None = None,
) -> tuple[str | None, Evidence]:
    """One experiment.

    Args:
        laboratory: where.
        fault: what happens.
        way: ``up`` or ``down``.
        moment: when.
        number: of the statement.
        broken: breaks the engine of the commands.

    Returns:
        The kind of statement it struck at (``None`` when it never came so far), and what is known then.
    """
    hasty = moment is Moment.SENT and number % 2 == 1
    with laboratory.database(way) as url, watching(url) as admin:
        evidence = Evidence(
            way,
            probed_chain.HEAD if way == "up" else None,
            laboratory.truth,
            looks.look(admin),
            codes=fault.codes,
            harm_s=fault.harm_s,
            secrets=laboratory.secrets,
        )
        with application(url) as app:
            at = _first_run(laboratory, fault, evidence, url, admin, (way, moment, number), broken)
            if not hasty:
                evidence.leaked += quiet(admin)
                evidence.after = looks.look(admin)
            later_runs(laboratory, evidence, url, admin, broken=broken)
        evidence.latencies, evidence.app_errors = app.latencies, app.errors
    return at, evidence


def _first_run(
    laboratory: Laboratory,
    fault: Fault,
    evidence: Evidence,
    url: str,
    admin: psycopg.Connection,
    place: tuple[str, Moment, int],
    broken: Callable[[], None] | None,
) -> str | None:
    """The run that is struck; the kind of statement it was struck at, ``None`` when it never came so far."""
    way, moment, number = place
    running = threading.Event()
    holder: list[Command] = []

    def injured(wire: Wire) -> bool:
        running.wait(command.DEADLINE_S)
        return fault.injure(Struck(holder[0], url, wire, admin))

    aim = Aim(number, moment, injured, fault.among)
    with Proxy(url, aim) as proxy:
        with command.started(laboratory.folder, proxy.url, *WAYS[way], broken=broken) as it:
            holder.append(it)
            running.set()
            evidence.runs.append(it.ended())
        fault.mend()
        # What it had sent may still run; the proxy sees it end.
        _settled(proxy)
        evidence.spans += span(proxy.statements)
    return aim.kind


def _settled(proxy: Proxy) -> None:
    deadline = time.monotonic() + QUIET_S
    while any(statement.answered is None for statement in proxy.in_flight()) and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)


def later_runs(
    laboratory: Laboratory,
    evidence: Evidence,
    url: str,
    admin: psycopg.Connection,
    *,
    broken: Callable[[], None] | None = None,
) -> None:
    """Run the command again and a third time, and look after each."""
    for name in ("again", "third"):
        with Proxy(url) as proxy:
            done = command.run(laboratory.folder, proxy.url, *WAYS[evidence.way], broken=broken)
            evidence.runs.append(done)
            evidence.spans += span(proxy.statements)
            evidence.leaked += quiet(admin)
            setattr(evidence, name, looks.look(admin))
            evidence.third_statements = proxy.statements


def quiet(connection: psycopg.Connection, within_s: float = QUIET_S) -> list[str]:
    """Wait until no session of a migrator is left; those that stay."""
    deadline = time.monotonic() + within_s
    while left := looks.sessions(connection):
        if time.monotonic() > deadline:
            return [f"session {pid} is still {state} after {within_s} s" for pid, state in left]
        time.sleep(_PAUSE_S)
    return []


# -- the application ---------------------------------------------------------------------------------------


@dataclass
class Application:
    """What lives beside the migrator: a query every twenty milliseconds."""

    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    declared: tuple[type[psycopg.Error], ...] = ()
    pause_s: float = 0.02


@contextlib.contextmanager
def application(url: str, *, declared: tuple[type[psycopg.Error], ...] = ()) -> Iterator[Application]:
    """Ask the table ``bystander`` again and again, on a session of its own."""
    app, stop = Application(declared=declared), threading.Event()

    def ask() -> None:
        try:
            with watching(url) as connection:
                while not stop.wait(app.pause_s):
                    since = time.monotonic()
                    connection.execute("SELECT count(*) FROM bystander").fetchone()
                    app.latencies.append(time.monotonic() - since)
        except psycopg.Error as error:
            if not isinstance(error, app.declared):
                app.errors.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield app
    finally:
        stop.set()
        thread.join(command.DEADLINE_S)


# -- databases ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def watching(url: str) -> Iterator[psycopg.Connection]:
    """A session of the suite's own."""
    with psycopg.connect(url, autocommit=True, application_name=looks.BYSTANDER) as connection:
        connection.prepare_threshold = None
        yield connection


@contextlib.contextmanager
def _fresh(server: str, template: str, tablespace: str = "pg_default") -> Iterator[str]:
    name = f"headway_f_{secrets.token_hex(5)}"
    with watching(server) as connection:
        connection.execute(_CREATE.format(*map(sql.Identifier, (name, template, tablespace))))
    try:
        yield dataclasses.replace(DatabaseURL.parse(server), database=name).render()
    finally:
        with watching(server) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _again(server: str, name: str, template: str) -> None:
    """Make a database anew, as a copy of another."""
    with watching(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(_CREATE.format(*map(sql.Identifier, (name, template, "pg_default"))))


_CREATE = sql.SQL("CREATE DATABASE {} TEMPLATE {} TABLESPACE {} STRATEGY file_copy")
