from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_auth.envelope import (
    Envelope,
    KeyFileUnusable,
    LocalKey,
    SealBroken,
    key_file,
    key_text,
)

KEY, OTHER = LocalKey(os.urandom(32)), LocalKey(os.urandom(32))
PLACE = "server_key/signing/1"
RECORD = Envelope([KEY]).seal(b"secret", PLACE)


@given(content=st.binary(max_size=300), place=st.text(max_size=50))
def test_what_is_sealed_opens_in_its_place(content: bytes, place: str) -> None:
    sealed = Envelope([KEY]).seal(content, place)
    assert sealed.split(".")[1] == Envelope([KEY, OTHER]).key_id
    assert Envelope([OTHER, KEY]).open(sealed, place) == content


@given(place=st.text(max_size=50))
def test_what_is_sealed_opens_nowhere_else(place: str) -> None:
    if place == PLACE:
        return
    with pytest.raises(SealBroken):
        Envelope([KEY]).open(RECORD, place)


@given(at=st.integers(min_value=0, max_value=len(RECORD) - 1), other=st.characters(codec="ascii"))
def test_what_was_changed_doesnt_open(at: int, other: str) -> None:
    changed = RECORD[:at] + other + RECORD[at + 1 :]
    try:
        opened = Envelope([KEY]).open(changed, PLACE)
    except SealBroken:
        return
    # Base64 has characters with bits to spare.
    assert opened == b"secret"


NO_RECORDS = ("", "1", "1.a.b", f"2{RECORD[1:]}", RECORD[:-40], RECORD.rpartition(".")[0] + ".")


@pytest.mark.parametrize("record", NO_RECORDS, ids=range(len(NO_RECORDS)))
def test_what_is_no_record_doesnt_open(record: str) -> None:
    with pytest.raises(SealBroken):
        Envelope([KEY]).open(record, PLACE)


def test_nothing_opens_without_its_key_and_all_does_after_three_rotations() -> None:
    with pytest.raises(SealBroken):
        Envelope([OTHER]).open(RECORD, PLACE)
    record, key = RECORD, KEY
    for _ in range(3):
        following = LocalKey(os.urandom(32))
        both = Envelope([following, key])
        record, key = both.seal(both.open(record, PLACE), PLACE), following
    assert Envelope([key]).open(record, PLACE) == b"secret"
    with pytest.raises(SealBroken):
        Envelope([KEY]).open(record, PLACE)


def test_a_key_file_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "server.key"
    with pytest.raises(KeyFileUnusable, match="No such file"):
        key_file(path, make=False)
    made = key_file(path, make=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_file(path, make=True).key_id == made.key_id
    assert made.key_id in repr(made)


@pytest.mark.parametrize(
    ("owner", "mode", "usable"),
    [
        # A user's own file is theirs alone.
        (10001, 0o600, True),
        (10001, 0o640, False),
        # A container gets its secrets as files of root that its group may read.
        (0, 0o440, True),
        (0, 0o640, True),
        (0, 0o444, False),
        (0, 0o460, False),
        (0, 0o450, False),
        (0, 0o404, False),
    ],
)
def test_only_root_may_let_a_group_read_a_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, usable: bool
) -> None:
    path = tmp_path / "server.key"
    made = key_file(path, make=True)
    found = SimpleNamespace(st_uid=owner, st_mode=stat.S_IFREG | mode)
    monkeypatch.setattr(Path, "stat", lambda _, **__: found)
    if usable:
        assert key_file(path, make=False).key_id == made.key_id
    else:
        with pytest.raises(KeyFileUnusable, match="chmod 600"):
            key_file(path, make=False)


def test_a_key_file_outlasts_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "home" / "server.key", []

    def sync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append((found.st_ino, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", sync)
    key_file(path, make=True)
    content = path.read_bytes()
    assert len(content) > 32
    assert synced == [(path.stat().st_ino, content), (path.parent.stat().st_ino, content)]
    key_file(path, make=True)
    assert len(synced) == 2


@pytest.mark.parametrize("content", [b"", b"short", base64.b64encode(b"x" * 31), b"\xff" * 32])
def test_a_file_without_a_key_says_how_to_make_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "server.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileUnusable) as raised:
        key_file(path, make=False)
    assert str(path) in str(raised.value)


def test_a_key_may_come_as_a_text() -> None:
    text = base64.b64encode(b"k" * 32).decode()
    assert key_text(f" {text}\n", "THERE").key_id == LocalKey(b"k" * 32).key_id
    with pytest.raises(KeyFileUnusable, match="THERE must hold 32 random bytes"):
        key_text("nonsense!", "THERE")
