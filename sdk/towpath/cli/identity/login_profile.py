"""The profile that a person signs in with: where its calls go, and its credential."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from towpath._settings.current import get_settings, use_flags
from towpath._settings.declared import CREDENTIALS
from towpath._settings.files import write_config
from towpath._transport.security import is_local, refuse_plaintext_credentials
from towpath._transport.service import server_address
from towpath.cli.shared.profile_key import API_KEY, winning_variables
from towpath.cli.shared.session import invocation, note

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._settings.files import ConfigFile

SIGN_IN_FILE: Final = "server.sign_in_file"


@dataclass(slots=True)
class LoginProfile:
    """A profile of settings, for the commands that change its credential."""

    config: ConfigFile
    name: str
    asked: dict[str, str] = field(default_factory=dict[str, str])
    """Settings of the command line to keep in the profile."""

    @property
    def kept(self) -> dict[str, Any]:
        """The profile's settings."""
        return self.config.profiles.setdefault(self.name, {})

    @property
    def file(self) -> Path:
        """The file of its login."""
        return self.config.path.parent / "logins" / f"{self.name}.json"

    def use(self, **credential: str) -> None:
        """Makes calls go to the profile's server, with one credential or none."""
        server = invocation().server
        flags = {"server.address": server} if server else {}
        flags |= {**self.asked, API_KEY: ""}
        flags |= {name.replace("_", ".", 1): value for name, value in credential.items()}
        use_flags(flags, profile=invocation().profile)
        settings = get_settings()
        address = server_address(settings)
        if not address or is_local(address):
            return
        # A call without a credential may be in plain text; what signing in sends may not.
        if settings.server_tls == "off":
            refuse_plaintext_credentials(address)
        use_flags({**flags, "server.tls": "on"}, profile=invocation().profile)

    def keep(self, **credential: str) -> None:
        """Writes the profile, with one credential and no other."""
        for name in CREDENTIALS:
            self.kept.pop(name, None)
        self.kept.update(self.asked)
        self.kept.update({name.replace("_", ".", 1): value for name, value in credential.items()})
        write_config(self.config)

    def announce(self, principal: str) -> None:
        """Notes the principal that is signed in, and the variables that override the profile."""
        note(f"{principal} is signed in, in profile {self.name}: {self.config.path}")
        for variable in winning_variables():
            note(f"{variable} overrides the profile: unset it to call as {principal}")
