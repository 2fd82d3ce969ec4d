"""Imported last by the process that commands are forked from: what it holds, no child need look at.

The collector writes to every object that it looks at, and each page that a child writes to is copied: a third
of what a short command costs (Python's documentation of ``gc.freeze``).
"""

import gc

gc.collect()
gc.freeze()
