"""The token of a worker's run: a file that is used as it is, and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath._settings.declared import Settings
from towpath._transport.opening import source_of
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def called(*_: Any) -> Any:
    raise AssertionError("a run's token is exchanged for nothing")


def test_a_runs_token_is_used_as_it_is_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    settings = Settings(home=tmp_path, run_token_file=file, api_key="twpu_another")
    source = source_of(settings, "server:4200")
    assert source is not None
    for token in ("first", "second"):
        file.write_text(token)
        text, seconds = source.exchange(called, "")
        assert text == token
        assert 0 < seconds <= 60


def test_a_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = source_of(Settings(home=tmp_path, run_token_file=tmp_path / "token"), "server:4200")
    assert source is not None
    with pytest.raises(ConfigurationError, match="TOWPATH_RUN_TOKEN_FILE"):
        source.exchange(called, "")
