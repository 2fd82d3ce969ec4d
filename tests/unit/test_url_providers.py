"""URLs as the providers' consoles print them (names and keys changed)."""

import ssl
from dataclasses import dataclass

import pytest

from headway.errors import ConfigurationError
from headway.url import DatabaseURL


@dataclass(frozen=True)
class Printed:
    raw: str
    host: str
    user: str
    database: str
    port: int = 5432
    pooler: bool = False


PRINTED = {
    "heroku": Printed(
        "postgres://uq3kd0example:p0f5e1c7b9d3@ec2-54-12-34-56.compute-1.amazonaws.com:5432/d8r1example",
        "ec2-54-12-34-56.compute-1.amazonaws.com",
        "uq3kd0example",
        "d8r1example",
    ),
    "neon, direct": Printed(
        "postgresql://neondb_owner:npg_Ab3dEf6H@ep-cool-darkness-a1b2c3d4.us-east-2.aws.neon.tech/neondb"
        "?sslmode=require&channel_binding=require",
        "ep-cool-darkness-a1b2c3d4.us-east-2.aws.neon.tech",
        "neondb_owner",
        "neondb",
    ),
    "neon, pooled": Printed(
        "psql 'postgresql://neondb_owner:npg_Ab3dEf6H@ep-cool-darkness-a1b2c3d4-pooler.us-east-2.aws.neon.tech"
        "/neondb?sslmode=require&channel_binding=require'",
        "ep-cool-darkness-a1b2c3d4-pooler.us-east-2.aws.neon.tech",
        "neondb_owner",
        "neondb",
        pooler=True,
    ),
    "neon, endpoint in options": Printed(
        "postgresql://neondb_owner:npg_Ab3dEf6H@ep-cool-darkness-a1b2c3d4.us-east-2.aws.neon.tech/neondb"
        "?options=endpoint%3Dep-cool-darkness-a1b2c3d4&sslmode=require",
        "ep-cool-darkness-a1b2c3d4.us-east-2.aws.neon.tech",
        "neondb_owner",
        "neondb",
    ),
    "supabase, direct": Printed(
        "postgresql://postgres:s3cretPassword@db.abcdefghijklmnopqrst.supabase.co:5432/postgres",
        "db.abcdefghijklmnopqrst.supabase.co",
        "postgres",
        "postgres",
    ),
    "supabase, session pooler": Printed(
        "postgresql://postgres.abcdefghijklmnopqrst:s3cretPassword@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
        "aws-0-eu-central-1.pooler.supabase.com",
        "postgres.abcdefghijklmnopqrst",
        "postgres",
    ),
    "supabase, transaction pooler": Printed(
        "postgresql://postgres.abcdefghijklmnopqrst:s3cretPassword@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
        "?pgbouncer=true",
        "aws-0-eu-central-1.pooler.supabase.com",
        "postgres.abcdefghijklmnopqrst",
        "postgres",
        port=6543,
        pooler=True,
    ),
    "supabase on vercel": Printed(
        "postgres://postgres.abcdefghijklmnopqrst:s3cretPassword@aws-0-us-east-1.pooler.supabase.com:6543/postgres"
        "?sslmode=require&supa=base-pooler.x",
        "aws-0-us-east-1.pooler.supabase.com",
        "postgres.abcdefghijklmnopqrst",
        "postgres",
        port=6543,
        pooler=True,
    ),
    "vercel, POSTGRES_URL": Printed(
        "postgres://default:Ab3dEf6H@ep-calm-river-a1b2c3d4-pooler.us-east-1.postgres.vercel-storage.com:5432/verceldb"
        "?sslmode=require",
        "ep-calm-river-a1b2c3d4-pooler.us-east-1.postgres.vercel-storage.com",
        "default",
        "verceldb",
        pooler=True,
    ),
    "vercel, POSTGRES_PRISMA_URL": Printed(
        "postgres://default:Ab3dEf6H@ep-calm-river-a1b2c3d4-pooler.us-east-1.aws.neon.tech/verceldb"
        "?pgbouncer=true&connect_timeout=15&sslmode=require",
        "ep-calm-river-a1b2c3d4-pooler.us-east-1.aws.neon.tech",
        "default",
        "verceldb",
        pooler=True,
    ),
    "render": Printed(
        "postgresql://shop_user:Ab3dEf6Hij9Kl@dpg-c1a2b3example-a.frankfurt-postgres.render.com/shop_4x1z",
        "dpg-c1a2b3example-a.frankfurt-postgres.render.com",
        "shop_user",
        "shop_4x1z",
    ),
    "fly": Printed(
        "postgres://shop:Ab3dEf6Hij9Kl@shop-db.flycast:5432/shop?sslmode=disable",
        "shop-db.flycast",
        "shop",
        "shop",
    ),
    "azure, single server": Printed(
        "postgres://myadmin@myserver:Ab3dEf6H@myserver.postgres.database.azure.com:5432/shop?sslmode=require",
        "myserver.postgres.database.azure.com",
        "myadmin@myserver",
        "shop",
    ),
    "azure, encoded": Printed(
        "postgresql://myadmin%40myserver:Ab3dEf6H@myserver.postgres.database.azure.com/shop?sslmode=require",
        "myserver.postgres.database.azure.com",
        "myadmin@myserver",
        "shop",
    ),
}


