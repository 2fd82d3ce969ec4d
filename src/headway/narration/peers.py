"""Other sessions of the server, as a person wants them named."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.results import Peer

_QUERY_WIDTH = 72
"""How much of a statement is shown on a line with other facts."""


def name(peer: Peer) -> str:
    """``pid 4711 (headway, user app, 10.0.0.7, since 12:00:01, running: ALTER TABLE t ...)``, where known."""
    return _named(peer, f"{_verb(peer)}: {one_line(peer.query)}" if peer.query else _idle(peer))


def names(peers: Sequence[Peer]) -> str:
    """All of them in a row; ``another session`` when none could be seen."""
    return " and ".join(map(name, peers)) or "another session"


def names_alone(peers: Sequence[Peer]) -> str:
    """The same without what they run, which may show a table's data where it is not meant to be seen."""
    return " and ".join(_named(peer, _idle(peer)) for peer in peers) or "another session"


def moment(when: datetime) -> str:
    """A time of day here, with its date unless that is today's."""
    local = when.astimezone()
    today = local.date() == datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def one_line(statement: str, width: int = _QUERY_WIDTH) -> str:
    """A statement's beginning on one line."""
    words = " ".join(statement.split())
    return words if len(words) <= width else f"{words[: width - 3]}..."


def _named(peer: Peer, doing: str | None) -> str:
    if not peer.pid:  # pg_blocking_pids reports them so (PostgreSQL manual, section 9.27)
        return "a prepared transaction (see pg_prepared_xacts)"
    facts = [
        peer.application_name or peer.backend_type,
        peer.user and f"user {peer.user}",
        peer.client,
        peer.since and f"since {moment(peer.since)}",
        doing,
    ]
    known = ", ".join(fact for fact in facts if fact)
    return f"pid {peer.pid} ({known})" if known else f"pid {peer.pid}"


def _verb(peer: Peer) -> str:
    # A session that is idle holds its locks too; what it shows is the last thing it did.
    state = _idle(peer)
    return f"{state}, last" if state else "running"


def _idle(peer: Peer) -> str | None:
    return None if peer.state == "active" else peer.state
