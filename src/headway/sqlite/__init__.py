"""SQLite, for development: everything that is done otherwise where the database is a file.

A file has no server to ask, no roles, no search path and one writer at a time. What headway promises holds
by SQLite's own means: one migrator at a time (``latch``), each revision in a transaction with its version
and its ledger row (``attempt``), a failure or a killed process leaves the file as it was before the revision.
"""

from headway.sqlite.attempt import FileAttempt
from headway.sqlite.book import FileLedger
from headway.sqlite.driver import begin_explicitly, roll_back
from headway.sqlite.files import create_engine, fetch_record, fetch_versions, is_in_memory, require_usable
from headway.sqlite.latch import FileLatch
from headway.sqlite.survey import FileFacts, checks_of, count_rows, survey

DIALECT = "sqlite"
"""What SQLAlchemy calls it."""

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
