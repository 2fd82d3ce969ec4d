"""The text of a database URL, taken apart.

The grammar is libpq's (PostgreSQL manual, "Connection URIs"), where ``#`` means nothing and ``+`` is a
plus. It is stretched in two places where people err and only one reading is possible: reserved characters
left raw in a password, and what a console prints around the URL (quotes, ``psql '…'``).

No message made here holds any part of the text except parameter names.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

DEFAULT_PORT = 5432
SECRET_PARAMETERS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
HOW_TO_ENCODE = (
    "percent-encode the reserved characters of the password "
    "(/ is %2F, @ is %40, : is %3A, ? is %3F, % is %25)"
)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*):(//)?")
_CONSOLE = re.compile(r"""(?:psql\s+)?(["']?)(.*)\1""", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s\[\]:@/?\\]*)(?::(\d*))?")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=.*", re.DOTALL)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_OTHER_DATABASES = {
    "sqlite": "an SQLite URL begins with sqlite+aiosqlite:/// (and a fourth slash before an absolute path)",
    "jdbc": "this is a JDBC URL; leave out the leading jdbc: and put the user in front of the host",
}


class UnreadableError(Exception):
    """The text is no database URL that can be honoured; the message says why, without its secrets."""


class Conninfo(NamedTuple):
    """The parts of a URL, decoded. Everything absent is ``None`` or empty.

    ``parameters`` are those after ``?`` that do not say where, who or which database. ``doubtful`` tells
    that a parameter's *name* may be a piece of a badly encoded password, and must not be shown.
    """

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None
    database: str | None
    parameters: dict[str, str]
    doubtful: bool


class _Reading(NamedTuple):
    """One way to cut the text: still encoded."""

    userinfo: str
    hostspec: str
    path: str
    query: str

    @property
    def well_formed(self) -> bool:
        pieces = self.hostspec.split(",")
        hosts = all(_HOST.fullmatch(piece) for piece in pieces) and (len(pieces) == 1 or all(pieces))
        return hosts and all(_FIELD.fullmatch(field) for field in _fields(self.query))


def split(raw: str) -> Conninfo:
    """Take a URL apart.

    Args:
        raw: the URL, as a person or a provider's console wrote it.

    Raises:
        UnreadableError: it is not a PostgreSQL URL, or has more than one reading.
    """
    reading = _divide(_without_scheme(_unwrap(raw)))
    fields = [(_name, _decode(value)) for _name, value in _named(reading.query)]
    named = dict(fields)
    user, _, password = reading.userinfo.partition(":")
    if password.upper() == "[YOUR-PASSWORD]":
        raise UnreadableError("it still holds the placeholder [YOUR-PASSWORD]; put the real password there")
    return Conninfo(
        hosts=_hosts(reading.hostspec, [value for name, value in fields if name == "host" and value], named),
        user=named.pop("user", "") or _decode(user) or None,
        password=named.pop("password", "") or _decode(password) or None,
        database=named.pop("dbname", "") or named.pop("database", "") or _decode(reading.path) or None,
        parameters={name: value for name, value in named.items() if name not in _PLACE},
        doubtful="@" in reading.query or not SECRET_PARAMETERS.isdisjoint(dict(fields)),
    )


_PLACE = frozenset({"host", "hostaddr", "port", "dbname", "database"})


def _unwrap(raw: str) -> str:
    match = _CONSOLE.fullmatch(raw.strip())
    text = match[2].strip() if match else raw
    if any(character in text for character in "\n\r\0"):
        raise UnreadableError("it holds a line break or a NUL character")
    if not text:
        raise UnreadableError("it is empty")
    return text


def _without_scheme(text: str) -> str:
    match = _SCHEME.match(text)
    if match is None:
        raise UnreadableError("it is not a URL: it must begin with postgresql://")
    dialect = match[1].lower().partition("+")[0]
    if dialect in _OTHER_DATABASES:
        raise UnreadableError(_OTHER_DATABASES[dialect])
    if match[2] is None:
        raise UnreadableError("it is not a URL: it must begin with postgresql://")
    if dialect not in {"postgres", "postgresql"}:
        raise UnreadableError(f"headway drives PostgreSQL, and {dialect}:// names something else")
    return text[match.end() :]


def _divide(rest: str) -> _Reading:
    standard, alternatives = (
        _standard(rest),
        [reading for reading in _alternatives(rest) if reading.well_formed],
    )
    if standard.well_formed and not ("@" in standard.path and alternatives):
        return standard
    if standard.well_formed or len(alternatives) > 1:
        raise UnreadableError(f"it can be read in more than one way: {HOW_TO_ENCODE}")
    if alternatives:
        return alternatives[0]
    if not _Reading("", standard.hostspec, "", "").well_formed:
        raise UnreadableError(
            "its host and port cannot be read (host:port, [IPv6]:port, several parted by commas); "
            f"or {HOW_TO_ENCODE}"
        )
    raise UnreadableError(f"what follows ? is not name=value pairs joined by &; {HOW_TO_ENCODE}")


