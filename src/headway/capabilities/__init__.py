"""What a server can do for us, found before the first write: probe, judge, and tell.

``probe`` asks, ``require_migratable`` refuses, ``examine`` tells it all (``headway doctor``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use

if TYPE_CHECKING:
    from headway.capabilities.examination import examine
    from headway.capabilities.extensions import wanted_extensions
    from headway.capabilities.probing import probe
    from headway.capabilities.requirements import (
        MINIMUM_MAJOR,
        checks_of,
        first_transaction_refused,
        require_migratable,
    )
    from headway.results import Capabilities, Check, DoctorReport, Pooling, Setting

_HOMES = {
    "headway.capabilities.examination": ("examine",),
    "headway.capabilities.extensions": ("wanted_extensions",),
    "headway.capabilities.probing": ("probe",),
    "headway.capabilities.requirements": (
        "MINIMUM_MAJOR",
        "checks_of",
        "first_transaction_refused",
        "require_migratable",
    ),
    "headway.results": ("Capabilities", "Check", "DoctorReport", "Pooling", "Setting"),
}
__getattr__, __dir__ = on_first_use(__name__, _HOMES)

__all__ = [
    "MINIMUM_MAJOR",
    "Capabilities",
    "Check",
    "DoctorReport",
    "Pooling",
    "Setting",
    "checks_of",
    "examine",
    "first_transaction_refused",
    "probe",
    "require_migratable",
    "wanted_extensions",
]
