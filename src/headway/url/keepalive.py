"""TCP keepalive, in libpq's words: how long a line may be dead before either side notices.

Without it a client waits for ever for the answer of a server that a broken line has cut off, and a firewall
drops a connection on which nothing is sent for minutes, as while an index is built.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.url.conninfo import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETERS = (
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)
_AS_LONG = -1
# What Linux takes (tcp.h: MAX_TCP_KEEPIDLE and its sisters); the last is a C int.
_AT_MOST = {
    "keepalives_idle": 32767,
    "keepalives_interval": 32767,
    "keepalives_count": 127,
    "tcp_user_timeout": 2**31 - 1,
}
# What this system calls them; where it has no such word, it decides by itself.
_OPTIONS = {
    "idle_s": ("TCP_KEEPIDLE", "TCP_KEEPALIVE"),
    "interval_s": ("TCP_KEEPINTVL",),
    "count": ("TCP_KEEPCNT",),
    "user_timeout_ms": ("TCP_USER_TIMEOUT",),
}


@dataclass(frozen=True, slots=True)
class Keepalive:
    """How a connection is kept alive; 0 leaves it to the operating system.

    The defaults let a dead line be noticed in two minutes. Clouds forget a connection that is silent for
    longer than that: Azure's load balancer after 4 minutes, AWS's NAT gateway after 350 s.

    Attributes:
        idle_s: seconds of silence before the first probe.
        interval_s: seconds between probes that get no answer.
        count: probes without an answer before the line is taken for dead.
        user_timeout_ms: milliseconds that what was sent may stay unacknowledged. Linux takes it for probes
            as well, whatever their count (tcp(7)), so it is as long as they take unless said otherwise.
    """

    idle_s: int = 60
    interval_s: int = 10
    count: int = 6
    user_timeout_ms: int = _AS_LONG

    def __post_init__(self) -> None:
        if self.user_timeout_ms == _AS_LONG:
            together = min((self.idle_s + self.interval_s * self.count) * 1000, _AT_MOST["tcp_user_timeout"])
            known = self.idle_s and self.interval_s and self.count
            object.__setattr__(self, "user_timeout_ms", together if known else 0)

    def apply(self, to: Any) -> None:
        """Set it on a socket; one that is not of TCP is left alone."""
        if to is None or to.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        to.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, words in _OPTIONS.items():
            value = getattr(self, name)
            option = next((getattr(socket, word) for word in words if hasattr(socket, word)), None)
            if value and option is not None:
                to.setsockopt(socket.IPPROTO_TCP, option, value)


def keepalive_of(parameters: Mapping[str, str]) -> Keepalive | None:
    """What libpq's parameters ask for, and our defaults where they say nothing.

    Returns:
        ``None`` with ``keepalives=0``.

    Raises:
        UnreadableError: a value is no whole number, or too large.
    """
    given = {name: _number(name, parameters[name]) for name in PARAMETERS if name in parameters}
    if given.pop("keepalives", 1) == 0:
        return None
    for name, most in _AT_MOST.items():
        if given.get(name, 0) > most:
            raise UnreadableError(f"{name} must be at most {most}")
    given = {name: max(number, 0) for name, number in given.items()}
    fields = {"tcp_user_timeout": "user_timeout_ms", "keepalives_count": "count"}
    named = {
        fields.get(name, f"{name.removeprefix('keepalives_')}_s"): value for name, value in given.items()
    }
    return Keepalive(**named)


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"\s*-?\d{1,9}\s*", text, re.ASCII):
        raise UnreadableError(f"{name} must be a whole number")
    return int(text)
