"""SQL as text: what in it is comment, literal or name, where its statements end, what of it may be shown.

No parser: it tells apart what PostgreSQL's lexer tells apart (manual, section 4.1; ``scan.l``), which is
enough to read how a statement begins, to find its end and to keep a password out of a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use

if TYPE_CHECKING:
    from headway.sqltext.filling import filled, written
    from headway.sqltext.lexer import Kind, Token, tokens
    from headway.sqltext.splitting import Flaw, Statement, split
    from headway.sqltext.wording import (
        HIDDEN,
        is_confidential,
        presentable,
        shown,
        skeleton,
        tells_literal,
        uncommented,
        unquoted,
    )

_HOMES = {
    "headway.sqltext.filling": ("filled", "written"),
    "headway.sqltext.lexer": ("Kind", "Token", "tokens"),
    "headway.sqltext.splitting": ("Flaw", "Statement", "split"),
    "headway.sqltext.wording": (
        "HIDDEN",
        "is_confidential",
        "presentable",
        "shown",
        "skeleton",
        "tells_literal",
        "uncommented",
        "unquoted",
    ),
}
__getattr__, __dir__ = on_first_use(__name__, _HOMES)

__all__ = [
    "HIDDEN",
    "Flaw",
    "Kind",
    "Statement",
    "Token",
    "filled",
    "is_confidential",
    "presentable",
    "shown",
    "skeleton",
    "split",
    "tells_literal",
    "tokens",
    "uncommented",
    "unquoted",
    "written",
]
