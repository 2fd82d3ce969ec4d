"""``python -m headway.testing.alembic_process``: one upgrade by an env.py that knows nothing of headway.

The task is read from standard input as JSON, and the outcome is written to the file that it names: env.py may
print what it likes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Do what standard input asks for."""
    task = json.loads(sys.stdin.read())
    sys.path[:] = list(dict.fromkeys(task["sys_path"]))
    from headway.alembic_bridge.foreign import upgrade_by_foreign_env

    elsewhere = upgrade_by_foreign_env(
        config_file=task["config_file"],
        toml_file=task["toml_file"],
        section=task["section"],
        url=task["url"],
        connection_url=task["connection_url"],
        database=task["database"],
        revision=task["revision"],
    )
    outcome = {"done": elsewhere is None, "elsewhere": elsewhere}
    Path(task["answer"]).write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    main()
