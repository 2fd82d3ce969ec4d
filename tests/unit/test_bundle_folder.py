"""A bundle's files: the same bytes for the same input, never written over what is not a bundle."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import headway
from headway import Migrator
from headway.bundle import read_manifest, verify_files
from headway.errors import ConfigurationError, RefusedError, ResolutionError, StepFailedError

if TYPE_CHECKING:
    from conftest import ProjectFolder

URL = "postgresql://nobody@localhost:1/nowhere"


def bundle(
    project: ProjectFolder, folder: Path, span: str = "head", *, force: bool = False
) -> dict[str, bytes]:
    asyncio.run(Migrator(project.ini, url=URL).bundle(folder, span, scratch=None, force=force))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_input_gives_the_same_bytes_wherever_and_whenever_it_is_run(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.tables("first", "second")
    project.revision("other", "r1", upgrade="op.execute('SELECT 1')")
    path = project.revision("r4", ["r2", "other"], upgrade="op.execute('CREATE TABLE third ()')")
    path.write_text(path.read_text() + "\ntransactional = False\n", encoding="utf-8")
    here = bundle(project, tmp_path / "here")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        [sys.executable, "-m", "headway", "-c", project.ini, "sql", "--bundle", "bundle", "--no-scratch"],
        cwd=elsewhere,
        env={
            **os.environ,
            "DATABASE_URL": URL,
            "PYTHONHASHSEED": "7",
            "PYTHONPATH": str(Path(headway.__file__).parents[1]),
        },
        check=True,
        capture_output=True,
    )
    assert here == {path.name: path.read_bytes() for path in (elsewhere / "bundle").iterdir()}
    assert str(tmp_path).encode() not in b"".join(here.values())


def test_the_manifest_lists_every_file_and_revision_with_its_checksum(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.tables("first", "second")
    files = bundle(project, tmp_path / "bundle", "r1:r2")
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["sha256"] == {name: sha256(text).hexdigest() for name, text in files.items()}
    assert (manifest["from"], manifest["to"]) == (["r1"], ["r2"])
    (revision,) = manifest["revisions"]
    assert revision["upgrade"] == "001_r2.upgrade.sql"
    assert revision["checksum"].startswith("2:")


def test_a_folder_of_other_files_is_refused_unless_forced(project: ProjectFolder, tmp_path: Path) -> None:
    project.tables("first")
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "todo.txt").write_text("keep")
    with pytest.raises(RefusedError, match=r"not of a bundle: todo\.txt"):
        bundle(project, folder)
    assert bundle(project, folder, force=True)["todo.txt"] == b"keep"


def test_an_earlier_bundle_gives_way_unless_somebody_changed_it(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.tables("first", "second")
    bundle(project, tmp_path / "bundle")
    assert "002_r2.upgrade.sql" not in bundle(project, tmp_path / "bundle", "r1")
    script = tmp_path / "bundle" / "upgrade.sql"
    script.write_text(script.read_text() + "-- and so on\n")
    assert verify_files(tmp_path / "bundle") == ("upgrade.sql was changed since the bundle was made",)
    with pytest.raises(RefusedError, match=r"upgrade\.sql was changed"):
        bundle(project, tmp_path / "bundle")
    script.unlink()
    assert verify_files(tmp_path / "bundle") == ("upgrade.sql is missing",)


def test_a_manifest_cannot_have_files_elsewhere_removed(project: ProjectFolder, tmp_path: Path) -> None:
    project.tables("first")
    outside = tmp_path / "outside.txt"
    outside.write_text("keep")
    folder = tmp_path / "bundle"
    folder.mkdir()
    listed = {"../outside.txt": sha256(b"keep").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"bundle_format": 1, "sha256": listed}))
    bundle(project, folder)
    assert outside.read_text() == "keep"


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="not the manifest of a bundle"):
        read_manifest(tmp_path)


def test_an_empty_range_makes_no_bundle(project: ProjectFolder, tmp_path: Path) -> None:
    project.tables("first")
    with pytest.raises(ResolutionError, match="no revision to apply"):
        bundle(project, tmp_path / "bundle", "r1:r1")


def test_a_file_that_cannot_be_loaded_makes_no_bundle(project: ProjectFolder, tmp_path: Path) -> None:
    project.tables("first")
    project.revision("r2", "r1").write_text("revision = 'r2'\ndown_revision = 'r1'\nimport nowhere\n")
    with pytest.raises(StepFailedError, match="nowhere"):
        bundle(project, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_what_cannot_be_undone_is_said_in_the_rollback(project: ProjectFolder, tmp_path: Path) -> None:
    project.revision("r1", downgrade="raise NotImplementedError('rows are gone')")
    files = bundle(project, tmp_path / "bundle")
    assert (
        b"it has no downgrade that could be run (NotImplementedError: rows are gone)" in files["rollback.sql"]
    )


@pytest.mark.parametrize(
    "sql", [r"SELECT 1 \\! touch /tmp/owned", "COPY first FROM STDIN", "SELECT 'never closed"]
)
def test_what_psql_would_take_for_its_own_is_left_to_headway(
    project: ProjectFolder, tmp_path: Path, sql: str
) -> None:
    project.revision("r1", upgrade=f'op.execute("""{sql}""")')
    script = bundle(project, tmp_path / "bundle")["upgrade.sql"].decode()
    assert "is a manual step" in script
    assert all(line.startswith("--") for line in script.splitlines() if "touch /tmp" in line)


def test_a_description_cannot_leave_its_comment_or_its_string(project: ProjectFolder, tmp_path: Path) -> None:
    project.revision("r1", doc=r"it's\n\\! touch /tmp/owned; \\q :HOST $headway$")
    script = bundle(project, tmp_path / "bundle")["upgrade.sql"].decode()
    for line in script.splitlines():
        if "touch" in line:
            assert line.startswith(("--", "\\echo '", "EXECUTE headway_open('", "        ("))