@pytest.mark.parametrize("printed", PRINTED.values(), ids=PRINTED)
def test_the_url_is_taken_as_the_console_prints_it(printed: Printed) -> None:
    url = DatabaseURL.parse(printed.raw)

    assert url.hosts == ((printed.host, printed.port),)
    assert (url.user, url.database, url.is_pooler) == (printed.user, printed.database, printed.pooler)
    arguments = url.connect_arguments()
    assert arguments["password"]
    assert arguments["password"] in printed.raw
    assert arguments["password"] not in f"{url!r}{url}{url.masked}{url.notes}"


def test_neons_channel_binding_is_replaced_by_verifying_the_server_and_this_is_said() -> None:
    url = DatabaseURL.parse(PRINTED["neon, direct"].raw)

    context = url.connect_arguments()["ssl"]

    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    (note,) = url.notes
    assert note.startswith("DATABASE_URL: channel_binding=require is replaced")
    assert "channel_binding=require" in url.render(), "psql can bind, and is left to"


def test_neons_endpoint_reaches_the_server_as_the_start_up_options() -> None:
    url = DatabaseURL.parse(PRINTED["neon, endpoint in options"].raw)

    assert url.connect_arguments()["server_settings"]["options"] == "endpoint=ep-cool-darkness-a1b2c3d4"


def test_prismas_timeout_is_asyncpgs() -> None:
    assert DatabaseURL.parse(PRINTED["vercel, POSTGRES_PRISMA_URL"].raw).connect_arguments()["timeout"] == 15


def test_words_for_other_clients_do_not_reach_psql() -> None:
    assert DatabaseURL.parse(PRINTED["supabase on vercel"].raw).render().endswith("/postgres?sslmode=require")


def test_rds_with_amazons_bundle_verifies_in_full(tmp_path: object) -> None:
    raw = (
        "postgresql://shop:Ab3dEf6H@shop.c1example.eu-central-1.rds.amazonaws.com:5432/shop"
        "?sslmode=verify-full&sslrootcert=global-bundle.pem"
    )
    url = DatabaseURL.parse(raw)

    assert url.hosts == (("shop.c1example.eu-central-1.rds.amazonaws.com", 5432),)
    assert url.render() == raw
    with pytest.raises(ConfigurationError, match=r"sslrootcert: cannot read 'global-bundle\.pem'"):
        url.connect_arguments()


def test_supabases_placeholder_is_not_taken_for_a_password() -> None:
    with pytest.raises(ConfigurationError, match=r"placeholder \[YOUR-PASSWORD\]"):
        DatabaseURL.parse("postgresql://postgres:[YOUR-PASSWORD]@db.abc.supabase.co:5432/postgres")
