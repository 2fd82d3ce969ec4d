"""TLS parameters of a database URL, as asyncpg takes them.

asyncpg reads libpq's TLS parameters from the query of a DSN, with libpq's meaning and its default files
(``~/.postgresql``, ``PGSSL…``), so they are handed over that way. What it does not know is
``sslrootcert=system`` (PostgreSQL manual, "SSL Client Usage"); that becomes an ``SSLContext``.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from headway.url.conninfo import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = ("sslrootcert", "sslcrl", "sslcert", "sslkey")
SYSTEM = "system"
VERIFYING = ("verify-ca", "verify-full")
MANDATORY = ("require", *VERIFYING)


def connect_arguments(parameters: Mapping[str, str], password: str | None) -> dict[str, Any]:
    """Keyword arguments for ``asyncpg.connect``; empty when the URL says nothing about TLS.

    Args:
        parameters: libpq's TLS parameters, ``sslpassword`` left out.
        password: the passphrase of the client's key (``sslpassword``).

    Raises:
        UnreadableError: a file is missing, unreadable, or not what it should be.
    """
    if not parameters:
        return {}
    if parameters.get("sslmode") == "disable":
        return {"ssl": "disable"}
    given = {name: value for name, value in parameters.items() if (name, value) != ("sslrootcert", SYSTEM)}
    if len(given) < len(parameters):
        return {"ssl": _loaded(ssl.create_default_context(), given, password)}
    # What cannot be loaded here could not be loaded by asyncpg, which would not name the parameter.
    _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), given, password)
    secret = {"sslpassword": password} if password else {}
    return {"dsn": "postgresql://?" + urlencode({**given, **secret}, quote_via=quote, safe="")}


def _loaded(context: ssl.SSLContext, parameters: Mapping[str, str], password: str | None) -> ssl.SSLContext:
    """The context with every file loaded that is named, on top of the authorities it trusts already."""
    for name in FILES:
        if name in parameters:
            _readable(name, Path(parameters[name]))
    for name in ("sslrootcert", "sslcrl"):
        if name in parameters:
            _loadable(context, name, parameters[name])
    if "sslcrl" in parameters:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if "sslcert" in parameters:
        _load_client_certificate(context, parameters, password)
    context.minimum_version = _version(parameters.get("ssl_min_protocol_version", "TLSv1.2"))
    if "ssl_max_protocol_version" in parameters:
        context.maximum_version = _version(parameters["ssl_max_protocol_version"])
    context.set_alpn_protocols(["postgresql"])
    return context


def _readable(name: str, path: Path) -> None:
    problem = None
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        problem = error.strerror
    if problem:
        raise UnreadableError(
            f"{name}: cannot read {str(path)!r} ({problem}; relative paths begin at {Path.cwd()})"
        )


def _loadable(context: ssl.SSLContext, name: str, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        loaded = False
    else:
        loaded = True
    if not loaded:
        raise UnreadableError(f"{name}: {path!r} is not a PEM file of certificates")


def _load_client_certificate(
    context: ssl.SSLContext, parameters: Mapping[str, str], password: str | None
) -> None:
    key = parameters.get("sslkey")
    default_key = Path("~/.postgresql/postgresql.key")
    if key is None and default_key.expanduser().exists():
        key = str(default_key.expanduser())
    try:
        # A callable, because OpenSSL would ask a missing passphrase on the terminal.
        context.load_cert_chain(parameters["sslcert"], keyfile=key, password=lambda: password or "")
    except (ssl.SSLError, ValueError):  # ValueError: the passphrase is longer than OpenSSL takes
        loaded = False
    else:
        loaded = True
    if not loaded:
        raise UnreadableError(
            "sslcert, sslkey: the certificate and its private key cannot be loaded: "
            "they must be PEM files that belong together, and an encrypted key needs sslpassword"
        )


def _version(text: str) -> ssl.TLSVersion:
    return ssl.TLSVersion[text.replace(".", "_")]
