"""The API key in the profile: its file, and whether other users can read it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from towpath._settings.declared import BY_NAME, CREDENTIALS
from towpath._settings.files import write_config
from towpath._settings.layers import chosen_profile, user_config

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._settings.files import ConfigFile

API_KEY: Final = "server.api_key"
_READ_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH


def winning_variables() -> list[str]:
    """Variables that are set and override the credential of any profile."""
    variables = [BY_NAME[name].variable for name in CREDENTIALS]
    return [variable for variable in variables if os.environ.get(variable)]


def is_exposed(config: ConfigFile) -> bool:
    """Whether a file of settings holds an API key that other users can read."""
    holds = any(values.get(API_KEY) for values in config.profiles.values())
    with suppress(OSError):
        return holds and bool(config.path.stat().st_mode & _READ_BY_OTHERS)
    return False


def exposed_file(key: str, profile: str) -> Path | None:
    """The file that an API key comes from, if other users can read it.

    Args:
        key: The key of the present settings.
        profile: Profile of the command line; empty when it names none.
    """
    config = user_config()
    kept = config.profiles.get(chosen_profile(config, profile), {})
    return config.path if kept.get(API_KEY) == key and is_exposed(config) else None


class ProfileKey:
    """The API key in the profile in use."""

    def __init__(self, profile: str) -> None:
        """Reads the key.

        Args:
            profile: Profile of the command line; empty when it names none.
        """
        self._config = user_config()
        self.profile = chosen_profile(self._config, profile)
        self._kept = self._config.profiles.get(self.profile, {})

    def is_of(self, key_id: str) -> bool:
        """Whether the profile's key has this public id."""
        return is_key_of(str(self._kept.get(API_KEY, "")), key_id)

    def replace(self, key: str) -> None:
        """Saves another key instead.

        Raises:
            ConfigurationError: The file can't be written.
        """
        self._kept[API_KEY] = key
        write_config(self._config)


def is_key_of(key: str, key_id: str) -> bool:
    """Whether a key has a public id, "0000000000000000", given alone or at the end of a name."""
    return f"_{key_id.rpartition('/')[2]}_" in key
