"""The files of a bundle, and the manifest that lists them with their checksums."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from headway.bundle.markdown import markdown
from headway.bundle.page import page
from headway.bundle.report import report_of
from headway.bundle.script import script_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headway.bundle.content import BundleStep, Content
    from headway.bundle.report import Drawn
    from headway.results import LintReport

MANIFEST = "manifest.json"
FORMAT = 1
"""Raised when a key is renamed, removed or changes its meaning."""

_UNFIT = re.compile(r"[^A-Za-z0-9_.-]")


def files_of(content: Content, lint: LintReport, drawn: Drawn) -> dict[str, str]:
    """Every file of the bundle by name, the manifest last.

    Args:
        content: the bundle.
        lint: what is known of its steps.
        drawn: the catalogue on both sides of it.
    """
    files = {
        "upgrade.sql": script_of(content, content.upgrade, "upgrade.sql"),
        "rollback.sql": script_of(content, content.rollback, "rollback.sql"),
    }
    for step in (*content.upgrade, *content.rollback):
        name = file_of(step, len(content.upgrade))
        files[name] = script_of(content, (step,), name)
    files = dict(sorted(files.items()))
    report = report_of(content, lint, drawn, {name: checksum(text) for name, text in files.items()})
    files |= {"review.md": markdown(report), "review.html": page(report)}
    return {**files, MANIFEST: _manifest(content, files)}


def file_of(step: BundleStep, total: int) -> str:
    """The name of one step's script: ``001_2fab56042d27.upgrade.sql``."""
    kind = "upgrade" if step.direction.value == "upgrade" else "rollback"
    width = max(3, len(str(total)))
    return f"{step.number:0{width}}_{_UNFIT.sub('_', step.revision)}.{kind}.sql"


def checksum(text: str) -> str:
    """SHA-256 of a file of the bundle, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def _manifest(content: Content, files: Mapping[str, str]) -> str:
    back = {step.revision: step for step in content.rollback}
    total = len(content.upgrade)
    document: dict[str, Any] = {
        "bundle_format": FORMAT,
        "headway": content.setting.versions["headway"],
        "alembic": content.setting.versions["alembic"],
        "from": content.base,
        "to": content.goal,
        "revisions": [
            {
                "number": step.number,
                "revision": step.revision,
                "description": step.description,
                "file": step.path.as_posix(),
                "checksum": step.checksum,
                "transactional": step.transactional,
                "upgrade": file_of(step, total),
                "manual_upgrade": step.unseen,
                "rollback": file_of(back[step.revision], total),
                "manual_rollback": back[step.revision].unseen,
            }
            for step in content.upgrade
        ],
        "sha256": {name: checksum(text) for name, text in sorted(files.items())},
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"
