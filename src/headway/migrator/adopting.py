"""What takes over a database that no revision made."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from headway import planning, results
from headway.errors import CapabilityError, RefusedError, StepFailedError
from headway.migrator.running import Running
from headway.migrator.writing import Writing
from headway.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headway.catalogue import Parts
    from headway.holding import Holding, Proof
    from headway.project import Project
    from headway.results import RevisionReport, RunOptions

_ON_EMBEDDED = "embedded"


class Adopting(Writing, Running):
    """What takes over a database that no revision made."""

    async def baseline(
        self,
        message: str = "baseline",
        *,
        rev_id: str | None = None,
        schemas: Sequence[str] | None = None,
        scratch: str = _ON_EMBEDDED,
        stamp: bool = True,
        options: RunOptions | None = None,
    ) -> results.BaselineReport:
        """Write the first revision from what the database holds, prove it, and stamp the database with it.

        The proof: the revision is run in an empty database, and makes there what this one holds, and its
        downgrade leaves nothing of it. Where that fails, the file stays, to be mended by hand and proven by
        ``verify_baseline``, and nothing is stamped. In the database nothing is changed but the version table
        and the ledger. Owners and privileges are not compared.

        Args:
            message: what it is; becomes its docstring and part of its file name.
            rev_id: the identifier, in place of a random one.
            schemas: only what these hold; every schema but the system's when ``None``.
            scratch: where the empty database is: ``"embedded"``, or the URL of a database on a server where
                one of our own is made meanwhile. Its version should be that of the database's server.
            stamp: put the database on record as being at the revision once it is proven.
            options: how long to wait for what, for the stamp.

        Returns:
            The report; without a revision when the database holds nothing to write.

        Raises:
            RefusedError: the project has revisions already, the database is at one, or it is no PostgreSQL.
            EmbeddedServerError: the embedded server does not start.
            DatabaseError: the server of the URL lets nobody create a database.
        """
        from headway.holding import holding_of, reported

        await self._require_new()
        with _folder_kept_if_used(self.project):
            held = await holding_of(self._target, schemas)
            if not held.parts.all:
                return results.BaselineReport(held.database, None, unspoken=held.parts.unspoken)
            written = await self._write_first(message, rev_id, held)
            try:
                proof = await self._replayed("heads", held.parts, schemas, scratch, whole=True)
            except BaseException:
                for path in written.paths:
                    path.unlink(missing_ok=True)
                raise
            await self._written(written)
        report = reported(held, written.revision, proof, written.paths)
        if not (stamp and report.proven):
            return report
        await self.stamp("heads", options=options)
        return replace(report, stamped=True)

    async def verify_baseline(
        self,
        revision: str = "heads",
        *,
        schemas: Sequence[str] | None = None,
        scratch: str = _ON_EMBEDDED,
        stamp: bool = True,
        options: RunOptions | None = None,
    ) -> results.BaselineReport:
        """Compare the database with what the revisions make of an empty one, and stamp it if they are alike.

        In the database nothing is changed but, with ``stamp``, the version table and the ledger. The order
        of a table's columns is not compared, nor are owners and privileges.

        Args:
            revision: up to which the revisions are run in an empty database.
            schemas: compare only these; every schema but the system's when ``None``.
            scratch: as for ``baseline``.
            stamp: put the database on record as being at the revision if nothing differs.
            options: how long to wait for what, for the stamp.

        Returns:
            The report; ``paths`` is always empty.

        Raises:
            ResolutionError: ``revision`` names nothing.
            RefusedError: the database is at another revision and would be stamped, or it is no PostgreSQL.
            EmbeddedServerError: the embedded server does not start.
            DatabaseError: the server of the URL lets nobody create a database.
        """
        from headway.holding import holding_of, reported

        self._require_postgresql()
        wanted = planning.resolve(await self._graph(), revision)
        standing = await self._target.standing()
        database, rows = standing.database, standing.rows
        if stamp and rows and {*rows} != {*wanted}:
            raise RefusedError(
                f"{database} is on record as being at {', '.join(rows)}, not at {', '.join(wanted)}.",
                hint="--no-stamp compares only; `headway stamp` overrules the record.",
            )
        held = await holding_of(self._target, schemas)
        proof = await self._replayed(revision, held.parts, schemas, scratch, whole=False)
        report = reported(held, ", ".join(wanted), proof)
        if not (stamp and report.proven):
            return report
        await self.stamp(*wanted, options=options)
        return replace(report, stamped=True)

    def _require_postgresql(self) -> None:
        if self._target.dialect != "postgresql":
            raise RefusedError(
                f"A baseline is read from PostgreSQL's catalogue; this database is {self._target.dialect}.",
                hint="Write the first revision with `headway revision --autogenerate` from your models, and "
                "record it with `headway stamp head`.",
            )

    async def _require_new(self) -> None:
        self._require_postgresql()
        graph = await self._graph()
        if graph.revisions:
            raise RefusedError(
                f"This project has {len(graph.revisions)} revision(s) already; a baseline is the first one.",
                hint="`headway baseline --verify` compares the database with them, and stamps it when it is "
                "as they make it.",
            )
        standing = await self._target.standing()
        if rows := standing.rows:
            raise RefusedError(
                f"{standing.database} is on record as being at {', '.join(rows)}, so revisions of it exist.",
                hint="Use the checkout that has them; or, when they are lost, empty the version table with "
                "`headway stamp --purge base` first.",
            )

    async def _write_first(self, message: str, rev_id: str | None, held: Holding) -> RevisionReport:
        from headway.alembic_bridge import Draft, write_pair, write_with_code
        from headway.baseline import python_of, sql_of, steps_of

        draft = Draft(message, head="base", rev_id=rev_id)
        # Where the version table has a schema of its own, it is there before the first revision.
        steps = [
            step
            for step in steps_of(held.parts)
            if (step.part.kind, step.part.name) != ("schema", held.version_schema)
        ]
        unspoken = held.parts.unspoken
        if self.project.plain_sql:
            bodies = sql_of(steps, unspoken)
            return await in_thread(partial(write_pair, self.project, draft, (), bodies=bodies))
        vectors = find_spec("pgvector") is not None
        code = python_of(steps, held.catalogue, vectors=vectors, unspoken=unspoken)
        return await in_thread(
            partial(
                write_with_code,
                self._target.alembic,
                draft,
                upgrades=code.upgrades,
                downgrades=code.downgrades,
                imports=code.imports,
            )
        )

    async def _replayed(
        self, revision: str, parts: Parts, schemas: Sequence[str] | None, scratch: str, *, whole: bool
    ) -> Proof:
        """Run the revisions in an empty database, and compare; with ``whole``, take them back too."""
        from headway.catalogue import compare
        from headway.holding import Proof, holding_of, told
        from headway.target import Target

        async with self._scratch(scratch) as settings:
            other = type(self)(
                self.project,
                settings=settings,
                listeners=self._listeners,
                x_arguments=self._target.x_arguments,
            )
            target = Target(
                self.project,
                settings,
                connection=None,
                listeners=self._listeners,
                x_arguments=self._target.x_arguments,
            )
            before = await holding_of(target, schemas)
            try:
                await other.upgrade(revision)
                after = await holding_of(target, schemas)
                if whole:
                    await other.downgrade("base")
            except (StepFailedError, CapabilityError) as error:
                return Proof(before.server, failure=told(error))
            left = await holding_of(target, schemas) if whole else before
            differences = compare(after.parts, parts, column_order=whole)
            return Proof(before.server, differences, compare(before.parts, left.parts))


@contextmanager
def _folder_kept_if_used(project: Project) -> Iterator[None]:
    """Make the folder of a project of SQL revisions, which may not be there before the first one."""
    folder = project.script_location
    new = project.plain_sql and not folder.exists()
    if new:
        folder.mkdir(parents=True)
    try:
        yield
    finally:
        if new:
            with suppress(OSError):  # it holds the revision now
                folder.rmdir()
