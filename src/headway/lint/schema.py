"""What the statements so far have made, as far as their text tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.results import StepReview


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables, columns and constraints that statements have named; what made them otherwise is not in it."""

    def after(self, step: StepReview) -> Schema:
        """The same once a step has run; steps are handed over in their order, from the first revision on."""
        del step
        return self
