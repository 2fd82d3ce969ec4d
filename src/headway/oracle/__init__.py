"""PostgreSQL as the judge: a step run in a scratch database, and what each statement of it did there."""

from headway.oracle.tracing import Trace, trace
from headway.oracle.wayback import read_both_ways

__all__ = ["Trace", "read_both_ways", "trace"]
