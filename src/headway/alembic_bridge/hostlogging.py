"""The application's logging, kept as it is while its process runs an env.py."""

from __future__ import annotations

import logging.config
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def host_logging_kept() -> Iterator[None]:
    """For the length of the block, ``logging.config.fileConfig`` does nothing when this thread calls it.

    The env.py files that ``alembic init`` writes hand alembic.ini to it, which closes and replaces the root
    logger's handlers and disables every logger that is there (design.md, fact 3). That is right in a process
    of Alembic's own and wrong in an application's. Other threads are served as ever.
    """
    here, configure = threading.get_ident(), logging.config.fileConfig

    def file_config(*args: Any, **options: Any) -> None:
        if threading.get_ident() != here:
            configure(*args, **options)

    logging.config.fileConfig = file_config
    try:
        yield
    finally:
        logging.config.fileConfig = configure
