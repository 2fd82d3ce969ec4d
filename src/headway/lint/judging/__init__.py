"""The rules at work: each looks at one statement or at a whole step, and raises alarms."""

from __future__ import annotations

from headway.lint.judging.scene import Scene, alarms

__all__ = ["Scene", "alarms"]
