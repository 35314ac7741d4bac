"""Each setting is declared once, and says where it is explained."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from towpath._settings.declared import SETTINGS
from towpath.settings import Settings

if TYPE_CHECKING:
    from towpath._settings.declaration import Setting

DOCS = Path(__file__).resolve().parents[4] / "docs"


def test_every_field_is_a_setting_and_no_two_share_a_name() -> None:
    assert [setting.attribute for setting in SETTINGS] == [each.name for each in fields(Settings)]
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_explained_by_a_sentence_and_a_page(setting: Setting) -> None:
    assert setting.help.endswith(".")
    assert (DOCS / setting.page).is_file()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_default_reads_as_itself(setting: Setting) -> None:
    if setting.default is not None:
        assert setting.read(setting.default) == setting.default
