"""SQLite, for development: everything that is done otherwise where the database is a file.

A file has no server to ask, no roles, no search path and one writer at a time. What headway promises holds
by SQLite's own means: one migrator at a time (``latch``), each revision in a transaction with its version
and its ledger row (``attempt``), a failure or a killed process leaves the file as it was before the revision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use

if TYPE_CHECKING:
    from headway.sqlite.attempt import FileAttempt
    from headway.sqlite.book import FileLedger
    from headway.sqlite.driver import begin_explicitly, roll_back
    from headway.sqlite.files import create_engine, fetch_record, fetch_versions, require_usable
    from headway.sqlite.latch import FileLatch
    from headway.sqlite.naming import DIALECT, is_in_memory
    from headway.sqlite.surveying import FileFacts, checks_of, count_rows, survey

_HOMES = {
    "headway.sqlite.attempt": ("FileAttempt",),
    "headway.sqlite.book": ("FileLedger",),
    "headway.sqlite.driver": ("begin_explicitly", "roll_back"),
    "headway.sqlite.files": (
        "create_engine",
        "fetch_record",
        "fetch_versions",
        "require_usable",
    ),
    "headway.sqlite.latch": ("FileLatch",),
    "headway.sqlite.naming": ("DIALECT", "is_in_memory"),
    "headway.sqlite.surveying": ("FileFacts", "checks_of", "count_rows", "survey"),
}
__getattr__, __dir__ = on_first_use(__name__, _HOMES)

__all__ = [
    "DIALECT",
    "FileAttempt",
    "FileFacts",
    "FileLatch",
    "FileLedger",
    "begin_explicitly",
    "checks_of",
    "count_rows",
    "create_engine",
    "fetch_record",
    "fetch_versions",
    "is_in_memory",
    "require_usable",
    "roll_back",
    "survey",
]
