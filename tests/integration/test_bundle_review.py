"""The review in a bundle: what it says, that nothing in it becomes markup, that it asks for nothing."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from headway import Migrator

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder

URL = "postgresql://nobody@localhost:1/nowhere"
EVIL = '<script>alert(1)</script> `x` | **y** [z](http://e.vil) & \\"q\\"'


def shop(project: ProjectFolder) -> None:
    project.revision(
        "a1",
        upgrade="op.create_table('users', sa.Column('id', sa.Integer, primary_key=True),"
        " sa.Column('mail', sa.String(80)), sa.Column('old', sa.Text))",
        downgrade="op.drop_table('users')",
    )
    project.revision(
        "b2",
        "a1",
        upgrade="op.drop_column('users', 'old')\nop.create_index('users_mail', 'users', ['mail'])\n"
        "op.alter_column('users', 'mail', nullable=False)",
        downgrade="raise NotImplementedError('gone')",
        doc=EVIL,
    )
    path = project.revision(
        "c3", "a1", upgrade='op.execute("CREATE INDEX CONCURRENTLY users_old ON users (lower(mail))")'
    )
    path.write_text(path.read_text() + "\ntransactional = False\n", encoding="utf-8")
    project.revision("d4", ["b2", "c3"])
    project.revision(
        "e5",
        "d4",
        upgrade="for row in op.get_bind().execute(sa.text('SELECT id FROM users')):\n"
        "    op.execute(f'DELETE FROM users WHERE id = {row.id}')  # </pre><script>",
    )


def review(project: ProjectFolder, scratch: str | None, span: str = "a1:head") -> tuple[str, str]:
    folder = project.root / "bundle"
    asyncio.run(Migrator(project.ini, url=URL).bundle(folder, span, scratch=scratch))
    return tuple((folder / name).read_text(encoding="utf-8") for name in ("review.md", "review.html"))  # type: ignore[return-value]  # two


class Elements(HTMLParser):
    """Which elements a page has, and what their attributes lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links |= {str(value) for name, value in attrs if name in {"src", "href", "action", "data"}}
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_locks_findings_losses_and_tables_are_told(project: ProjectFolder, server_url: str) -> None:
    shop(project)
    for told in review(project, server_url):
        assert "ACCESS EXCLUSIVE" in told
        assert "SHARE UPDATE EXCLUSIVE" in told
        assert "seen on PostgreSQL" in told
        assert "users.old" in told
        assert "it reads data" in told
        assert "NotImplementedError: gone" in told
        assert "op.get_bind().execute" in told
    markdown, page = review(project, server_url, "a1:b2")
    assert "- old text" in markdown
    assert "+ index users_mail btree (mail)" in markdown
    assert '<tr class="gone"><td class="before"><strong>old</strong> <code>text</code></td>' in page


def test_the_same_review_twice_is_the_same_bytes(project: ProjectFolder, server_url: str) -> None:
    shop(project)
    assert review(project, server_url) == review(project, server_url)


def test_without_a_server_the_review_says_so(project: ProjectFolder) -> None:
    shop(project)
    markdown, page = review(project, None)
    for told in (markdown, page):
        assert "Nobody was watched running this" in told
        assert "Not drawn: no scratch database was asked for" in told


def test_what_the_page_quotes_is_never_markup(project: ProjectFolder) -> None:
    shop(project)
    markdown, page = review(project, None)
    elements = Elements(page)
    assert elements.open == []
    assert not elements.seen & {"script", "img", "iframe", "object", "form", "base"}
    assert all(link.startswith("#") or link == "data:," for link in elements.links)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    fenced = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", markdown)
    assert "<script>" not in fenced
    assert "](http" not in fenced
    assert "**y**" not in fenced


def test_a_branch_is_drawn_from_where_it_leaves(project: ProjectFolder) -> None:
    shop(project)
    _, page = review(project, None)
    graph = page[page.index("<svg") : page.index("</svg>")]
    assert graph.count("<circle") == 5
    assert graph.count('class="edge"') == 5
    assert 'class="manual"' in graph
    assert 'class="single"' in graph


@pytest.mark.slow
def test_a_browser_shows_the_page_without_an_error_or_a_request(
    project: ProjectFolder, server_url: str, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs a Chromium: apt-get install chromium (make test looks for one)")
    shop(project)
    review(project, server_url)
    page = project.root / "bundle" / "review.html"
    dom, complaints = opened(chromium, page)
    assert "Migration from a1 to e5" in dom
    assert complaints == []
    # Its policy lets nothing be fetched, and a browser says so of whatever tries: here is one that does.
    curious = tmp_path / "curious.html"
    curious.write_text(
        page.read_text(encoding="utf-8").replace("</main>", '<img src="https://e.vil/x"></main>')
    )
    assert opened(chromium, curious)[1] != []


def opened(chromium: str, page: Path) -> tuple[str, list[str]]:
    """The document as a browser has it, and what it says on its console."""
    done = subprocess.run(
        [
            chromium,
            *["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0"],
            *[f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"],
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
