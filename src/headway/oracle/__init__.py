"""PostgreSQL as the judge: a step run in a scratch database, and what each statement of it did there."""

from headway.oracle.tracing import Trace, trace

__all__ = ["Trace", "trace"]
