"""libpq's connection parameters, as asyncpg takes them.

libpq's list is the PostgreSQL 18 manual's "Parameter Key Words". Each is translated, or reported in
a note when leaving it out only costs comfort, or refused when leaving it out would make the connection
weaker, or another one, than was asked for. An unknown name is refused: a misspelt ``sslmode`` must not go
unseen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from headway.url.conninfo import HOW_TO_ENCODE, UnreadableError
from headway.url.keepalive import PARAMETERS, keepalive_of
from headway.url.tls import MANDATORY, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping

_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "channel_binding": ("disable", "prefer", "require"),
    "gsslib": ("gssapi", "sspi"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
TLS = (
    "sslmode",
    "sslrootcert",
    "sslcrl",
    "sslcert",
    "sslkey",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
_SAME_NAME = ("passfile", "krbsrvname", "gsslib", "target_session_attrs")
_TRANSLATED = (
    "sslpassword",
    "sslnegotiation",
    "channel_binding",
    "connect_timeout",
    "options",
    "application_name",
    "fallback_application_name",
)
_PLACE = ("host", "hostaddr", "port", "dbname", "user", "password")

_NO = frozenset({"", "0", "false", "off", "no"})
_YES = frozenset({"1", "true", "on", "yes"})

# Name: (values that ask for nothing asyncpg does not do anyway, what happens instead).
NOTED = {
    "client_encoding": (
        frozenset({"utf8", "utf-8", "auto"}),
        "asyncpg always speaks UTF-8, and PostgreSQL converts",
    ),
    "sslcompression": (_NO, "asyncpg never compresses TLS"),
    "sslsni": (_YES, "asyncpg always sends the server's name when TLS begins"),
    "sslkeylogfile": (_NO, "asyncpg writes no TLS key log"),
    "load_balance_hosts": (frozenset({"disable"}), "asyncpg tries the hosts in the order given"),
    "gssdelegation": (_NO, "asyncpg does not delegate GSS credentials"),
    "gssencmode": (frozenset({"disable", "prefer"}), ""),
    "max_protocol_version": (frozenset({"3.0"}), "asyncpg speaks protocol version 3.0"),
}
REFUSED = {
    "require_auth": (
        frozenset[str](),
        "asyncpg cannot be held to one method; sslmode=verify-full keeps other servers from asking",
    ),
    "requirepeer": (frozenset[str](), "asyncpg cannot check which user runs the server behind a socket"),
    "sslcrldir": (frozenset[str](), "asyncpg reads no folder of revocation lists; name one file with sslcrl"),
    "sslcertmode": (frozenset({"allow"}), "asyncpg cannot be told when to send a client certificate"),
    "gssencmode": (
        frozenset({"disable", "prefer"}),
        "asyncpg has no GSS encryption; use TLS (sslmode=verify-full)",
    ),
    "min_protocol_version": (frozenset({"3.0"}), "asyncpg speaks protocol version 3.0 only"),
    "replication": (_NO, "migrations cannot run on a replication connection"),
    "service": (frozenset[str](), "a service file is not read; write its parameters into the URL"),
    "scram_client_key": (frozenset[str](), "asyncpg takes a password, not SCRAM keys"),
    "scram_server_key": (frozenset[str](), "asyncpg takes a password, not SCRAM keys"),
    "oauth_issuer": (frozenset[str](), "asyncpg has no OAuth"),
    "oauth_client_id": (frozenset[str](), "asyncpg has no OAuth"),
    "oauth_client_secret": (frozenset[str](), "asyncpg has no OAuth"),
    "oauth_scope": (frozenset[str](), "asyncpg has no OAuth"),
    # Prisma's word, in URLs that Supabase, Vercel and `prisma init` print.
    "schema": (frozenset({"public"}), "this is Prisma's; write options=-c%20search_path%3DNAME"),
}
# Words for other clients, in URLs as consoles print them; none asks anything of headway.
OTHER_CLIENTS = frozenset(
    {
        "pgbouncer",  # Supabase, Prisma: a transaction-mode pooler (see DatabaseURL.is_pooler)
        "supa",  # Supabase on Vercel: where the URL came from
        "uselibpqcompat",  # node-postgres: read sslmode as libpq does
        "connection_limit",  # Prisma: size of its pool
        "pool_timeout",  # Prisma
        "statement_cache_size",  # asyncpg: always 0 here
        "prepared_statement_cache_size",  # SQLAlchemy: always 0 here
    }
)
KNOWN = frozenset({*_PLACE, *TLS, *_SAME_NAME, *_TRANSLATED, *PARAMETERS, *NOTED, *REFUSED, *OTHER_CLIENTS})
NOT_LIBPQ = frozenset({*OTHER_CLIENTS, "schema"})


class Translation(NamedTuple):
    """What asyncpg is to be told, TLS still in libpq's words (see :mod:`headway.url.tls`)."""

    arguments: dict[str, Any]
    server_settings: dict[str, str]
    tls: dict[str, str]
    notes: list[str]


def normalised(parameters: Mapping[str, str], *, doubtful: bool) -> dict[str, str]:
    """The parameters under libpq's names, empty ones left out.

    ``ssl=true`` is JDBC's word, which libpq takes too; ``ssl=MODE`` is asyncpg's.

    Raises:
        UnreadableError: a name is unknown; it is shown unless ``doubtful``.
    """
    result = {}
    for name, value in parameters.items():
        known = "sslmode" if name == "ssl" else name
        if known not in KNOWN:
            raise _unknown(name, doubtful=doubtful)
        if name == "ssl" and value.lower() in {"true", "1"}:
            result[known] = "require"
        elif value:
            result[known] = value
    return result


