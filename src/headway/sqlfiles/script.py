"""One file of an SQL revision: its statements, and what of it cannot be run here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.kinds import refusal
from headway.sqlfiles.header import IDENTITY, Header, read_header
from headway.sqltext import Flaw, Kind, Statement, skeleton, split, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRANSACTION = re.compile(
    r"(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:\w+\s+)?TO\b))\b",
    re.IGNORECASE,
)
_COPY = re.compile(r"COPY\b.*\b(?:FROM\s+STDIN|TO\s+STDOUT)\b", re.IGNORECASE | re.DOTALL)
_REFUSED = (
    (
        _COPY,
        "COPY wants its rows from the client, which has none: write INSERT, or COPY from a server's file",
    ),
    (
        re.compile(r"SET\s+(?:SESSION\s+|LOCAL\s+)?standard_conforming_strings\b", re.IGNORECASE),
        "backslashes in strings would mean something else from here on: write E'…' where one is an escape",
    ),
)
_IN_ONE_TRANSACTION = (
    "headway begins and ends the transaction, one around the whole file: take this out; where each statement "
    "is to be committed by itself, say transactional=no in the header"
)


@dataclass(frozen=True, slots=True)
class Script:
    """What a file holds."""

    text: str
    header: Header
    statements: tuple[Statement, ...]


def read_text(source: bytes) -> str:
    """The text of a file, line ends as they are.

    Raises:
        ValueError: it is no text that PostgreSQL takes; says why, in words.
    """
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds a null character, which PostgreSQL takes in no text")
    return text


def read_script(
    text: str, *, transactional: bool | None = None, undoes: bool = False
) -> tuple[Script, list[Flaw]]:
    """Read a file whole.

    Args:
        text: of the file.
        transactional: what holds where its own header does not say.
        undoes: whether it is the one that undoes; what the revision is called stands in the other.

    Returns:
        The file, and everything that keeps it from being run, by offset; as a rule nothing.
    """
    header, flaws = read_header(text)
    if undoes:
        moved = ", ".join(key for key in IDENTITY if key in header.said)
        if moved:
            flaws.append(Flaw(0, f"{moved}: say it in the header of the .up.sql"))
    statements, found = split(text)
    flaws += found
    own = header.transactional if header.transactional is not None else transactional
    if not found:  # else a statement may be any part of the text
        flaws += _refused(statements, transactional=own is not False)
    return Script(text, header, statements), sorted(flaws)


def _refused(statements: tuple[Statement, ...], *, transactional: bool) -> Iterator[Flaw]:
    for statement in statements:
        words = skeleton(statement.text)
        why = next((why for pattern, why in _REFUSED if pattern.match(words)), None)
        if why is None and transactional and _TRANSACTION.match(words):
            why = _IN_ONE_TRANSACTION
        if why is None and not transactional and (known := refusal(statement.text)):
            why = f"not with transactional=no: {known[0]}. {known[1]}"
        if why is not None:
            yield Flaw(statement.start, why)


def checksum(up: str, down: str | None) -> str:
    """Fingerprint an SQL revision by what it does.

    Comments, blanks, line ends and the case of words do not count, nor does the message; every character of a
    string or quoted name does, and what the headers say else.

    Args:
        up: text of the file that applies it.
        down: text of the one that undoes it; ``None`` when there is none.

    Returns:
        A SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256(b"headway sql revision")
    for text in (up, down):
        said = read_header(text or "")[0].said
        for key in sorted(said.keys() - {"message"}):
            digest.update(f"\n{key}={said[key]}".encode())
        for word in _meaning(text) if text is not None else ["none"]:
            digest.update(b"\n" + word.encode("utf-8", "surrogatepass"))
        digest.update(b"\n\n")
    return digest.hexdigest()


def _meaning(text: str) -> Iterator[str]:
    statements, _ = split(text.replace("\r\n", "\n"))  # as version control checks it out, within strings too
    for statement in statements:
        for token in tokens(statement.text):
            said = statement.text[token.start : token.end]
            if token.kind is Kind.OTHER:
                yield from said  # `a+ -b` and `a + - b` are the same
            elif token.kind is Kind.WORD:
                yield said.lower()
            elif token.kind not in {Kind.BLANK, Kind.COMMENT}:
                yield said
        yield ";"
