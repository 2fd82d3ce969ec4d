"""What docs/deploy.md says of uvicorn when a lifespan raises; should uvicorn change, the page must."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = """
from contextlib import asynccontextmanager

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app):
    raise RuntimeError("not at head")
    yield


app = FastAPI(lifespan=lifespan)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "code"), [(1, 3), (2, 0)])
def test_uvicorn_ends_by_itself_with_the_exit_code_that_the_guide_states(
    tmp_path: Path, workers: int, code: int
) -> None:
    (tmp_path / "refusing.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "uvicorn", "refusing:app", "--port", "0", "--workers", str(workers)]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert "RuntimeError: not at head" in outcome.stderr
    assert outcome.returncode == code
