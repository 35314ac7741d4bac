"""The job template of a run, with what its deployment and itself change."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_service.work.domain.jobs import merge, merged_template

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


# The examples of RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('["a","b"]', '["c","d"]', '["c","d"]'),
        ('{"a":"b"}', '["c"]', '["c"]'),
        ('{"a":"foo"}', "null", "null"),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    ],
)
def test_patches_merge_as_the_rfc_says(target: str, patch: str, result: str) -> None:
    assert merge(json.loads(target), json.loads(patch)) == json.loads(result)


@given(JSON, JSON)
def test_merging_twice_changes_nothing_more_and_leaves_the_parts_as_they_are(
    target: object, patch: object
) -> None:
    before = json.dumps([target, patch])
    once = merge(target, patch)
    assert merge(once, patch) == once
    assert json.dumps([target, patch]) == before


def test_the_run_has_the_last_word() -> None:
    merged = merged_template(
        '{"env":{"A":"pool","B":"pool"},"cpu":1}',
        ['{"env":{"B":"deployment"}}', "", '{"env":{"A":null},"cpu":2}'],
    )
    assert json.loads(merged) == {"env": {"B": "deployment"}, "cpu": 2}
    assert merged_template("", []) == "{}"


@pytest.mark.parametrize("text", ["[]", "1", '"a"', "{"])
def test_a_template_is_an_object(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        merged_template("{}", [text])
