"""A loopback proxy that reads PostgreSQL's message framing and strikes at the n-th statement of a migrator.

A boundary is the number of a statement in the order in which the migrator sends them over all its
connections: every ``Execute`` of the extended protocol and every simple query
(PostgreSQL manual, section 55.7).
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import struct
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Protocol, Self

from statement_kinds import kind_of, pieces_of

from headway import DatabaseURL
from tcpproxy import connect_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INT = struct.Struct("!i")
_ENDS_A_GROUP = frozenset(b"SQHXpcfd")
_KEY_DATA, _ERROR, _READY = b"KEZ"
_REPLY_S = 30.0


class Moment(StrEnum):
    """When a fault strikes at a statement."""

    BEFORE = "before send"
    SENT = "after send"
    REPLIED = "after reply"


@dataclass(slots=True)
class Statement:
    """One statement that went through.

    ``answered`` is ``None`` while the server is at it; moments are of ``time.monotonic()``. ``of_kind``
    counts those of its kind before it.
    """

    number: int
    sql: str
    kind: str
    sent: float
    of_kind: int = 0
    answered: float | None = None
    failed: bool = False


class Strike(Protocol):
    """What happens at the boundary; it is called once, in the proxy's own thread.

    It returns whether the statement (or its answer) still gets through.
    """

    def __call__(self, wire: Wire, /) -> bool: ...


@dataclass
class Aim:
    """Where a fault strikes.

    ``number`` counts all statements; where ``among`` says so, only those of that kind. (How many there are
    before them may differ from run to run: a watcher looks when its time comes.)
    """

    number: int
    moment: Moment
    strike: Strike
    among: str | None = None
    struck: threading.Event = field(default_factory=threading.Event)
    at: Statement | None = None

    def meets(self, statement: Statement, moment: Moment) -> bool:
        """Whether this is the place."""
        if self.among is None:
            return (self.number, self.moment) == (statement.number, moment)
        return (self.number, self.moment, self.among) == (statement.of_kind, moment, statement.kind)

    @property
    def kind(self) -> str | None:
        """The kind of statement it struck at; ``None`` as long as it has not."""
        return self.at.kind if self.at else None


class Proxy:
    """Passes one migrator's connections on, and writes down its statements.

    Args:
        upstream: the database's URL.
        aim: the fault; none when ``None``.
    """

    def __init__(self, upstream: str, aim: Aim | None = None) -> None:
        self._upstream = DatabaseURL.parse(upstream)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._guard = threading.Lock()
        self._wires: list[Wire] = []
        self._threads: list[threading.Thread] = []
        self._kinds: Counter[str] = Counter()
        self.aim = aim
        self.statements: list[Statement] = []
        self.url = dataclasses.replace(
            self._upstream,
            hosts=(("127.0.0.1", self._listener.getsockname()[1]),),
            parameters=(("sslmode", "disable"),),
        ).render()

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in [*self._wires]:
            wire.close()
        for thread in self._threads:
            thread.join(_REPLY_S)

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="faults-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                wire = Wire(self, client, connect_to(self._upstream))
            except OSError:  # the server is down: so are we
                client.close()
                continue
            self._wires.append(wire)
            self._run(wire.upward)
            self._run(wire.downward)

    def in_flight(self) -> list[Statement]:
        """What was sent and is not answered yet, on connections that stand."""
        with self._guard:
            wires = [*self._wires]
        return [statement for wire in wires for statement in wire.outstanding()]

    def sent(self, sql: str) -> Statement:
        """Write a statement down, and give it its number."""
        with self._guard:
            kind = kind_of(sql)
            statement = Statement(len(self.statements), sql, kind, time.monotonic(), self._kinds[kind])
            self._kinds[kind] += 1
            self.statements.append(statement)
            return statement

    def is_aimed_at(self, statement: Statement, moment: Moment) -> bool:
        """Whether a fault is to happen here."""
        return self.aim is not None and self.aim.meets(statement, moment)

    def strikes(self, statement: Statement | None, moment: Moment, wire: Wire) -> bool:
        """Let the fault happen if this is its place; whether what came here goes on."""
        aim = self.aim
        if aim is None or statement is None or not aim.meets(statement, moment):
            return True
        aim.at = statement
        try:
            return aim.strike(wire)
        finally:
            aim.struck.set()


class Wire:
    """One connection of the migrator's."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self.client = client
        self.server = server
        for end in (client, server):
            if (
                end.family != socket.AF_UNIX
            ):  # else every small message waits for the acknowledgement before it
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.backend_pid = 0
        self.mute = False
        self._group = b""
        self._replaced = False
        self._outstanding: deque[Statement | None] = deque()
        self._sql: dict[bytes, str] = {}
        self._bound: dict[bytes, str] = {}
        self._started = False
        self._over = False
        self._slice_bytes: int | None = None

    def outstanding(self) -> list[Statement]:
        """Statements whose answer has not come."""
        return [statement for statement in [*self._outstanding] if statement is not None and not self._over]

    # -- towards the server ----------------------------------------------------------------------------

    def upward(self) -> None:
        """Pass on what the client sends, message by message."""
        with contextlib.suppress(OSError):
            group, executed = b"", None
            for message in chain.from_iterable(self._messages(self.client)):
                kind = message[0] if self._started else None
                self._started = True
                group += message
                executed = self._read(kind, message) or executed
                if kind is not None and kind not in _ENDS_A_GROUP:
                    continue
                if not self._forward(kind, group, executed):
                    break
                group, executed = b"", None
        if not self.mute:
            self.half_close()

    def _forward(self, kind: int | None, group: bytes, sql: str | None) -> bool:
        statement = self._proxy.sent(sql) if sql is not None else None
        self._group = group
        if not self._proxy.strikes(statement, Moment.BEFORE, self):
            return self._replaced
        if kind in b"SQ" if kind is not None else False:
            self._outstanding.append(statement)
        if not self.mute:
            self._send(self.server, group)
        return self._proxy.strikes(statement, Moment.SENT, self)

    def _read(self, kind: int | None, message: bytes) -> str | None:
        """The SQL that this message has executed; ``None`` when it executes nothing."""
        if kind == ord("Q"):
            return message[5:-1].decode(errors="replace")
        if kind == ord("P"):
            name, sql, *_ = message[5:].split(b"\0", 2)
            self._sql[name] = sql.decode(errors="replace")
        elif kind == ord("B"):
            portal, name, *_ = message[5:].split(b"\0", 2)
            self._bound[portal] = self._sql.get(name, "")
        elif kind == ord("E"):
            return self._bound.get(message[5:].split(b"\0", 1)[0], "")
        return None

    # -- towards the client ----------------------------------------------------------------------------

    def downward(self) -> None:
        """Pass on what the server answers."""
        with contextlib.suppress(OSError):
            for messages in self._messages(self.server):
                if not self._pass_on(messages):
                    break
        for statement in self._outstanding:  # the session has ended, and its statements with it
            if statement is not None and statement.answered is None:
                statement.answered, statement.failed = time.monotonic(), True
        self._over = True
        if not self.mute:
            self.close()

    def _pass_on(self, messages: list[bytes]) -> bool:
        """Send at once what came at once; where a fault strikes, what stands before it first."""
        ready: list[bytes] = []
        for message in messages:
            statement = self._answered(message[0], message)
            if statement is not None and self._proxy.is_aimed_at(statement, Moment.REPLIED):
                self._send_unless_mute(b"".join(ready))
                ready = []
                if not self._proxy.strikes(statement, Moment.REPLIED, self):
                    return False
            ready.append(message)
        self._send_unless_mute(b"".join(ready))
        return True

    def _answered(self, kind: int, message: bytes) -> Statement | None:
        """The statement whose answer ends with this message."""
        if kind == _KEY_DATA:
            self.backend_pid = _INT.unpack_from(message, 5)[0]
        if kind == _ERROR and self._outstanding and self._outstanding[0] is not None:
            self._outstanding[0].failed = True
        if kind != _READY or not self._outstanding:
            return None
        statement = self._outstanding.popleft()
        if statement is not None:
            statement.answered = time.monotonic()
        return statement

    # -- both ways -------------------------------------------------------------------------------------

    def _messages(self, source: socket.socket) -> Iterator[list[bytes]]:
        """What comes, message by message; those that came together, together."""
        held = b""
        kind_length = 0 if source is self.client else 1  # the first that a client sends has no kind
        while data := source.recv(65536):
            held += data
            whole: list[bytes] = []
            begin = 0
            while len(held) >= begin + kind_length + 4:
                end = begin + kind_length + _INT.unpack_from(held, begin + kind_length)[0]
                if len(held) < end:
                    break
                whole.append(held[begin:end])
                begin, kind_length = end, 1
            held = held[begin:]
            if whole:
                yield whole

    def _send_unless_mute(self, data: bytes) -> None:
        if data and not self.mute:
            self._send(self.client, data)

    def _send(self, sink: socket.socket, data: bytes) -> None:
        size = self._slice_bytes
        if size is None:
            sink.sendall(data)
            return
        for at in range(0, len(data), size):
            sink.sendall(data[at : at + size])
            time.sleep(0.001)  # what is being tried is a slow line

    def half_close(self) -> None:
        """The client has gone: the server reads that after what it was sent, and we see when it is done."""
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_WR)

    def crawl(self) -> None:
        """From now on let sixteen bytes through at once, a millisecond apart."""
        self._slice_bytes = 16

    def cut(self) -> None:
        """Break it on both sides, as a host does that reboots."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                if end.family != socket.AF_UNIX:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def run_in_its_place(self, sql: str) -> None:
        """Have the server run something else, whose answer is taken for the statement's."""
        body = sql.encode() + b"\0"
        self._replaced = True
        self._outstanding.append(None)
        self.server.sendall(b"Q" + _INT.pack(len(body) + 4) + body)

    def run_with(self, position: int, sql: str) -> None:
        """Have the server run one statement more, in the midst of a message that holds several."""
        pieces = pieces_of(self._group[5:-1].decode())
        self.run_in_its_place(";\n".join([*pieces[:position], sql, *pieces[position:]]))
