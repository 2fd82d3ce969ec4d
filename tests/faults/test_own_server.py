"""Faults that need a server of our own: a full disk, a real autovacuum, a standby (in the whole form)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import command
import looks
import probed_chain
import pytest
from extent import boundaries
from invariants import Evidence, violations
from laboratory import UP, Fault, Laboratory, application, equipped, later_runs, quiet, strike, watching
from records import Record
from wire import Moment

import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laboratory import Struck

_EVERY = 6
_DISK = "32m"
"""A database has eight megabytes before anything is in it."""


@pytest.fixture(scope="module")
def own(
    laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[servers.Postgres, Laboratory]]:
    with servers.postgres(settings={"autovacuum_naptime": "1"}) as server:
        folder = tmp_path_factory.mktemp("own") / "project"
        with equipped(server.url, folder, laboratory.records) as it:
            yield server, it


# -- a full disk -------------------------------------------------------------------------------------------


@pytest.fixture
def disk(own: tuple[servers.Postgres, Laboratory]) -> Iterator[Path]:
    """A small disk of its own with the tablespace ``small`` on it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a small disk")
    place = Path(tempfile.mkdtemp(prefix="headway-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", place], check=True)
    try:
        space = place / "space"
        space.mkdir()
        servers._hand_over(place)
        servers._hand_over(space)
        with watching(own[0].url) as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{space}'".encode())
            yield place
            admin.execute("CHECKPOINT")  # files of databases that were dropped are removed then
            admin.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", place], check=True)
        shutil.rmtree(place)


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_disk_that_is_full_from_a_boundary_on(
    own: tuple[servers.Postgres, Laboratory], disk: Path, way: str
) -> None:
    ballast = disk / "ballast"

    def fill(_: Struck) -> bool:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        return True

    laboratory = dataclasses.replace(own[1], tablespace="small")
    fault = Fault("disk full", fill, frozenset({1}), mend=lambda: ballast.unlink(missing_ok=True))
    numbers = boundaries(len(laboratory.boundaries[way]), seed=7, every=_EVERY)
    done = [strike(laboratory, fault, way, Moment.BEFORE, number) for number in numbers]
    if way == "up":  # undoing it frees more than it takes
        assert 1 in {record.code for record in done}, "it was never in the way"
    assert [record for record in done if record.violations] == []


# -- an autovacuum -----------------------------------------------------------------------------------------

_SLOW_VACUUM = """
    INSERT INTO bystander SELECT number, repeat('x', 500) FROM generate_series(51, 20000) AS number;
    DELETE FROM bystander WHERE id > 50;
    ALTER TABLE bystander SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
        autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)
"""
_AT_WORK = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'autovacuum: VACUUM%bystander%'
"""


def test_an_autovacuum_that_is_at_work_gives_way(own: tuple[servers.Postgres, Laboratory]) -> None:
    """It gives way only to who waits longer than ``deadlock_timeout``, a second: one attempt in some does."""
    laboratory = own[1]
    with laboratory.database("up") as url, watching(url) as admin:
        evidence = Evidence(
            "up",
            probed_chain.HEAD,
            laboratory.truth,
            looks.look(admin),
            codes=frozenset(),
            secrets=laboratory.secrets,
        )
        for statement in _SLOW_VACUUM.split(";"):
            admin.execute(statement.encode())
        servers.wait_until(lambda: admin.execute(_AT_WORK).fetchone() is not None, "it vacuums")
        with application(url) as app:
            evidence.runs.append(command.run(laboratory.folder, url, *UP))
        evidence.latencies, evidence.app_errors = app.latencies, app.errors
        evidence.leaked += quiet(admin)
        evidence.after = looks.look(admin)
        later_runs(laboratory, evidence, url, admin)
    wrong = violations(evidence)
    record = Record(
        "an autovacuum in the way", "", "up", "DDL of a revision", 0, evidence.runs[0].code, wrong
    )
    laboratory.records.add(record)
    assert wrong == {}


# -- a standby ---------------------------------------------------------------------------------------------


def test_a_standby_is_refused(laboratory: Laboratory) -> None:
    with servers.postgres() as primary:
        with watching(primary.url) as admin:
            for statement in probed_chain.BEFORE:
                admin.execute(statement.encode())
        with servers.hot_standby(primary) as standby, watching(standby.url) as seeing:
            before = looks.look(seeing)
            evidence = Evidence("up", probed_chain.HEAD, laboratory.truth, before, codes=frozenset({3}))
            evidence.runs.append(command.run(laboratory.folder, standby.url, *UP))
            evidence.leaked += quiet(seeing)
            evidence.after = looks.look(seeing)
        with watching(primary.url) as admin:
            later_runs(laboratory, evidence, primary.url, admin)
    wrong = violations(evidence)
    laboratory.records.add(Record("server: a standby", "", "up", None, 0, evidence.runs[0].code, wrong))
    assert wrong == {}
    assert evidence.runs[0].code == 3
