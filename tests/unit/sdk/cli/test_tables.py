from __future__ import annotations

import pytest
from towpath.cli.shared.tables import Column, cells, layout, printable, shortened


def columns() -> list[Column]:
    return [
        Column(title="ID", cells=["efjxreyv", "z1v8fha1"]),
        Column(title="STARTED", cells=["11-23 14:45:21", "-"], rank=2),
        Column(title="RAN", cells=["0.40s", "1m05s"], rank=1),
        Column(title="NAME", cells=["extract[7]", "a" * 60], most=36),
        Column(title="WHY", cells=["UPSTREAM_FAILED not run: load failed", ""]),
    ]


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 20])
def test_ids_are_whole_at_every_width_and_lines_fit(width: int) -> None:
    lines = layout(columns(), width=width)
    assert all(len(line) <= width for line in lines)
    assert lines[1].startswith("efjxreyv")
    assert lines[2].startswith("z1v8fha1")


def test_columns_go_before_anything_is_cut_the_least_needed_first() -> None:
    assert layout(columns(), width=200)[0].split() == ["ID", "STARTED", "RAN", "NAME", "WHY"]
    assert layout(columns(), width=70)[0].split() == ["ID", "RAN", "NAME", "WHY"]
    assert layout(columns(), width=60)[0].split() == ["ID", "NAME", "WHY"]


def test_a_table_of_nothing_is_its_header() -> None:
    assert layout([Column(title="ID", cells=[]), Column(title="WHY", cells=[])], width=80) == [
        "ID  WHY"
    ]


def test_columns_line_up_under_wide_and_combining_characters() -> None:
    lines = layout(
        [Column(title="N", cells=["abcd", "日本", "e\u0301"]), Column(title="W", cells=["x"] * 3)],
        width=80,
    )
    assert [cells(line) for line in lines] == [7, 7, 7, 7]


def test_names_cannot_move_the_cursor_or_break_the_line() -> None:
    assert printable("a\x1b[2Jb\x07\nc\td\x9b") == "a\ufffd[2Jb\ufffd c d\ufffd"
    assert printable("a\n\tb\x1bc", lines=True) == "a\n\tb\ufffdc"
    assert printable("lone \ud800") == "lone \ufffd"


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("日本語", 5) == "日本…"
