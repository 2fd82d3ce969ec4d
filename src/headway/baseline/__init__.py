"""The first revision of a database that has none: what its catalogue holds, as code that makes it."""

from headway.baseline.python import python_of
from headway.baseline.script import sql_of
from headway.baseline.steps import Step, steps_of

__all__ = ["Step", "python_of", "sql_of", "steps_of"]