def _standard(rest: str) -> _Reading:
    """The authority ends at the first ``/`` or ``?``; the last ``@`` in it ends the user information.

    The last, because a host holds none and Azure prints ``user@server:password@host``.
    """
    end = re.search(r"[/?]|$", rest)
    position = end.start() if end else len(rest)
    userinfo, _, _ = rest[:position].rpartition("@")
    return _cut(rest, len(userinfo) if "@" in rest[:position] else -1)


def _alternatives(rest: str) -> list[_Reading]:
    """Readings in which a raw ``/`` or ``?`` belongs to the password: each later ``@`` might end it."""
    user = re.match(r"[^/?:]*:", rest)
    authority = re.match(r"[^/?]*", rest)
    if user is None or authority is None:
        return []
    cuts = [match.start() for match in re.finditer("@", rest) if match.start() >= authority.end()]
    readings = [_cut(rest, cut) for cut in cuts]
    return [reading for reading in readings if reading.hostspec and "@" not in reading.path]


def _cut(rest: str, at: int) -> _Reading:
    remainder, _, query = rest[at + 1 :].partition("?")
    hostspec, _, path = remainder.partition("/")
    return _Reading(rest[: max(at, 0)], hostspec, path, query)


def _fields(query: str) -> list[str]:
    return [field for field in query.split("&") if field]


def _named(query: str) -> list[tuple[str, str]]:
    pairs = (field.partition("=") for field in _fields(query))
    return [(name, value) for name, _, value in pairs]


def _decode(text: str) -> str:
    """Undo percent-encoding; a lone ``%`` is literal as long as nothing in the same part is encoded."""
    escapes = len(_ESCAPE.findall(text))
    if not escapes:
        return text
    if escapes != text.count("%"):
        raise UnreadableError(f"a % is not encoded while other characters are: {HOW_TO_ENCODE}")
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise UnreadableError("its percent-encoding does not give UTF-8 text without NUL characters")
    return decoded


def _hosts(hostspec: str, elsewhere: list[str], named: dict[str, str]) -> tuple[tuple[str, int], ...]:
    """Where the servers are. ``host=`` and ``port=`` override what stands before the path, as in libpq."""
    if named.get("hostaddr"):
        if hostspec or elsewhere:
            raise UnreadableError(
                "hostaddr: asyncpg cannot connect to one address under another name; give only one of the two"
            )
        elsewhere = [named["hostaddr"]]
    if elsewhere:
        hosts = [_listed(piece) for value in elsewhere for piece in value.split(",")]
    else:
        hosts = [_written(piece) for piece in hostspec.split(",") if piece]
    ports = [_port(piece) for piece in named.get("port", "").split(",")] if named.get("port") else []
    return _matched(hosts, ports)


def _matched(hosts: list[tuple[str, int | None]], ports: list[int | None]) -> tuple[tuple[str, int], ...]:
    if not hosts and not ports:
        return ()
    if any(not host for host, _ in hosts) or not hosts:
        raise UnreadableError(
            "it names a port without a host; write the host, or host=/directory of the socket"
        )
    if any(host.startswith("@") for host, _ in hosts):
        raise UnreadableError(
            "asyncpg cannot connect to a socket in the abstract namespace (host beginning with @)"
        )
    if ports and any(port for _, port in hosts):
        raise UnreadableError("the port is given twice, with the host and as a port of its own; give it once")
    if len(ports) == 1:
        ports *= len(hosts)
    if ports and len(ports) != len(hosts):
        raise UnreadableError(
            f"it names {len(hosts)} hosts and {len(ports)} ports; name one port, or one for each host"
        )
    return tuple(
        (host, (ports[index] if ports else own) or DEFAULT_PORT) for index, (host, own) in enumerate(hosts)
    )


def _written(piece: str) -> tuple[str, int | None]:
    match = _HOST.fullmatch(piece)
    if match is None:  # pragma: no cover  # _Reading.well_formed has matched every piece
        raise UnreadableError("its host and port cannot be read")
    return _decode(match[1]).strip("[]"), _port(match[2] or "")


def _listed(piece: str) -> tuple[str, int | None]:
    """A host as ``host=`` has it: a socket's directory may hold colons, and IPv6 needs no brackets."""
    if piece.startswith(("/", "@")) or (piece.count(":") > 1 and not piece.startswith("[")):
        return piece, None
    match = _HOST.fullmatch(piece)
    if match is None:
        raise UnreadableError("host: it is neither a host name, an address nor the directory of a socket")
    return match[1].strip("[]"), _port(match[2] or "")


def _port(text: str) -> int | None:
    if not text:
        return None
    # The value is not shown: what stands where a port should may be a piece of a password.
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:  # noqa: PLR2004  # TCP's largest port
        raise UnreadableError("its port is not a number from 1 to 65535")
    return int(text)
