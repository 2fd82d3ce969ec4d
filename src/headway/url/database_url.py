"""A PostgreSQL connection URL: read as people and providers write it, handed on as asyncpg takes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headway.errors import ConfigurationError
from headway.url import libpq, tls
from headway.url.conninfo import DEFAULT_PORT, UnreadableError, split
from headway.url.keepalive import Keepalive, keepalive_of
from headway.url.secret import Secret

if TYPE_CHECKING:
    from pydantic import SecretStr

EXAMPLE = "postgresql://user:password@host:5432/database"
MASK = "***"
_NEON = (".neon.tech", ".vercel-storage.com")  # the second: Vercel Postgres, which is Neon
_LONGEST_NAME = 63
"""In bytes. The server cuts off what is longer (manual, section 4.1.1), and finds another database."""
_SUPABASE_TRANSACTION_PORT = 6543  # Supabase, "Connect to your database": 5432 is its session mode


@dataclass(frozen=True, repr=False)
class DatabaseURL:
    """Where a database is and how to connect. Its ``str`` and ``repr`` never show a secret.

    Attributes:
        hosts: host (or the directory of a Unix socket, which begins with ``/``) and port, in the order
            they are tried; empty when the URL names none, and the driver's defaults hold.
        user: role; ``None`` when absent, and the driver's default holds.
        password: ``None`` when absent; the driver then looks into its password file.
        database: database; ``None`` when absent, and the user's name holds, as in libpq.
        parameters: libpq's parameters as written, without secrets.
        key_password: passphrase of the client's TLS key (``sslpassword``).
        notes: what cannot be honoured as written, one sentence each, to be said aloud.
        variable: the setting the URL came from, which errors name.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    user: str | None = None
    password: Secret = Secret()  # noqa: RUF009  # a descriptor: each URL has its own
    database: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    key_password: Secret = Secret()  # noqa: RUF009
    notes: tuple[str, ...] = field(default=(), compare=False)
    variable: str = field(default="DATABASE_URL", compare=False)

    @classmethod
    def parse(cls, raw: str, *, variable: str = "DATABASE_URL") -> DatabaseURL:
        """Read a URL.

        Args:
            raw: the URL; ``postgres://``, ``postgresql://`` and ``postgresql+DRIVER://`` are the same.
            variable: the setting it came from, for the error.

        Raises:
            ConfigurationError: it cannot be read in one way only, or asks for something that cannot be
                honoured with at least equal strength.
        """
        try:
            return cls._read(raw, variable)
        except UnreadableError as error:
            problem = str(error)
        # Outside the handler, so that no chained traceback holds the text.
        raise ConfigurationError(variable, problem, example=EXAMPLE)

    @classmethod
    def of(
        cls,
        *,
        host: str,
        port: int,
        user: str | None,
        password: SecretStr | None,
        database: str,
        variable: str,
    ) -> DatabaseURL:
        """Put a URL together from separate settings.

        Raises:
            ConfigurationError: the host cannot be one.
        """
        secret = password.get_secret_value() if password else ""
        who = f"{_quote(user or '')}:{_quote(secret)}"
        return cls.parse(
            f"postgresql://{who}@/{_quote(database)}?host={_quote(host)}&port={port}", variable=variable
        )

    @classmethod
    def _read(cls, raw: str, variable: str) -> DatabaseURL:
        parts = split(raw)
        parameters = libpq.normalised(parts.parameters, doubtful=parts.doubtful)
        key_password = parameters.pop("sslpassword", None)
        translation = _translate(parts.hosts, parameters)
        return cls(
            hosts=parts.hosts,
            user=parts.user,
            password=parts.password or None,
            database=parts.database,
            parameters=tuple(parameters.items()),
            key_password=key_password or None,
            notes=tuple(f"{variable}: {note}" for note in translation.notes),
            variable=variable,
        )

    def connect_arguments(self) -> dict[str, Any]:
        """Everything ``asyncpg.connect`` needs, as keyword arguments; **the password too**.

        ``statement_cache_size`` is always 0: migrations change what a cached plan stands on, and a pooler
        in transaction mode hands the next statement to another server process. ``timeout`` is in seconds.

        Raises:
            ConfigurationError: a TLS file is missing or not what it should be, or the database's name is
                longer than PostgreSQL's names are.
        """
        self._require_whole_name()
        translation = _translate(self.hosts, dict(self.parameters))
        try:
            secure = tls.connect_arguments(translation.tls, _reveal(self, "key_password"))
        except UnreadableError as error:
            problem = str(error)
        else:
            place = {
                "host": [host for host, _ in self.hosts] or None,
                "port": [port for _, port in self.hosts] or None,
                "user": self.user,
                "password": _reveal(self, "password"),
                # As libpq. Said outright, or an inherited PGDATABASE could lead elsewhere than `name` says.
                "database": self.database or self.user,
            }
            return {
                **{name: value for name, value in place.items() if value is not None},
                **secure,
                **translation.arguments,
                "server_settings": translation.server_settings,
                "statement_cache_size": 0,
            }
        raise ConfigurationError(
            self.variable, problem, example=f"{EXAMPLE}?sslmode=verify-full&sslrootcert=system"
        )

    def _require_whole_name(self) -> None:
        length = len((self.database or "").encode())
        if length > _LONGEST_NAME:
            raise ConfigurationError(
                self.variable,
                f"the name of its database has {length} bytes, and PostgreSQL keeps {_LONGEST_NAME} of them: "
                "it would be another database's",
                example=EXAMPLE,
            )

    @property
    def name(self) -> str:
        """The database, for prompts; the user's name when the URL names no database, as in libpq."""
        return self.database or self.user or "the default database"

    @property
    def keepalive(self) -> Keepalive | None:
        """How its connections are kept alive; ``None`` when they are not to be."""
        return keepalive_of(dict(self.parameters))

    @property
    def masked(self) -> str:
        """The URL without its parameters and with ``***`` for the password, for people."""
        return self._render(MASK if _reveal(self, "password") else None, {})

    @property
    def is_pooler(self) -> bool:
        """Whether the URL is recognisably that of a pooler in transaction mode.

        Neon's pooled hosts are called ``…-pooler``; Supabase's transaction mode listens on port 6543, and
        its URLs (and Prisma's) say ``pgbouncer=true``. Other poolers show themselves only once connected.
        """
        return dict(self.parameters).get("pgbouncer", "").lower() in {"true", "1"} or any(
            (host.partition(".")[0].endswith("-pooler") and host.endswith(_NEON))
            or (host.endswith((".supabase.com", ".supabase.co")) and port == _SUPABASE_TRANSACTION_PORT)
            for host, port in self.hosts
        )

    def render(self) -> str:
        """The URL as libpq takes it, for psql and its kin; **secret, for it holds the password**."""
        key_password = _reveal(self, "key_password")
        secret = {"sslpassword": key_password} if key_password else {}
        return self._render(
            _quote(_reveal(self, "password") or "") or None, {**dict(self.parameters), **secret}
        )

    def redact(self, text: str) -> str:
        """Replace every occurrence of the password in ``text`` by ``***``.

        Found are the password as it is, percent-encoded in full or in part, with quotes, backslashes or
        percent signs doubled, and in the escapes of Python, JSON, HTML, SQL and the shell. The passphrase of
        the TLS key is treated alike. Without either, ``text`` comes back unchanged.
        """
        secrets = sorted(
            {_reveal(self, "password") or "", _reveal(self, "key_password") or ""} - {""},
            key=len,
            reverse=True,
        )
        if not secrets:
            return text
        return re.sub("|".join("".join(map(_any_form, secret)) for secret in secrets), MASK, text)

    def __repr__(self) -> str:
        return f"DatabaseURL({self.masked!r})"

    def __str__(self) -> str:
        return self.masked

    def _render(self, password: str | None, parameters: dict[str, str]) -> str:
        who = _quote(self.user or "") + (f":{password}" if password else "")
        if any(host.startswith("/") for host, _ in self.hosts):
            # In front of the path a directory would have to be encoded, and nobody could read it.
            where = ""
            query = ["host=" + ",".join(quote(host, safe="/:") for host, _ in self.hosts)]
            if any(port != DEFAULT_PORT for _, port in self.hosts):
                query.append("port=" + ",".join(str(port) for _, port in self.hosts))
        else:
            where = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.hosts)
            query = []
        query += [libpq.encode(parameters)] if parameters else []
        at = "@" if who else ""
        return f"postgresql://{who}{at}{where}/{_quote(self.database or '')}" + (
            "?" + "&".join(query) if any(query) else ""
        )


