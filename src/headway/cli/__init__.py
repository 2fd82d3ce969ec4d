"""The command line: the one room that prints, exits and looks at the terminal.

Data goes to stdout, talk to stderr. Nothing here decides anything about a database: every verb asks a
:class:`headway.Migrator` and draws what it answers.
"""

from headway.cli.entry import main

__all__ = ["main"]
