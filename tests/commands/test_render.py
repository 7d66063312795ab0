from edge_infer.commands.render import table


def test_numbers_stand_right_and_words_left() -> None:
    text = table(
        [["a", "1.5 us", "yes"], ["long", "-", "no"], ["b", "12 us", "maybe"]], ["n", "t", "w"]
    )
    assert text.splitlines() == [
        "n          t  w",
        "----  ------  -----",
        "a     1.5 us  yes",
        "long       -  no",
        "b      12 us  maybe",
    ]


def test_no_rows_are_a_heading_alone() -> None:
    assert table([], ["a", "b"]).splitlines()[0].split() == ["a", "b"]
    assert table([]) == ""
