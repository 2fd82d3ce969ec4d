"""Python's parser, for files that are read and not run; safe to call from several threads at once."""

from __future__ import annotations

import ast
import threading
import warnings

# By itself it is not, on two counts. CPython 3.11 counts the depth of the tree that it builds in one place
# for all threads, and raises SystemError when two mix. And `catch_warnings` puts back what it found: of two
# at once, the last to leave may leave every warning of the process ignored.
_ONE_AT_A_TIME = threading.Lock()


def tree_of(source: bytes) -> ast.Module:
    """The syntax tree of one file: encoding cookie, byte order mark and line ends as Python reads them.

    Its own warnings (an invalid escape, say) are not given: they are Python's to give when the file runs.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it holds a null byte (before Python 3.12; later ones raise SyntaxError).
        RecursionError, MemoryError: it is nested too deep.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
