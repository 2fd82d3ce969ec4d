"""TLS parameters: what is verified, and what is said when a file is wrong."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from asyncpg import connect_utils as stubbed

from headway.errors import ConfigurationError
from headway.url import DatabaseURL

connect_utils: Any = stubbed  # the stubs leave out its private parser

# Made for these tests with openssl: a self-signed certificate of "localhost", its key, and the key
# encrypted with the passphrase "key-secret". They guard nothing.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBlDCCATugAwIBAgIUG1PLBR1PHJUqNt+6fjsIqbtQWK4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAwMzY0MFoYDzIxMjYxMDI4
MDAzNjQwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQIAGdgHTvV5bpY7OYWosPIvhseSbeI4GIWOtsJ0ImgNNZF52MJL7F2
VtLAVAsshw9e1WLasFDEBQsshJx1Zcw+o2kwZzAdBgNVHQ4EFgQUL3MJWWpQdAPQ
YtjcQBwajZJSCa0wHwYDVR0jBBgwFoAUL3MJWWpQdAPQYtjcQBwajZJSCa0wDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
RwAwRAIgJ6ctv0MMGeGnOBAOZus3wc0lnxpUzfF5P9JH4Okik8kCIGbL9Hej5o05
VWmK7uk0z11231/1D8bzHQ11XDUZzkPC
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMwSo6XokWvJMvptwc/31Gz30R3Zcc0vPYIhsYdmXJxuoAoGCCqGSM49
AwEHoUQDQgAECABnYB071eW6WOzmFqLDyL4bHkm3iOBiFjrbCdCJoDTWRedjCS+x
dlbSwFQLLIcPXtVi2rBQxAULLIScdWXMPg==
-----END EC PRIVATE KEY-----
"""
ENCRYPTED_KEY = """\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,08272ADDCB57ED9F32ED21F77014C972

AsJ0FQ530dobVDu4h0swVJZtpGhKbkURuZumjVkrrrLV33wVWvO2BJveB4GsOn9x
yOmYFF8k0mbb/DXbQMz1KG156aDhSSTvkYMe/EcnUYv3cFc49+jSCI1PR/4sEjh4
FeE4FVD4TGhV8ZxqwKsGDb9T4ti5YMYfV/weytrKjy4=
-----END EC PRIVATE KEY-----
"""