def translate(parameters: Mapping[str, str], *, sockets: bool, host_count: int) -> Translation:
    """Turn libpq's parameters into asyncpg's.

    Args:
        parameters: as :func:`normalised` gives them.
        sockets: whether any host is a Unix socket (there is no TLS on those).
        host_count: how many hosts are tried; libpq's ``connect_timeout`` is for each of them.

    Raises:
        UnreadableError: a value is wrong, or the parameter cannot be honoured.
    """
    for name, choices in CHOICES.items():
        if name in parameters and parameters[name] not in choices:
            raise UnreadableError(f"{name} must be one of {', '.join(choices)}")
    arguments: dict[str, Any] = {name: parameters[name] for name in _SAME_NAME if name in parameters}
    if "connect_timeout" in parameters:
        arguments["timeout"] = _timeout(parameters["connect_timeout"], host_count)
    tls = {name: parameters[name] for name in TLS if name in parameters}
    notes = [*_refuse_and_note(parameters), *_strengthen(parameters, tls, sockets=sockets)]
    keepalive_of(parameters)  # raises what is wrong with them
    if parameters.get("sslnegotiation") == "direct":
        if tls.get("sslmode") not in MANDATORY:
            raise UnreadableError("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full")
        arguments["direct_tls"] = True
    return Translation(arguments, _server_settings(parameters), tls, notes)


def _unknown(name: str, *, doubtful: bool) -> UnreadableError:
    if doubtful:
        return UnreadableError(
            "a parameter after ? is unknown; its name is not shown because it may be a piece of the "
            f"password: {HOW_TO_ENCODE}"
        )
    import difflib

    close = difflib.get_close_matches(name, sorted(KNOWN), n=1)
    if close:
        return UnreadableError(f"the parameter {name!r} is unknown; did you mean {close[0]!r}?")
    return UnreadableError(
        f"the parameter {name!r} is unknown; a server setting is written options=-c%20{name}%3DVALUE"
    )


def _timeout(text: str, host_count: int) -> float | None:
    """Seconds; ``None`` waits without end, which libpq says with zero or a negative number."""
    if not re.fullmatch(r"\s*-?\d{1,9}\s*", text, re.ASCII):
        raise UnreadableError("connect_timeout must be a whole number of seconds")
    seconds = int(text)
    return float(seconds * max(host_count, 1)) if seconds > 0 else None


def _refuse_and_note(parameters: Mapping[str, str]) -> list[str]:
    for name, (harmless, reason) in REFUSED.items():
        if name in parameters and parameters[name].lower() not in harmless:
            raise UnreadableError(f"{name} cannot be honoured: {reason}")
    return [
        f"{name} is not honoured: {reason}"
        for name, (harmless, reason) in NOTED.items()
        if name in parameters and parameters[name].lower() not in harmless
    ]


def _strengthen(parameters: Mapping[str, str], tls: dict[str, str], *, sockets: bool) -> list[str]:
    """Make TLS as strong as was asked for by words asyncpg does not know; ``tls`` is changed in place."""
    notes = []
    mode = tls.get("sslmode")
    if parameters.get("channel_binding") == "require":
        # Binding SCRAM to the channel keeps out a server in the middle. asyncpg cannot, but checking the
        # server's certificate and name keeps it out as well.
        if mode == "disable" or sockets:
            raise UnreadableError("channel_binding=require needs TLS, and this URL has none")
        mode = tls["sslmode"] = "verify-full"
        authority = tls.setdefault("sslrootcert", SYSTEM)
        notes.append(
            "channel_binding=require is replaced: asyncpg cannot bind the password to the TLS channel, so "
            f"the server's certificate is verified instead (sslmode=verify-full, sslrootcert={authority})"
        )
    if tls.get("sslrootcert") == SYSTEM:
        # As libpq does: anybody can have a certificate of a public authority, so the name must be checked.
        mode = tls.setdefault("sslmode", "verify-full")
        if mode != "verify-full":
            raise UnreadableError("sslrootcert=system needs sslmode=verify-full")
    unused = [name for name in ("sslrootcert", "sslcrl") if name in tls and mode not in MANDATORY]
    if unused:
        notes.append(f"{' and '.join(unused)} verifies nothing without sslmode=verify-full")
    return notes


def _server_settings(parameters: Mapping[str, str]) -> dict[str, str]:
    name = parameters.get("application_name") or parameters.get("fallback_application_name") or "headway"
    return {"application_name": name, **parse_options(parameters.get("options", ""))}


def parse_options(text: str) -> dict[str, str]:
    r"""Server settings out of libpq's ``options``, a command line for the server process.

    ``-c name=value``, ``-cname=value`` and ``--name=value`` become settings. Everything else, such as
    Neon's ``endpoint=…``, stays together as the start-up parameter ``options``. Words are parted by
    spaces unless a backslash comes before them (PostgreSQL manual, ``options``).
    """
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", text)]
    settings: dict[str, str] = {}
    others = []
    remaining = iter(words)
    for word in remaining:
        flag = f"-c{next(remaining, '')}" if word == "-c" else word
        match = re.fullmatch(r"(?:-c|--)([A-Za-z_][\w.-]*)=(.*)", flag, re.DOTALL)
        if match:
            settings[match[1].replace("-", "_")] = match[2]
        else:
            others.append(re.sub(r"([\s\\])", r"\\\1", flag))
    return settings | ({"options": " ".join(others)} if others else {})


def encode(parameters: Mapping[str, str]) -> str:
    """The parameters as a URL's query, without those that libpq does not know."""
    return "&".join(
        f"{name}={quote(value, safe='')}" for name, value in parameters.items() if name not in NOT_LIBPQ
    )
