"""The nested settings ``APP_DATABASE__HOST/PORT/USER/PASSWORD/DATABASE``, validated by pydantic-settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from headway.errors import ConfigurationError
from headway.url import DatabaseURL

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "APP_DATABASE__"
_EXAMPLES = {"PORT": "5432", "DATABASE": "taskman", "HOST": "localhost"}


class DatabaseGroup(BaseSettings):
    """One database in separate variables; only the name of the database has to be given."""

    model_config = SettingsConfigDict(env_prefix=GROUP, hide_input_in_errors=True)

    host: str = "localhost"
    port: int = Field(default=5432, ge=1, le=65535)
    user: str | None = None
    password: SecretStr | None = None
    database: str

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings' own signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed over: precedence was decided before."""
        return (init_settings,)


def read_group(variables: Mapping[str, str], prefixes: Mapping[str, str]) -> DatabaseURL:
    """Put the group together.

    Args:
        variables: those of the group that are set.
        prefixes: for each, how its source is called in front of its name, such as ``".env: "``.

    Raises:
        ConfigurationError: one is missing or wrong; it is named, its value is not shown.
    """
    source = EnvSettingsSource(DatabaseGroup)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    try:
        group = DatabaseGroup(**source())
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field, kind, message = str(details["loc"][0]).upper(), details["type"], details["msg"]
    else:
        host = f"{prefixes.get(f'{GROUP}HOST', '')}{GROUP}HOST"
        return DatabaseURL.of(**group.model_dump(), variable=host)
    variable = f"{prefixes.get(f'{GROUP}{field}', '')}{GROUP}{field}"
    if kind == "missing":
        message = (
            f"not set, while {' and '.join(variables)} is"
            if len(variables) == 1
            else "not set, while others are"
        )
    raise ConfigurationError(
        variable, message[0].lower() + message[1:], example=f"{GROUP}{field}={_EXAMPLES.get(field, '…')}"
    )
