"""YAML files and flags together, over one dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fast_nst.commands.parsing import parse, parse_given
from fast_nst.errors import UserError, UserNote
from fast_nst.options import check, option


@dataclass(kw_only=True)
class Options:
    """One command."""

    rate: float = option("how fast", 0.5, above=0)
    init: str = option("from where", "base", former=("start",))
    layers: list[str] = option("which", ["a"], commas=True)
    table: dict[str, Any] = option("anything", {}, metavar="KEY=VALUE")

    def __post_init__(self) -> None:
        check(self)


def parsed(*argv: str) -> Options:
    return parse(Options, argv, "x", None)


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str, name: str = "a.yaml") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_numbers_are_yaml_1_2s(file):
    path = file(
        "rate: 1e-3\ntable: {a: 1e-3, b: 12, c: 12:30:00, d: '7', e: 1.5, f: -.inf, g: on}\n"
    )
    found = parsed("--config", path)
    assert found.rate == 0.001
    values = {"a": 0.001, "b": 12, "c": "12:30:00", "d": "7", "e": 1.5, "f": -float("inf")}
    assert found.table == {**values, "g": True}


def test_entries_of_a_table_are_merged(file):
    first, second = file("table: {a: 1, b: 1}\n"), file("table: {b: 2, c: 2}\n", "b.yaml")
    flags = ["--table.c", "3", "--table.d=00:01:00:00", "--table", "e=[x, 1]"]
    found = parsed("--config", first, *flags, "--config", second)
    assert found.table == {"a": 1, "b": 2, "c": 3, "d": "00:01:00:00", "e": ["x", 1]}


def test_dates_are_text_and_tables_may_be_mappings(file):
    table = ["--table", '{"a": "00:01:00:00", "b": 2}', "--table.b", "3"]
    found = parsed("--config", file("table: {c: 1889-01-02}\n"), *table)
    assert found.table == {"a": "00:01:00:00", "b": 3, "c": "1889-01-02"}


def test_a_former_name_is_a_flag_and_a_key(file, capsys):
    with pytest.warns(UserNote, match=r"^--start is now --init; .* until version 2\.0$"):
        assert parsed("--start=x").init == "x"
    with pytest.warns(UserNote, match=r"^start is now init; "):
        assert parsed("--config", file("start: y\n")).init == "y"
    with pytest.warns(UserNote, match=r"^start is now init; "):
        assert parsed("--config", file("start: y\n"), "--init", "z").init == "z"
    with pytest.raises(SystemExit):
        parsed("--help")
    assert "--start" not in capsys.readouterr().out


def test_what_was_given_is_checked_and_told(file):
    path = file("layers: b,c\n")
    assert parse_given(Options, ["--config", path, "--rate", "0.5"], "x", None) == {
        "layers": ["b", "c"],
        "rate": 0.5,
    }
    assert parse_given(Options, ["--config", file("")], "x", None) == {}


@pytest.mark.parametrize(
    ("text", "flags", "word"),
    [
        ("{", "", "is not YAML"),
        ("- a", "", "has no keys"),
        ("rates: 1", "", "Did you mean 'rate'"),
        ("rate: [1]", "", "--rate is [1]: it must be a number"),
        ("rate: null", "", "--rate is empty"),
        ("7: 8", "", "unknown key '7'"),
        ("", "--table x", "give --table.KEY VALUE"),
        ("", "--table.x {", "is not YAML"),
        ("", "--table {", "give --table.KEY VALUE"),
        ("", "--table.x", "--table.x is empty"),
        ("", "--tabel.x 1", "Did you mean '--table'"),
        ("", "--config", "expected one argument"),
    ],
)
def test_mistakes(file, text: str, flags: str, word: str):
    with pytest.raises(UserError) as caught:
        parsed("--config", file(text), *flags.split())
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)
