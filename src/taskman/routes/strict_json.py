"""JSON as RFC 8259 has it: Python's own reader takes more than can be stored or sent back."""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class StrictRoute(APIRoute):
    """A route whose requests' bodies hold finite numbers and whole characters, or are a 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, given a request that reads strictly."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        try:
            text = (await self.body()).decode()
            value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
            # An escape such as \ud800 stands for half a character, which no encoding of text can hold.
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeError as error:
            problem = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "half a character"
        else:
            return value
        raise _not_json(problem)


def _refuse(constant: str) -> float:
    raise _not_json(f"{constant} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _not_json("a number is too large")
    return number


def _not_json(problem: str) -> json.JSONDecodeError:
    return json.JSONDecodeError(problem, "", 0)
