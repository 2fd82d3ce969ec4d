"""A PostgreSQL in a container, by testcontainers; started once for all processes of a run."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING

from headway.database import connect
from headway.errors import ConfigurationError, ConnectionFailedError
from headway.testing.private_loop import PrivateLoop
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Callable

_PORT = 5432
_DATA = "/headway"
_START_S = 120.0  # seconds, once the image is there
_POLL_S = 0.1
_COMMAND = "postgres -c fsync=off -c full_page_writes=off -c synchronous_commit=off"


def start(image: str, source: str) -> tuple[str, Callable[[], None]]:
    """Start a container, its data in memory and its durability off.

    Args:
        image: of PostgreSQL, as the official one takes its settings.
        source: the setting that asked for it, for the error.

    Returns:
        The URL, **secret**, and what ends the container.

    Raises:
        ConfigurationError: testcontainers is not installed, Docker does not run, or the image does not start.
    """
    try:
        from docker.errors import DockerException  # type: ignore[import-untyped]  # it has no types
        from testcontainers.core.container import DockerContainer
    except ImportError as error:
        raise ConfigurationError(
            source, f"a container needs the package {error.name}", example="pip install 'headway[test]'"
        ) from None
    password = secrets.token_urlsafe(12)
    try:
        container = DockerContainer(image, tmpfs={_DATA: ""})
        container.with_env("POSTGRES_PASSWORD", password).with_env("PGDATA", f"{_DATA}/data")
        container.with_command(_COMMAND).with_exposed_ports(_PORT).start()
    except (DockerException, OSError) as error:
        raise ConfigurationError(
            source,
            f"the container of {image} could not be started: {error}",
            example="--headway-provider=embedded needs no Docker",
        ) from None
    try:
        place = f"{container.get_container_host_ip()}:{container.get_exposed_port(_PORT)}"
        url = f"postgresql://postgres:{password}@{place}/postgres"
        with contextlib.closing(PrivateLoop()) as loop:
            loop.run(_ready(DatabaseURL.parse(url, variable=source)))
    except BaseException:
        container.stop()
        raise
    return url, container.stop


async def _ready(url: DatabaseURL) -> None:
    """Wait until it takes connections over the network, which it does once its first start is through."""
    deadline = asyncio.get_running_loop().time() + _START_S
    while True:
        try:
            connection = await connect(url)
        except ConnectionFailedError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_POLL_S)
        else:
            await connection.close()
            return
