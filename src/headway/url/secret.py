"""A secret in a URL: a ``SecretStr`` to whoever asks for it, and plain text to nobody by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import SecretStr


class _Kept:
    """What no ``repr`` shows."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Secret:
    """A field of a dataclass that is read and set as ``SecretStr | None``, and defaults to ``None``.

    pydantic, which takes longer to load than a probe of the database takes, is loaded when it is read, and
    only then; what only connects asks :meth:`text`.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._place = f"_{name}"

    def __get__(self, instance: object, owner: type | None = None) -> SecretStr | None:
        text = None if instance is None else self.text(instance)
        if text is None:
            return None
        from pydantic import SecretStr

        return SecretStr(text)

    def __set__(self, instance: object, value: SecretStr | str | None) -> None:
        plain = value if value is None or isinstance(value, str) else value.get_secret_value()
        instance.__dict__[self._place] = None if plain is None else _Kept(plain)

    def text(self, instance: object) -> str | None:
        """The secret itself; ``None`` where there is none."""
        kept: _Kept | None = instance.__dict__[self._place]
        return None if kept is None else kept.text
