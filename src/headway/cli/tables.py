"""Aligned columns for people: as wide as the terminal allows, and never cut when nobody watches."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.cli.terminal import Terminal

_UNBOUNDED = 100_000
"""A width no row reaches: a pipe's reader wants a row on one line."""


class Cell(NamedTuple):
    """A text and its style, in rich's words."""

    text: str
    style: str = ""


def render(terminal: Terminal, rows: Sequence[Sequence[Cell]], *, header: Sequence[str] = ()) -> str:
    """Draw rows as columns; empty when there are none.

    Args:
        terminal: decides width and colour.
        rows: every row as long as the first.
        header: column titles; none leaves the line out.
    """
    if not rows:
        return ""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(header), header_style="dim"
    )
    widths = [max(len(cell.text) for cell in column) for column in zip(*rows, strict=True)]
    for number, width in enumerate(widths):
        # Only the widest column may wrap, so that a mark or an identifier is never broken.
        table.add_column(header[number] if header else "", no_wrap=width < max(widths), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell.text, style=cell.style) for cell in row))
    coloured = terminal.coloured(sys.stdout)
    console = Console(
        file=StringIO(),
        width=terminal.width or _UNBOUNDED,
        color_system="standard" if coloured else None,
        force_terminal=coloured,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
