"""The rules of lint: what each is called, how bad it is, and why it is one."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from headway.results import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that lint looks for.

    Attributes:
        slug: what it is called in comments, configuration and reports; never changed.
        title: the same in a few words.
        severity: how bad it is where the configuration says nothing.
        why: what PostgreSQL does, or what breaks, in a sentence or two.
    """

    slug: str
    title: str
    severity: Severity
    why: str

    @property
    def page(self) -> str:
        """Its page, from the root of the documentation."""
        return f"docs/rules/{self.slug}.md"


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

_LOCKS_AND_TIME = (
    Rule(
        "table-rewrite",
        "the table is written anew",
        _ERROR,
        "Every row is copied under ACCESS EXCLUSIVE: nobody reads or writes the table until it is done.",
    ),
    Rule(
        "type-change-rewrite",
        "a column's new type rewrites the table",
        _ERROR,
        "Unless the old values can stay as they are stored, the table is copied and its indexes are built "
        "anew under ACCESS EXCLUSIVE.",
    ),
    Rule(
        "volatile-default-rewrite",
        "a volatile default rewrites the table",
        _ERROR,
        "A default that differs from row to row (random(), gen_random_uuid(), nextval()) is computed for "
        "every row under ACCESS EXCLUSIVE; a constant or now() is kept once, in the catalogue.",
    ),
    Rule(
        "stored-generated-column",
        "a stored generated column rewrites the table",
        _ERROR,
        "GENERATED … STORED is computed for every row under ACCESS EXCLUSIVE.",
    ),
    Rule(
        "identity-column-rewrite",
        "a new identity column rewrites the table",
        _ERROR,
        "Every row is given its number under ACCESS EXCLUSIVE.",
    ),
    Rule(
        "table-scan-under-lock",
        "a table is read through while it is locked",
        _ERROR,
        "What waits for the lock waits for as long as the reading takes.",
    ),
    Rule(
        "not-null-scan",
        "SET NOT NULL reads the table",
        _ERROR,
        "Every row is looked at under ACCESS EXCLUSIVE, unless a valid CHECK (column IS NOT NULL) proves "
        "what is asked (PostgreSQL 12).",
    ),
    Rule(
        "check-constraint-scan",
        "a new CHECK reads the table",
        _ERROR,
        "Without NOT VALID every row is checked under ACCESS EXCLUSIVE, also where the CHECK comes with a "
        "new column.",
    ),
    Rule(
        "foreign-key-scan",
        "a new foreign key reads the table",
        _ERROR,
        "Without NOT VALID every row is looked up while both tables refuse writes (SHARE ROW EXCLUSIVE).",
    ),
    Rule(
        "domain-constraint-scan",
        "a domain's constraint reads the tables that use it",
        _ERROR,
        "A new constraint of a domain is checked against every column of that type while those tables refuse "
        "writes; a new column of a constrained domain is checked or written row by row under ACCESS "
        "EXCLUSIVE.",
    ),
    Rule(
        "index-not-concurrent",
        "CREATE INDEX without CONCURRENTLY",
        _ERROR,
        "The table refuses writes (SHARE) for as long as the index is built.",
    ),
    Rule(
        "drop-index-not-concurrent",
        "DROP INDEX without CONCURRENTLY",
        _ERROR,
        "It needs ACCESS EXCLUSIVE on the table, and everybody queues behind it while it waits.",
    ),
    Rule(
        "reindex-not-concurrent",
        "REINDEX without CONCURRENTLY",
        _ERROR,
        "The table refuses writes, and queries that would use the index wait, until it is built anew.",
    ),
    Rule(
        "unique-constraint-builds-index",
        "a UNIQUE constraint builds its index",
        _ERROR,
        "The index is built under ACCESS EXCLUSIVE; USING INDEX takes one that was built concurrently.",
    ),
    Rule(
        "primary-key-builds-index",
        "a PRIMARY KEY builds its index",
        _ERROR,
        "The index is built under ACCESS EXCLUSIVE; USING INDEX takes one that was built concurrently.",
    ),
    Rule(
        "primary-key-nullable-index",
        "PRIMARY KEY USING INDEX on a column that may be null",
        _ERROR,
        "It makes the columns NOT NULL, and so reads every row under ACCESS EXCLUSIVE.",
    ),
    Rule(
        "exclusion-constraint",
        "an EXCLUDE constraint builds its index",
        _ERROR,
        "It is built under ACCESS EXCLUSIVE, and PostgreSQL has no other way.",
    ),
    Rule(
        "attach-partition-scan",
        "ATTACH PARTITION reads the table",
        _ERROR,
        "Unless a valid CHECK proves that every row belongs there, they are all checked under ACCESS "
        "EXCLUSIVE; a default partition's rows as well.",
    ),
    Rule(
        "partition-of-lock",
        "CREATE TABLE … PARTITION OF locks the parent",
        _ERROR,
        "It needs ACCESS EXCLUSIVE on the partitioned table; ATTACH PARTITION makes do with SHARE UPDATE "
        "EXCLUSIVE.",
    ),
    Rule(
        "detach-partition-not-concurrent",
        "DETACH PARTITION without CONCURRENTLY",
        _ERROR,
        "It needs ACCESS EXCLUSIVE on the partitioned table (CONCURRENTLY: PostgreSQL 14).",
    ),
    Rule(
        "drop-locks-referenced-table",
        "dropping a foreign key locks the table it refers to",
        _ERROR,
        "Its triggers go from both tables, so the referenced one is under ACCESS EXCLUSIVE too.",
    ),
    Rule(
        "validate-in-same-transaction",
        "NOT VALID and VALIDATE in one transaction",
        _ERROR,
        "The lock of the first is held while the second reads the table, which NOT VALID was to avoid.",
    ),
    Rule(
        "several-hazards-in-one-transaction",
        "a lock is held while something else runs",
        _ERROR,
        "A lock is kept until the transaction ends: what comes after it prolongs it, and two transactions "
        "that lock several tables can deadlock.",
    ),
    Rule(
        "table-locked-explicitly",
        "LOCK TABLE",
        _WARNING,
        "The lock is kept until the end of the transaction, whatever else is in it.",
    ),
    Rule(
        "vacuum-full-or-cluster",
        "VACUUM FULL or CLUSTER",
        _ERROR,
        "The table is copied under ACCESS EXCLUSIVE.",
    ),
    Rule(
        "refresh-not-concurrent",
        "REFRESH MATERIALIZED VIEW without CONCURRENTLY",
        _ERROR,
        "Nobody reads the view (ACCESS EXCLUSIVE) while its query runs.",
    ),
    Rule(
        "lock-timeout-disabled",
        "a time limit is taken away",
        _ERROR,
        "Without lock_timeout a statement waits for its lock for ever, and everybody queues behind it.",
    ),
)

