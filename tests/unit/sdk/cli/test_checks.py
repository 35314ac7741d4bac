from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from towpath.cli.local import checks as _checks

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "verdict", "says"),
    [
        (0.5, "ok", "0.50s"),
        (-0.5, "ok", "0.50s"),
        (90, "warning", "1m30s behind the server"),
        (-90, "warning", "1m30s ahead of the server"),
    ],
)
def test_clocks_that_differ_are_told_with_the_direction(
    seconds: float, verdict: str, says: str
) -> None:
    check = _checks._skew_check(NOW + timedelta(seconds=seconds), NOW)
    assert check.verdict == verdict
    assert says in check.text


@pytest.mark.parametrize(
    ("server", "minimum", "verdicts"),
    [
        ("1.4.2", "", []),
        ("1.4.9", "1.4.2", []),
        ("1.5.0", "", ["warning"]),
        ("2.0.0", "1.10.0", ["failed"]),
    ],
)
def test_versions_are_compared_by_number(
    monkeypatch: pytest.MonkeyPatch, server: str, minimum: str, verdicts: list[str]
) -> None:
    monkeypatch.setattr(_checks, "version", lambda _: "1.4.2")
    checks = list(_checks._version_checks(server, minimum, ""))
    assert [check.verdict for check in checks] == verdicts
    assert all(check.fix for check in checks)
