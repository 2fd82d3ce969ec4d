"""A small loopback TCP proxy that breaks connections on purpose, at a moment that the test chooses."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import struct
import threading
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Self

from headway import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


def connect_to(url: DatabaseURL) -> socket.socket:
    """A connection to the server of a URL, by TCP or by its socket."""
    host, port = url.hosts[0]
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    upstream = socket.socket(socket.AF_UNIX)
    upstream.connect(f"{host}/.s.PGSQL.{port}")
    return upstream


class Towards(Enum):
    """Which way bytes go."""

    SERVER = "server"
    CLIENT = "client"


class Fault(Enum):
    """What happens to a connection when the pattern comes by."""

    CUT_BEFORE = "cut before"
    """It is closed on both sides; neither the pattern nor what follows gets through."""
    CUT_AFTER = "cut after"
    """The pattern gets through and is read, nothing behind it does, and no answer comes back."""
    SWALLOW_BEFORE = "swallow before"
    """It stays open, but from the pattern on nothing gets through in either direction."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One fault, to happen once. Patterns are found across the borders of packets.

    With ``after`` it waits until that has come by on the same connection in the same direction. With ``down``
    it ends every other connection too, and none is taken until ``up`` is called.
    """

    pattern: bytes
    towards: Towards
    fault: Fault
    after: bytes = b""
    down: bool = False


class TcpProxy:
    """Passes connections on to a PostgreSQL server, over TCP or its Unix socket, until told otherwise.

    A cut is an abortive close (RST), as when a host reboots. Connections are plain TCP:
    what TLS hides no pattern finds, so URLs from ``url`` say ``sslmode=disable``.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = DatabaseURL.parse(upstream)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._guard = threading.Lock()
        self._rules: list[Rule] = []
        self._wires: list[_Wire] = []
        self._every: list[_Wire] = []
        self._threads: list[threading.Thread] = []
        self._down = False
        self.struck = threading.Event()
        """Set when a rule's fault has happened."""

    @property
    def url(self) -> str:
        """The upstream's URL, through here."""
        return dataclasses.replace(
            self._upstream, hosts=(("127.0.0.1", self.port),), parameters=(("sslmode", "disable"),)
        ).render()

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in list(self._threads):
            thread.join(timeout=60)
            assert not thread.is_alive()

    def rule(
        self, pattern: bytes, towards: Towards, fault: Fault, *, after: bytes = b"", down: bool = False
    ) -> None:
        """Let a fault happen to the first connection on which the pattern comes by from now on."""
        with self._guard:
            self._rules.append(Rule(pattern, towards, fault, after, down))

    @property
    def turns(self) -> list[int]:
        """Of each connection so far, oldest first: how often its client spoke after the server had."""
        with self._guard:
            return [wire.turns for wire in self._every]

    def up(self) -> None:
        """Take connections again after a fault that ended that."""
        self._down = False

    def cut(self) -> None:
        """Break every connection now."""
        with self._guard:
            wires, self._wires = self._wires, []
        for wire in wires:
            wire.cut()

    def black_hole(self) -> None:
        """From now on nothing gets through on any connection there is, and nobody is told."""
        with self._guard:
            for wire in self._wires:
                wire.mute = True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            if self._down:
                client.close()
                continue
            wire = _Wire(client, connect_to(self._upstream))
            with self._guard:
                self._wires.append(wire)
                self._every.append(wire)
            self._run(partial(self._pump, wire, Towards.SERVER))
            self._run(partial(self._pump, wire, Towards.CLIENT))

    def _pump(self, wire: _Wire, towards: Towards) -> None:
        source, sink = wire.ends(towards)
        passed = b""
        with contextlib.suppress(OSError):  # the other pump, or the test, closed it
            while data := source.recv(65536):
                wire.heard(towards)
                rule, keep = self._struck_by(wire, passed, data, towards)
                muted = wire.mute
                if rule and rule.fault is Fault.CUT_AFTER:
                    wire.mute = True  # before it gets through: the answer may come faster than the cut
                if not muted:
                    sink.sendall(data[:keep])
                if rule:
                    self._strike(wire, towards, rule)
                passed = (passed + data)[-256:]
        if not wire.mute:
            wire.close()

    def _strike(self, wire: _Wire, towards: Towards, rule: Rule) -> None:
        if rule.down:
            self._down = True
            with self._guard:
                others = [other for other in self._wires if other is not wire]
            for other in others:
                other.cut()
        if rule.fault is Fault.CUT_BEFORE:
            wire.cut()
        elif rule.fault is Fault.CUT_AFTER:
            wire.end(towards)
        else:
            wire.mute = True
        self.struck.set()

    def _struck_by(
        self, wire: _Wire, passed: bytes, data: bytes, towards: Towards
    ) -> tuple[Rule | None, int]:
        """The rule that applies, which is then used up, and how many bytes of ``data`` still get through."""
        with self._guard:
            for rule in self._rules:
                if rule.towards is not towards:
                    continue
                if rule.after in passed + data:
                    wire.primed.add(rule)
                at = (passed + data).find(rule.pattern, max(len(passed) - len(rule.pattern) + 1, 0))
                if rule in wire.primed and at >= 0:
                    self._rules.remove(rule)
                    border = at + (len(rule.pattern) if rule.fault is Fault.CUT_AFTER else 0)
                    return rule, max(border - len(passed), 0)
        return None, len(data)

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="tcp-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()


class _Wire:
    """One connection's two sockets."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._client = client
        self._server = server
        self.mute = False
        """A black hole: what comes is read and forgotten, an end of the connection too."""
        self.primed: set[Rule] = set()
        """Rules whose ``after`` has come by here."""
        self.turns = 0
        """Round trips that were begun: messages of the client that no other of its own came just before."""
        self._spoke: Towards | None = None

    def heard(self, towards: Towards) -> None:
        """Somebody spoke."""
        # The answer to what is counted here has not come by yet, so the other pump is not at it.
        self.turns += towards is Towards.SERVER and self._spoke is not towards
        self._spoke = towards

    def ends(self, towards: Towards) -> tuple[socket.socket, socket.socket]:
        """Where the bytes come from, and where they go."""
        pair = (self._client, self._server)
        return pair if towards is Towards.SERVER else (pair[1], pair[0])

    def cut(self) -> None:
        """Close abruptly: what was sent and not read yet is lost."""
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                if end.family != socket.AF_UNIX:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def end(self, towards: Towards) -> None:
        """Close gently on the one side, so that it reads what was sent before, and at once on the other."""
        source, sink = self.ends(towards)
        with contextlib.suppress(OSError):  # they may have closed already
            sink.shutdown(socket.SHUT_WR)
            source.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the pump that reads there
            end.close()
