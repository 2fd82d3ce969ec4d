"""A migrated PostgreSQL for every test: what stands behind the fixtures of ``headway.pytest_plugin``.

Nothing here is imported before a test asks for a database. Everything that talks to a server runs on a thread
and an event loop of its own (:mod:`headway.testing.private_loop`), so that the fixtures are synchronous and
serve tests of every kind.
"""

from headway.testing.wishes import Isolation, Provider, Wishes

__all__ = ["Isolation", "Provider", "Wishes"]
