from towpath_auth.credentials import Peppers, new_user_code, read_user_code, shown_user_code


def test_a_code_is_read_back_however_it_is_typed() -> None:
    codes = {new_user_code() for _ in range(200)}
    assert len(codes) == 200
    for code in codes:
        shown = shown_user_code(code)
        assert (len(shown), shown[4]) == (9, "-")
        for typed in (code, shown, shown.lower(), f" {code[:2]} {code[2:]} "):
            assert read_user_code(typed) == code


def test_what_is_no_code_is_none() -> None:
    for typed in ("", "BCDF-GHJ", "BCDF-GHJKL", "ABCD-EFGH", "BCDF_GHJK", "ßBCDFGHJ"):
        assert read_user_code(typed) is None


def test_an_id_follows_from_a_text_and_the_pepper() -> None:
    one, two = (
        Peppers(by_version={1: key * 32, 2: b"new" * 11}, current=1) for key in (b"a", b"b")
    )
    assert one.key_ids_for("token") == one.key_ids_for("token")
    firsts = {one.key_ids_for("token")[0], one.key_ids_for("tokem")[0], two.key_ids_for("token")[0]}
    assert len(firsts) == 3
    assert {len(key_id) for key_id in one.key_ids_for("token")} == {16}


def test_a_text_is_known_again_under_another_pepper() -> None:
    known = {1: b"a" * 32, 2: b"b" * 32, 3: b"c" * 32}
    before, after = Peppers(by_version=known, current=1), Peppers(by_version=known, current=2)
    assert before.key_ids_for("token")[0] != after.key_ids_for("token")[0]
    assert set(before.key_ids_for("token")) == set(after.key_ids_for("token"))
    assert len(set(after.key_ids_for("token"))) == 3
