"""A connection on which nothing moves: both sides look whether the other is still there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

import servers
from headway import ConfigurationError, DatabaseURL
from headway.database import driver_connection
from headway.session import open_session
from headway.timeouts import session_settings
from tcpproxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this system has other words for it"),
]

SETTINGS = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
OPTIONS = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


async def options_of(url: str) -> tuple[bool, Sequence[int]]:
    """Whether the socket of a connection is kept alive, and how."""
    async with driver_connection(DatabaseURL.parse(url)) as connection:
        # The same private name that headway goes by; this is its canary.
        kernel: Any = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        kept = bool(kernel.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        if kernel.family == socket.AF_UNIX:
            return kept, ()
        return kept, [kernel.getsockopt(socket.IPPROTO_TCP, getattr(socket, option)) for option in OPTIONS]


async def test_a_connection_by_tcp_is_kept_alive_and_a_dead_line_noticed_in_two_minutes(
    database_url: str,
) -> None:
    with TcpProxy(database_url) as proxy:
        assert await options_of(proxy.url) == (True, [60, 10, 6, 120_000])


async def test_what_the_url_says_of_it_is_done(database_url: str) -> None:
    with TcpProxy(database_url) as proxy:
        some = f"{proxy.url}&keepalives_idle=30&keepalives_count=3"
        assert await options_of(some) == (True, [30, 10, 3, 60_000])
        assert await options_of(f"{some}&tcp_user_timeout=5000") == (True, [30, 10, 3, 5000])
        kept, _ = await options_of(f"{proxy.url}&keepalives=0")
        assert not kept
        _, (idle, _, _, unacknowledged) = await options_of(f"{proxy.url}&keepalives_idle=0")
        assert idle > 60  # the system's own
        assert unacknowledged == 0


@pytest.mark.parametrize(
    "demand",
    ["keepalives_idle=40000", "keepalives_interval=40000", "keepalives_count=300", "keepalives_idle=soon"],
)
async def test_what_no_system_takes_is_refused_when_the_url_is_read(demand: str) -> None:
    with pytest.raises(ConfigurationError, match="must be"):
        DatabaseURL.parse(f"postgresql://h/d?{demand}")


async def test_a_socket_file_needs_none(database_url: str) -> None:
    if not DatabaseURL.parse(database_url).hosts[0][0].startswith("/"):
        pytest.skip("the server of these tests is reached by TCP")
    assert await options_of(database_url) == (False, ())


async def test_a_server_that_is_cut_off_notices_as_soon_and_what_is_shorter_already_stays(
    server_url: str,
) -> None:
    def asked(connection: Connection) -> list[str]:
        with connection.begin():
            return [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SETTINGS]

    # By TCP: on its socket file the server has none of them.
    with servers.postgres(like=server_url) as server:
        async with open_session(DatabaseURL.parse(server.url)) as session:
            before = await session.run(asked)
            async with session_settings(session):
                assert await session.run(asked) == ["60", "10", "6", "120000"]
            assert await session.run(asked) == before
        hurried = f"{server.url}?options=-c%20tcp_keepalives_idle%3D15"
        async with open_session(DatabaseURL.parse(hurried)) as session, session_settings(session):
            assert await session.run(asked) == ["15", "10", "6", "120000"]
