"""No text in a URL is lost, and no password comes out where people look."""

import contextlib
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headway.errors import HeadwayError
from headway.url import DatabaseURL

# PostgreSQL takes no NUL; lone surrogates are no text; line ends would break the .env file the URL lies in.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
MARK = "Zq7Xw"
# No deadline: machines that run several suites at once are slow at times, which proves nothing here.
UNHURRIED = settings(deadline=None)
BRIEF = settings(deadline=None, max_examples=40)


def encoded(text: str) -> str:
    return quote(text, safe="")


@UNHURRIED
@given(user=TEXT, password=TEXT, database=TEXT.filter(lambda name: len(name.encode()) <= 63))
def test_what_is_percent_encoded_comes_back(user: str, password: str, database: str) -> None:
    url = DatabaseURL.parse(f"postgresql://{encoded(user)}:{encoded(password)}@db/{encoded(database)}")

    arguments = url.connect_arguments()
    assert (arguments["user"], arguments["password"], arguments["database"]) == (user, password, database)
    assert url.hosts == (("db", 5432),)
    assert DatabaseURL.parse(url.render()) == url


@UNHURRIED
@given(user=TEXT, before=TEXT, after=TEXT, database=TEXT)
def test_a_password_is_shown_nowhere(user: str, before: str, after: str, database: str) -> None:
    password = before + MARK + after
    url = DatabaseURL.parse(f"postgresql://{encoded(user)}:{encoded(password)}@db/{encoded(database)}")

    shown = f"{url!r}{url!s}{url.masked}{url.name}{url.notes}"
    assert MARK not in shown
    assert url.masked == f"postgresql://{encoded(user)}:***@db:5432/{encoded(database)}"


@UNHURRIED
@given(before=st.text("ab:/@?#%&=[]' \"\\", max_size=6), after=st.text("ab:/@?#%&=[]' \"\\", max_size=6))
def test_no_raw_password_comes_out_of_an_error(before: str, after: str) -> None:
    raw = f"postgresql://ada:{before}{MARK}{after}@db/shop?sslmode=require"
    shown = ""
    try:
        url = DatabaseURL.parse(raw)
    except HeadwayError as error:
        shown = f"{error!s}{error!r}{error.hint}"
    else:
        assert MARK in url.connect_arguments()["password"]
        shown = f"{url!r}{url.notes}"
    assert MARK not in shown


@UNHURRIED
@given(text=TEXT)
def test_garbage_gives_our_error_or_a_url_and_nothing_else(text: str) -> None:
    for raw in (
        text,
        f"postgresql://{text}",
        f"postgresql://db/shop?{text}",
        f"postgresql:///shop?host={text}",
    ):
        with contextlib.suppress(HeadwayError):
            DatabaseURL.parse(raw)


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": encoded,
    "percent, lower case": lambda text: (
        encoded(text).lower() if text.isascii() and text.islower() else encoded(text)
    ),
    "percent, slashes kept": quote,
    "form": quote_plus,
    "SQLAlchemy": lambda text: quote(text, safe=" +"),
    "every byte": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent in ini": lambda text: encoded(text).replace("%", "%%"),
    "percent twice": lambda text: encoded(encoded(text)),
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "json": lambda text: json.dumps(text)[1:-1],
    "json, utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "sql": lambda text: text.replace("'", "''"),
    "shell": lambda text: shlex.quote(text).strip("'") if "'" not in (text[0], text[-1]) else text,
    "html": html.escape,
}


@pytest.mark.parametrize("form", FORMS)
@BRIEF
@example(middle='it\'s "100%" \\ <&> é 😀 %41 +\t')
@given(middle=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_redaction_finds_the_password_in_every_usual_form(form: str, middle: str) -> None:
    password = f"x{middle}{MARK}"
    url = DatabaseURL.parse(f"postgresql://ada:{encoded(password)}@db/shop")

    assert url.redact(f"<{FORMS[form](password)}> is wrong") == "<***> is wrong"


def test_redaction_finds_every_occurrence_and_nothing_else() -> None:
    url = DatabaseURL.parse("postgresql://ada:s%2Fecret@db/shop")

    assert url.redact("s/ecret, s%2fecret and s%2Fecret, not secret") == "***, *** and ***, not secret"
    assert DatabaseURL.parse("postgresql://ada@db/shop").redact("as it is") == "as it is"
