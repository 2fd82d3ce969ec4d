"""Safe forms written into a revision's file, where that is mechanical: ``headway lint --fix``."""

from __future__ import annotations

from headway.lint.fixing.fix import Fixed, fix

__all__ = ["Fixed", "fix"]