@pytest.fixture
def pem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the three files, and a home without any."""
    for name, text in {"cert": CERTIFICATE, "key": KEY, "encrypted": ENCRYPTED_KEY, "junk": "junk"}.items():
        (tmp_path / f"{name}.pem").write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def arguments(query: str) -> dict[str, Any]:
    return DatabaseURL.parse(f"postgresql://ada:secret@db/shop?{query}").connect_arguments()


def as_asyncpg_reads(query: str) -> Any:
    """The parameters asyncpg makes of it; ``ssl`` is the context it would use, or False."""
    given = arguments(query)
    names = "dsn host port user password passfile database ssl service servicefile direct_tls server_settings"
    names += " target_session_attrs krbsrvname gsslib"
    _, parameters = connect_utils._parse_connect_dsn_and_args(
        **{name: given.get(name) for name in names.split()}
    )
    return parameters


@pytest.mark.parametrize(
    ("query", "mode", "verify", "names"),
    [
        ("sslmode=prefer", "prefer", ssl.CERT_NONE, False),
        ("", "prefer", ssl.CERT_NONE, False),
        ("sslmode=require", "require", ssl.CERT_NONE, False),
        ("ssl=true", "require", ssl.CERT_NONE, False),
        ("ssl=require", "require", ssl.CERT_NONE, False),
        # libpq: require with a root certificate verifies like verify-ca
        ("sslmode=require&sslrootcert={pem}/cert.pem", "require", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-ca&sslrootcert={pem}/cert.pem", "verify_ca", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-full&sslrootcert={pem}/cert.pem", "verify_full", ssl.CERT_REQUIRED, True),
        # asyncpg calls every context of a caller "require"; the context itself does the verifying
        ("sslmode=verify-full&sslrootcert=system", "require", ssl.CERT_REQUIRED, True),
        ("sslrootcert=system", "require", ssl.CERT_REQUIRED, True),
        ("channel_binding=require", "require", ssl.CERT_REQUIRED, True),
        ("channel_binding=require&sslrootcert={pem}/cert.pem", "verify_full", ssl.CERT_REQUIRED, True),
    ],
)
def test_asyncpg_verifies_what_libpq_would(
    pem: Path, query: str, mode: str, verify: ssl.VerifyMode, *, names: bool
) -> None:
    parameters = as_asyncpg_reads(query.format(pem=pem))

    assert parameters.sslmode.name == mode
    assert (parameters.ssl.verify_mode, parameters.ssl.check_hostname) == (verify, names)


def test_disable_disables_and_looks_at_no_file() -> None:
    assert as_asyncpg_reads("sslmode=disable&sslrootcert=/none").ssl is False


@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcrl", "sslcert", "sslkey"])
def test_a_missing_file_is_named_with_its_parameter(parameter: str, pem: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"DATABASE_URL: {parameter}: cannot read .*none\.pem.*No such file"
    ):
        arguments(f"sslmode=verify-full&{parameter}={pem}/none.pem")


@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcrl"])
def test_a_file_of_another_kind_is_named_with_its_parameter(parameter: str, pem: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{parameter}: .*is not a PEM file"):
        arguments(f"sslmode=verify-full&{parameter}={pem}/junk.pem")


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full&sslrootcert=system"])
def test_a_client_certificate_is_loaded_with_its_encrypted_key(mode: str, pem: Path) -> None:
    files = f"sslcert={pem}/cert.pem&sslkey={pem}/encrypted.pem"

    assert isinstance(as_asyncpg_reads(f"sslmode={mode}&{files}&sslpassword=key-secret").ssl, ssl.SSLContext)
    with pytest.raises(ConfigurationError, match="an encrypted key needs sslpassword") as caught:
        arguments(f"sslmode={mode}&{files}&sslpassword=wr0ng-secret")
    assert "wr0ng" not in str(caught.value)


def test_a_key_without_passphrase_needs_none(pem: Path) -> None:
    assert arguments(f"sslmode=require&sslcert={pem}/cert.pem&sslkey={pem}/key.pem")


def test_the_keys_passphrase_is_shown_nowhere_and_redacted_everywhere(pem: Path) -> None:
    url = DatabaseURL.parse(f"postgresql://ada@db/shop?sslcert={pem}/cert.pem&sslpassword=key-secret")

    assert "key-secret" not in f"{url!r}{url}{url.parameters}{url.notes}"
    assert url.render().endswith("sslpassword=key-secret")
    assert url.redact("opening the key with key%2Dsecret") == "opening the key with ***"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_public_authorities_are_not_trusted_without_the_name(mode: str) -> None:
    with pytest.raises(ConfigurationError, match="sslrootcert=system needs sslmode=verify-full"):
        arguments(f"sslmode={mode}&sslrootcert=system")


@pytest.mark.parametrize("raw", ["postgresql://db/x?sslmode=disable", "postgresql:///x?host=/run"])
def test_channel_binding_without_tls_is_refused(raw: str) -> None:
    with pytest.raises(ConfigurationError, match="channel_binding=require needs TLS"):
        DatabaseURL.parse(f"{raw}&channel_binding=require")


def test_a_root_certificate_that_verifies_nothing_is_said_aloud(pem: Path) -> None:
    (note,) = DatabaseURL.parse(f"postgresql://db/shop?sslrootcert={pem}/cert.pem").notes

    assert note == "DATABASE_URL: sslrootcert verifies nothing without sslmode=verify-full"


def test_protocol_versions_and_direct_tls_are_handed_on(pem: Path) -> None:
    query = "sslmode=require&sslnegotiation=direct&ssl_min_protocol_version=TLSv1.3"
    parameters = as_asyncpg_reads(query)

    assert parameters.ssl.minimum_version is ssl.TLSVersion.TLSv1_3
    assert parameters.ssl_negotiation.value == "direct"
    with pytest.raises(ConfigurationError, match="sslnegotiation=direct needs"):
        arguments("sslnegotiation=direct")
