"""What our databases are called: their names alone say whose they are, and whether they may be dropped."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

LONGEST = 63  # bytes; PostgreSQL cuts longer names (manual, section 4.1.1)
_TITLE = 14  # characters of the project's name
TEMPLATE = "template"
KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one project's databases on one server.

    They are ``<name>_t_<hash>_template_<content>``, ``<name>_t_<hash>_kept_<unique>_<test>`` and, for all
    that end with their run, ``<name>_t_<hash>_run_<run>_<worker>_…``.

    Attributes:
        prefix: what all of them begin with, and nobody else's do.
    """

    prefix: str

    @classmethod
    def of(cls, title: str, identity: str) -> Names:
        """The names of a project.

        Args:
            title: for people: of the project, or of the database that a URL names.
            identity: tells projects of the same title apart: where the project is, and whose.
        """
        return cls(f"{_plain(title)[:_TITLE].strip('_') or 'headway'}_t_{digest(identity)}_")

    def template(self, content: str) -> str:
        """The template of a content."""
        return f"{self.prefix}{TEMPLATE}_{content}"

    def of_run(self, run_id: str, worker: str, what: str) -> str:
        """A database of a run."""
        return cut(f"{self.prefix}run_{digest(run_id)}_{_plain(worker)}_{_plain(what)}")

    def kept(self, unique: str, test: str) -> str:
        """A failing test's database that is kept; a long name is cut at its end, where it is not unique."""
        return cut(f"{self.prefix}{KEPT}_{unique}_{_plain(test)}")

    def is_kept(self, database: str) -> bool:
        """Whether a database was kept for somebody to look at."""
        return database.startswith(f"{self.prefix}{KEPT}_")

    def is_template(self, database: str) -> bool:
        """Whether a database is a template."""
        return database.startswith(f"{self.prefix}{TEMPLATE}_")

    def run_of(self, database: str) -> str | None:
        """The run that a database belongs to, as :func:`digest` has it; ``None`` when none."""
        begin = f"{self.prefix}run_"
        return database.removeprefix(begin).partition("_")[0] if database.startswith(begin) else None


def digest(text: str) -> str:
    """Eight hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def key_of(text: str) -> int:
    """An advisory lock's key that stands for a text: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(f"headway.testing {text}".encode()).digest()[:8], signed=True)


def cut(name: str) -> str:
    """A name that PostgreSQL keeps whole; ours are ASCII, so that bytes are characters."""
    return name[:LONGEST].rstrip("_")


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
