"""The files of queries are read as named blocks, and what is not in order is refused by file and block."""

import pytest

from mlops.db.statements import collect, named_blocks, statement

ORDERLY = """-- One subject.

-- name: first_one
-- the number one
select 1

-- name: second_one
-- two
select 2
"""
NO_SUBJECT = r"numbers\.sql: before its first block stands one line"


def test_blocks_go_from_their_first_line_to_their_last():
    found = collect([("numbers.sql", ORDERLY)])
    assert [(one.name, one.file, one.text) for one in found.values()] == [
        ("first_one", "numbers.sql", "-- the number one\nselect 1\n"),
        ("second_one", "numbers.sql", "-- two\nselect 2\n"),
    ]


def test_blank_lines_and_comments_inside_a_block_are_its_own():
    text = "-- One subject.\n\n-- name: both\n-- two statements\nselect 1;\n\n-- and more\nselect 2;\n"
    assert collect([("numbers.sql", text)])["both"].text == "-- two statements\nselect 1;\n\n-- and more\nselect 2;\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ORDERLY.replace("second_one", "first_one"), r"numbers\.sql: the block first_one stands in numbers\.sql, too"),
        (ORDERLY.replace("-- One subject.\n", ""), NO_SUBJECT),
        (ORDERLY.replace("-- One subject.", "select 0"), NO_SUBJECT),
        ("", NO_SUBJECT),
        (ORDERLY.replace("name: first_one", "name:"), NO_SUBJECT),
        (
            ORDERLY.replace("name: second_one", "name:"),
            r"numbers\.sql: in the block first_one, '-- name:' is no marker",
        ),
        (ORDERLY.replace("-- name: second", "--name: second"), r"in the block first_one, '--name: second_one' is no"),
        (ORDERLY.replace("second_one", "second one"), r"in the block first_one, '-- name: second one' is no marker"),
        (ORDERLY.replace("-- two\n", ""), r"numbers\.sql: the first line of the block second_one does not say"),
        (ORDERLY.replace("select 2\n", "-- later\n"), r"numbers\.sql: the block second_one is empty"),
    ],
    ids=[
        "twice",
        "no subject",
        "code first",
        "empty file",
        "nameless",
        "next nameless",
        "misspelt",
        "spaced",
        "mute",
        "no SQL",
    ],
)
def test_what_is_not_in_order_is_refused_by_file_and_block(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        collect([("numbers.sql", text)])


def test_a_name_stands_in_one_file():
    with pytest.raises(ValueError, match=r"^b\.sql: the block first_one stands in a\.sql, too$"):
        collect([("a.sql", ORDERLY), ("b.sql", ORDERLY)])


def test_a_block_that_is_not_there_is_named():
    with pytest.raises(LookupError, match="`-- name: no_such_query`"):
        statement("no_such_query")


def test_files_are_read_once():
    assert named_blocks() is named_blocks()
    assert statement("now") is statement("now")
