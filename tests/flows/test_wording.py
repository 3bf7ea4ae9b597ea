"""Results in words."""

from flows.wording import reason_table


def test_the_table_of_reasons_has_a_line_each_under_its_heading():
    assert reason_table({"wrong_image": 12, "blur": 3}, 200) == [
        "  reason       images  of scored",
        "  wrong image      12      6.0 %",
        "  blur              3      1.5 %",
    ]


def test_a_reason_is_no_markup_and_no_reason_is_no_table():
    assert reason_table({"[red]": 1}, 1)[1].split() == ["[red]", "1", "100.0", "%"]
    assert reason_table({}, 5) == []