def _translate(hosts: tuple[tuple[str, int], ...], parameters: dict[str, str]) -> libpq.Translation:
    sockets = any(host.startswith("/") for host, _ in hosts)
    return libpq.translate(parameters, sockets=sockets, host_count=len(hosts))


def _quote(text: str) -> str:
    return quote(text, safe="")


def _bracketed(host: str) -> str:
    encoded = quote(host, safe=":")
    return f"[{encoded}]" if ":" in host else encoded


def _reveal(url: DatabaseURL, name: str) -> str | None:
    secret: Secret = vars(DatabaseURL)[name]
    return secret.text(url)


def _any_form(character: str) -> str:
    """A pattern for one character in every form that programs commonly give it."""
    import html  # its table of entities is long, and errors are rare

    percent = "".join(f"(?:%25|%%|%)(?i:{byte:02X})" for byte in character.encode("utf-8", "surrogatepass"))
    escapes = {
        character,
        "\\" + character,
        repr(character)[1:-1],
        ascii(character)[1:-1],
        json.dumps(character)[1:-1],
        html.escape(character),
    }
    if character in "'\"\\%":
        escapes.add(character * 2)
    if character == " ":
        escapes.add("+")
    if character == "'":
        escapes |= {"'\"'\"'", "'\\''"}
    longest_first = sorted(escapes, key=len, reverse=True)
    return f"(?:{'|'.join([percent, *map(re.escape, longest_first)])})"
