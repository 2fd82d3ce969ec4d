"""Migrate: python run_migrations.py upgrade [TO] | downgrade [TO] | current | check | create MESSAGE."""

import argparse
import asyncio
import sys

from orchestrator.settings import migrator

from headway import Event, HeadwayError, StepFinished


def print_step(event: Event) -> None:
    """Tell of each revision as it is done."""
    if isinstance(event, StepFinished):
        print(f"{event.direction} {event.revision} ({event.description}): {event.duration_ms:.0f} ms")


async def run(verb: str, argument: str | None) -> int:
    """Do it.

    Returns:
        The exit code: 4 when ``check`` finds that models and revisions differ, else 0.
    """
    async with migrator() as migrations:
        migrations.listen(print_step)
        print(f"{migrations.settings.environment}: {await migrations.database()}")
        match verb:
            case "upgrade":
                await migrations.upgrade(argument or "head")
            case "downgrade":
                await migrations.downgrade(argument or "-1")
            case "check":
                report = await migrations.check()
                print(*(report.differences or ["models and revisions agree"]), sep="\n")
                return 4 if report.differences else 0
            case "create":
                report = await migrations.revision(argument, autogenerate=True)
                print(*(report.paths or ["nothing to write: models and revisions agree"]), sep="\n")
        if verb in {"upgrade", "downgrade", "current"}:
            print("current:", ", ".join((await migrations.pending()).current) or "base")
    return 0


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["upgrade", "downgrade", "current", "check", "create"])
    parser.add_argument("argument", nargs="?", help="a revision; for create, the message")
    given = parser.parse_args()
    try:
        return asyncio.run(run(given.verb, given.argument))
    except HeadwayError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
