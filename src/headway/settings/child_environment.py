"""The environment of a program that is to find a database as PostgreSQL's own programs do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.url import DatabaseURL

# PostgreSQL manual, section 34.15. What leads to a database is never inherited: PGSERVICE would even win.
_PLACE = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE")
_PARAMETERS = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "require_auth": "PGREQUIREAUTH",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "sslcert": "PGSSLCERT",
    "sslcrl": "PGSSLCRL",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def libpq_variables(url: DatabaseURL) -> dict[str, str]:
    """The environment for ``pg_dump`` and its kin to find a database at a URL; **the password is in it**.

    Args:
        url: where. What it leaves open is left to libpq, as it is for us.

    Returns:
        This process's environment, with ``PGHOST``, ``PGPORT``, ``PGUSER``, ``PGPASSWORD``, ``PGDATABASE``
        and what the URL says of TLS and sessions in place of what was inherited.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _PLACE}
    given = dict(url.parameters)
    place = {
        "PGHOST": ",".join(host for host, _ in url.hosts),
        "PGPORT": ",".join(str(port) for _, port in url.hosts),
        "PGUSER": url.user,
        "PGDATABASE": url.database or url.user,
        "PGPASSWORD": url.password.get_secret_value() if url.password else None,
        **{variable: given.get(name) for name, variable in _PARAMETERS.items()},
    }
    return inherited | {name: value for name, value in place.items() if value}
