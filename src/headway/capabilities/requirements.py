"""What a migration needs of a server, and the way out where it is missing.

Each requirement is a pure question to :class:`~headway.results.Capabilities`, so that the refusal before a
run and ``headway doctor`` say the same.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from headway.commit import is_connection_lost
from headway.diagnosis import A_SERVER_WITH_IT, read_error
from headway.errors import CapabilityError, ConnectionFailedError
from headway.results import Check, Pooling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.exc import DBAPIError

    from headway.results import Capabilities

MINIMUM_MAJOR = 14
"""The first with ``client_connection_check_interval`` (release notes of PostgreSQL 14), without which a
killed migrator's statement runs on and keeps its locks. Older ones are past their end of life in any case
(https://www.postgresql.org/support/versioning/)."""

_POOLINGS = {
    Pooling.NONE: "connected to the server process itself",
    Pooling.SESSION: "through a pooler or proxy that keeps one server process for a connection",
    Pooling.TRANSACTION: "a pooler in transaction mode stands in between: two migrators could hold the "
    "lock at once, and what one connection SETs reaches others",
    Pooling.UNKNOWN: "a pooler stands in between, and it could not be proved that it keeps one server "
    "process for a connection: the migrator lock could be lost or shared",
}
_AROUND_A_POOLER = (
    "Set MIGRATION_DATABASE_URL to the PostgreSQL server itself (its own host and port, not the pooler's); "
    "DATABASE_URL stays the application's. Or give migrations a pool in session mode (PgBouncer: "
    "pool_mode=session for this database, with its default server_reset_query). headway's statement caches "
    "are off already; an application on asyncpg needs connect_args={'statement_cache_size': 0, "
    "'prepared_statement_cache_size': 0} behind a pooler in transaction mode."
)
# PostgreSQL manual, appendix A: the connection is gone (asyncpg has 08003 for 57P01 too), somebody cancelled
# the question, or the server goes down, or is starting.
_CUT_SHORT = frozenset({"08003", "08006", "57014", "57P01", "57P02", "57P03"})
_UNSET_READ_ONLY = {
    "user": "ALTER ROLE {user} RESET default_transaction_read_only;",
    "database": "ALTER DATABASE {database} RESET default_transaction_read_only;",
    "database user": "ALTER ROLE {user} IN DATABASE {database} RESET default_transaction_read_only;",
    "configuration file": "ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf(); "
    "or take it out of postgresql.conf. A provider sets it when the disk is full: look there first.",
    "client": "Take default_transaction_read_only out of the URL's options (or PGOPTIONS).",
}
"""By the setting's source, as ``pg_settings.source`` names it."""


def require_migratable(
    capabilities: Capabilities,
    *,
    needs_create: bool = True,
    wanted: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Return when the server can be migrated safely.

    Args:
        capabilities: what was probed.
        needs_create: whether tables of headway's own may still have to be created; ``False`` lets a user
            pass who may create none.
        wanted: extensions that the run will create, each with the revisions that do
            (:func:`headway.capabilities.wanted_extensions`).

    Raises:
        CapabilityError: the first thing that is missing, with the way out.
    """
    for check in checks_of(capabilities, needs_create=needs_create, wanted=wanted):
        if not check.passed:
            raise CapabilityError(
                check.name,
                f"cannot migrate {capabilities.database}: {check.finding}. Nothing was changed.",
                hint=check.way_out,
            )


def first_transaction_refused(
    error: DBAPIError, database: str, redact: Callable[[str], str]
) -> CapabilityError | ConnectionFailedError:
    """Build the error for a connection that was accepted and then failed at its very first transaction.

    A pooler in statement mode ends the connection at BEGIN (08P01); one in transaction mode may give the two
    halves of a driver's first question to two processes. A server that goes down, or whose administrator ends
    the session, says nothing about poolers.

    Args:
        error: what SQLAlchemy raised while it opened the connection.
        database: what to call the database, masked.
        redact: takes secrets out of the server's words.
    """
    report = read_error(error)
    problem = redact(report.message)
    if _was_cut_short(error):
        return ConnectionFailedError(
            f"{database} let the connection in, and its first transaction was cut short: {problem}. "
            "Nothing was changed.",
            sqlstate=report.sqlstate,
            hint="Run the command again. If it stays so, look into the server's log: it may be restarting, "
            "or something between here and there may end connections.",
        )
    return CapabilityError(
        "session",
        f"{database} let the connection in, and failed its first transaction: {problem}. "
        "Nothing was changed.",
        hint=f"This is what a pooler does that does not keep sessions. {_AROUND_A_POOLER}",
    )


def _was_cut_short(error: DBAPIError) -> bool:
    """Whether no more is known than that it ended too soon.

    asyncpg has the server's reason as a cause. Of an end that came before its question was under way it
    knows none: its own error then has no SQLSTATE.
    """
    states: set[str] = set()
    link: BaseException | None = error.orig
    while link is not None:
        states.update(filter(None, [getattr(link, "sqlstate", None)]))
        link = link.__cause__
    return states <= _CUT_SHORT if states else is_connection_lost(error)


def checks_of(
    capabilities: Capabilities,
    *,
    needs_create: bool = True,
    wanted: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[Check, ...]:
    """Every requirement, met or not, the most fundamental first; ``name`` is ``CapabilityError``'s."""
    return (
        _version(capabilities),
        _primary(capabilities),
        _session(capabilities),
        _writable(capabilities),
        _create(capabilities, needs_create=needs_create),
        *_extensions(capabilities, wanted),
    )


def _version(capabilities: Capabilities) -> Check:
    finding = f"PostgreSQL {capabilities.server_version}"
    if capabilities.server_version_num >= MINIMUM_MAJOR * 10_000:
        return Check("version", passed=True, finding=finding)
    return Check(
        "version",
        passed=False,
        finding=f"{finding} is older than {MINIMUM_MAJOR}, the oldest that headway works with",
        way_out=f"Upgrade the server to PostgreSQL {MINIMUM_MAJOR} or newer.",
    )


def _primary(capabilities: Capabilities) -> Check:
    if not capabilities.standby:
        return Check("primary", passed=True, finding="the server is a primary")
    return Check(
        "primary",
        passed=False,
        finding="the server is a standby, in recovery; it takes no writes",
        way_out="Set MIGRATION_DATABASE_URL (or DATABASE_URL) to the primary. With several hosts in the URL, "
        "target_session_attrs=read-write finds it.",
    )


def _session(capabilities: Capabilities) -> Check:
    passed = capabilities.pooling in {Pooling.NONE, Pooling.SESSION}
    way_out = None if passed else _AROUND_A_POOLER
    return Check("session", passed=passed, finding=_POOLINGS[capabilities.pooling], way_out=way_out)


def _writable(capabilities: Capabilities) -> Check:
    # A standby is read-only whatever its settings; that is said where it belongs.
    if capabilities.standby or not capabilities.read_only:
        return Check("writable", passed=True, finding="transactions may write, as far as settings say")
    source = capabilities.read_only_source
    remedy = _UNSET_READ_ONLY.get(source, "Set default_transaction_read_only to off for this connection.")
    return Check(
        "writable",
        passed=False,
        finding=f"transactions are read-only (default_transaction_read_only is on, set for: {source})",
        way_out=remedy.format(user=quoted(capabilities.user), database=quoted(capabilities.database)),
    )


def _create(capabilities: Capabilities, *, needs_create: bool) -> Check:
    user, schema = quoted(capabilities.user), quoted(capabilities.schema or "")
    finding: str | None
    if capabilities.schema is None:
        finding = "the search path leads to no schema that exists, so there is no place for the version table"
        way_out = (
            f"CREATE SCHEMA {user} AUTHORIZATION {user};, or name a schema: env.run(version_table_schema=…)."
        )
    elif not capabilities.schema_exists:
        finding = f"the version table's schema {schema} does not exist"
        way_out = f"Create it first: CREATE SCHEMA {schema} AUTHORIZATION {user};"
    elif capabilities.can_write_versions is False:
        finding = f"user {user} may not read and write the version table in schema {schema}"
        way_out = _as_owner(
            capabilities, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user};"
        )
    elif not capabilities.can_create and (needs_create or capabilities.can_write_versions is None):
        finding = f"user {user} may not create tables in schema {schema}, where the version table goes"
        way_out = _as_owner(capabilities, f"GRANT CREATE ON SCHEMA {schema} TO {user};")
    else:
        return Check("create", passed=True, finding=f"user {user} has what it needs in schema {schema}")
    return Check("create", passed=False, finding=finding, way_out=way_out)


def _extensions(capabilities: Capabilities, wanted: Mapping[str, Sequence[str]]) -> Iterator[Check]:
    """Whether the server carries them.

    Whether the user may create them cannot be told beforehand: where ``pg_available_extension_versions`` says
    that it takes a superuser, providers let others do it by rules of their own.
    """
    # pg_tle provides extensions that the server's folders, and so the catalogue, do not hold.
    beyond_the_catalogue = "pg_tle" in {*capabilities.extensions_installed, *wanted}
    for name, revisions in wanted.items():
        title, makers = f"extension {name}", ", ".join(revisions)
        if name in capabilities.extensions_installed:
            yield Check(title, passed=True, finding="installed")
        elif name in capabilities.extensions_available:
            yield Check(title, passed=True, finding="available")
        elif beyond_the_catalogue:
            yield Check(title, passed=True, finding="left to pg_tle")
        else:
            yield Check(
                title,
                passed=False,
                finding=f"{makers} creates the extension {name}, and this server does not carry it",
                way_out=f"Install the package that brings {name} on the server, or {A_SERVER_WITH_IT}.",
            )


def _as_owner(capabilities: Capabilities, statement: str) -> str:
    owner = quoted(capabilities.schema_owner or "")
    return f"As {owner}, who owns the schema, or as a superuser: {statement}"


def quoted(identifier: str) -> str:
    """An identifier as SQL takes it, whatever is in it."""
    return '"' + identifier.replace('"', '""') + '"'
