"""Which runs are alive, and what dead ones left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.testing.naming import digest, key_of

if TYPE_CHECKING:
    from headway.testing.cluster import Cluster


async def announce(cluster: Cluster, run_id: str) -> None:
    """Show as long as this connection lives that a run does: every process of it shares one lock.

    The server lets go of it when the connection ends, however the process does.
    """
    await cluster.share(_key(digest(run_id)))


async def sweep(cluster: Cluster, *, drop_kept: bool) -> None:
    """Drop what runs left that are no longer alive, and what earlier runs kept where that is wished."""
    by_run: dict[str, list[str]] = {}
    for name in await cluster.databases():
        run = cluster.names.run_of(name)
        if run is not None:
            by_run.setdefault(run, []).append(name)
        elif drop_kept and cluster.names.is_kept(name):
            await cluster.drop(name)
    for run, names in by_run.items():
        key = _key(run)
        if await cluster.try_lock(key):
            # Held meanwhile, so that nobody else sweeps the same.
            try:
                for name in names:
                    await cluster.drop(name)
            finally:
                await cluster.unlock(key)


async def drop_of_run(cluster: Cluster, run_id: str, worker: str) -> None:
    """Drop what one process of a run has left."""
    begin = cluster.names.of_run(run_id, worker, "")
    for name in await cluster.databases():
        if name.startswith(f"{begin}_"):
            await cluster.drop(name)


def _key(run: str) -> int:
    return key_of(f"run {run}")
