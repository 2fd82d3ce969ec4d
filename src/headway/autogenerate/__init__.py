"""What autogenerate compares and what it writes, as a plugin of Alembic's (``alembic.runtime.plugins``).

Nothing is imported here: Alembic loads :mod:`headway.autogenerate.plugin` whenever it is imported itself.
"""
