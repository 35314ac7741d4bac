"""What is written without the interpreter's lock being given away."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest
from towpath._delivery.system_calls import write_at_once

if TYPE_CHECKING:
    from pathlib import Path


def test_any_bytes_are_written_where_the_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = bytes(range(256)) * 1000
    with path.open("wb", buffering=0) as file:
        assert write_at_once(file.fileno(), data, len(data)) == len(data)
        assert write_at_once(file.fileno(), b"\0after\0", 7) == 7
    assert path.read_bytes() == data + b"\0after\0"


def test_a_refusal_of_the_system_is_an_os_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file, pytest.raises(OSError, match="Bad file") as caught:
        write_at_once(file.fileno(), b"data", 4)
    assert caught.value.errno == errno.EBADF
    with (
        open("/dev/full", "wb", buffering=0) as full,  # noqa: PTH123 - a device of Linux
        pytest.raises(OSError, match="No space") as caught,
    ):
        write_at_once(full.fileno(), b"data", 4)
    assert caught.value.errno == errno.ENOSPC


def test_threads_that_write_and_fail_at_once_get_each_their_own_outcome() -> None:
    reader, writer = os.pipe()
    wrong: list[object] = []

    def fail() -> None:
        for _ in range(2000):
            try:
                wrong.append(write_at_once(reader, b"data", 4))
            except OSError as error:
                if error.errno != errno.EBADF:
                    wrong.append(error)

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(reader)
    os.close(writer)
    assert wrong == []