_CONCURRENTLY = (
    Rule(
        "concurrently-in-transaction",
        "CONCURRENTLY inside a transaction",
        _ERROR,
        "PostgreSQL refuses it (25001).",
    ),
    Rule(
        "concurrently-if-not-exists",
        "CONCURRENTLY with IF NOT EXISTS",
        _WARNING,
        "An INVALID index that a failed build left behind counts as existing, and is silently accepted.",
    ),
    Rule(
        "autocommit-mixed",
        "autocommit_block beside other work",
        _ERROR,
        "The block commits what came before it, so that a failure leaves half a revision applied.",
    ),
)

_OLD_CODE = (
    Rule(
        "drop-column",
        "a column is dropped",
        _ERROR,
        "Code that is still running reads and writes it; and its values are gone.",
    ),
    Rule(
        "drop-table",
        "a table is dropped",
        _ERROR,
        "Code that is still running reads and writes it; and its rows are gone.",
    ),
    Rule(
        "rename-column",
        "a column is renamed",
        _ERROR,
        "Code that is still running knows its old name only.",
    ),
    Rule(
        "rename-table",
        "a table is renamed or moved",
        _ERROR,
        "Code that is still running knows its old name only.",
    ),
    Rule(
        "required-column",
        "a column becomes required",
        _ERROR,
        "Code that is still running inserts rows without it; and a new one without a default cannot be added "
        "to a table that holds rows.",
    ),
    Rule(
        "type-change-incompatible",
        "a column changes to another kind of type",
        _ERROR,
        "Code that is still running sends and expects values of the old type.",
    ),
    Rule(
        "enum-value-renamed",
        "a label of an enum is renamed",
        _ERROR,
        "Code that is still running sends and expects the old label.",
    ),
    Rule(
        "drop-view",
        "a view is dropped",
        _ERROR,
        "Code that is still running reads it.",
    ),
)

_DATA = (
    Rule(
        "data-dependent",
        "rows may stand in the way",
        _WARNING,
        "Whether it succeeds depends on the rows of the database that it meets.",
    ),
    Rule(
        "unbatched-data-change",
        "rows are changed all at once",
        _ERROR,
        "Every changed row stays locked until the transaction ends, and as many dead rows are left.",
    ),
    Rule(
        "truncate-table",
        "TRUNCATE",
        _ERROR,
        "All rows are gone, and nobody reads or writes meanwhile (ACCESS EXCLUSIVE).",
    ),
)

_WAY_BACK = (
    Rule(
        "downgrade-missing",
        "there is no way back",
        _ERROR,
        "An empty downgrade leaves the change in place and says that it is gone; a revision that cannot be "
        "undone says so by raising.",
    ),
    Rule(
        "downgrade-untrue",
        "the downgrade undoes something else",
        _ERROR,
        "After a downgrade the database is not what it was.",
    ),
    Rule(
        "data-change-irreversible",
        "changed rows do not come back",
        _WARNING,
        "No downgrade knows what the rows were before.",
    ),
)

_TEXT = (
    Rule(
        "several-statements-in-one-string",
        "several statements in one string",
        _WARNING,
        "asyncpg prepares what it sends, and PostgreSQL prepares one statement at a time (42601): headway "
        "cuts the string, and whatever else runs the revision fails at it.",
    ),
    Rule(
        "name-too-long",
        "a name is longer than 63 bytes",
        _ERROR,
        "PostgreSQL cuts it off without an error, and may meet another object of that name.",
    ),
    Rule(
        "enum-value-used-at-once",
        "a new enum label is used at once",
        _ERROR,
        "PostgreSQL lets nothing use a label in the transaction that added it (55P04).",
    ),
)

_SILENCE = (
    Rule(
        "silence-without-reason",
        "a rule is silenced without a reason",
        _WARNING,
        "The next reader cannot tell why; the comment silences nothing until it says so.",
    ),
    Rule(
        "silence-unused",
        "a comment silences nothing",
        _WARNING,
        "What it allowed is not found there, so it can go.",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.slug: rule
        for family in (_LOCKS_AND_TIME, _CONCURRENTLY, _OLD_CODE, _DATA, _WAY_BACK, _TEXT, _SILENCE)
        for rule in family
    }
)
"""All rules by slug, in the order of their pages."""
