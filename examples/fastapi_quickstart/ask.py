"""Ask the running service, once it is ready: its state, a task added, all tasks."""

import json
import sys
import time
import urllib.request
from typing import Any

SERVICE = "http://127.0.0.1:8123"
DEADLINE_S = 60


def ask(path: str, method: str = "GET") -> Any:
    """The service's answer; an OSError when there is none."""
    request = urllib.request.Request(SERVICE + path, method=method)  # noqa: S310  # a fixed address
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # the same
        return json.load(answer)


def ready() -> str:
    """The database's state, as soon as the service says it is ready."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return str(ask("/readyz")["state"])
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"the service did not become ready: {error}")
            time.sleep(0.1)


print(ready())
print(ask("/tasks?title=Read+the+README", "POST"))
print(ask("/tasks"))
