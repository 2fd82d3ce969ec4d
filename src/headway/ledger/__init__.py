"""The ledger: who did what to this database, when, and how it ended.

One row for each attempted step, in a table that headway makes itself and that nothing here ever deletes from
or changes a closed row of. Rows are chained: each closed row is sealed with a hash of all it says, and the
next one carries that hash, so whatever is edited or taken out afterwards is found by :meth:`Ledger.verify`.
The chain is the guard, not a trigger: whoever owns the table could switch a trigger off without a trace, and
not every role that may create a table may create a function.
"""

from headway.ledger.book import NOBODY_KNOWS, Ledger
from headway.ledger.entries import NewEntry, written_by
from headway.ledger.glimpse import Glimpse
from headway.ledger.names import LedgerNames, ledger_filter
from headway.ledger.schema import LAYOUTS
from headway.ledger.scripted import LedgerScript
from headway.results import JournalledStatement, LedgerEntry, Operation, Outcome

__all__ = [
    "LAYOUTS",
    "NOBODY_KNOWS",
    "Glimpse",
    "JournalledStatement",
    "Ledger",
    "LedgerEntry",
    "LedgerNames",
    "LedgerScript",
    "NewEntry",
    "Operation",
    "Outcome",
    "ledger_filter",
    "written_by",
]
