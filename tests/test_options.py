"""Dataclass fields as flags, their ranges, and what is said where they are not kept."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_nst.commands.parsing import parse
from fast_nst.errors import UserError
from fast_nst.options import Parser, add_options, check, option, parse_flags, positional


@dataclass(kw_only=True)
class Shared:
    """What many share."""

    pooling: str = option("how to pool", "max", choices=("max", "avg"))


@dataclass(kw_only=True)
class Options(Shared):
    """One command."""

    words: list[str] = positional("some words", metavar="WORD")
    out: str = option("where to", MISSING, "-o")
    count: int | None = option("how many", None, metavar="N", least=1)
    rate: float = option("how fast", 0.5, least=0, most=1)
    weight: float = option("how heavy", 2.0, above=0)
    layers: list[str] = option("which", ["a", "b"], commas=True)
    sizes: list[int] = option("how large", [1, 2], least=1, commas=True)
    style: list[str] = option("each", [], repeat=True)
    loud: bool = option("say more", False)

    def __post_init__(self) -> None:
        check(self)


def light(*argv: str) -> Options:
    return parse_flags(Options, argv, "x", None)


def heavy(*argv: str) -> Options:
    return parse(Options, argv, "x", None)


both = pytest.mark.parametrize("parsed", [light, heavy])


@both
def test_defaults_are_the_dataclass_own(parsed):
    assert parsed("a", "-o", "x") == Options(words=["a"], out="x")
    assert Options(words=["a"], out="x").layers is not Options(words=["a"], out="x").layers


@both
def test_values_have_their_types(parsed):
    found = parsed(
        "a", "b", "-o", "x", "--count", "3", "--rate", "1", "--layers", "p,q", "r",
        "--sizes", "4,5", "--style", "s,1", "--style", "t", "--loud", "--pooling=avg",
    )  # fmt: skip
    assert found == Options(
        words=["a", "b"],
        out="x",
        count=3,
        rate=1.0,
        layers=["p", "q", "r"],
        sizes=[4, 5],
        style=["s,1", "t"],
        loud=True,
        pooling="avg",
    )
    assert isinstance(found.rate, float)


@both
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["a"], "required: -o/--out (see x --help)"),
        (["-o", "x"], "required: WORD (see x --help)"),
        (["a", "-o"], "argument -o/--out: expected one argument"),
        (["a", "-o", "x", "-z"], "unrecognized arguments: -z"),
        (["a", "-o", "x", "--cuont", "3"], "unknown flag '--cuont'. Did you mean '--count'?"),
        (["a", "-o", "x", "--count", "many"], "--count is 'many': it must be a whole number"),
        (["a", "-o", "x", "--count", "1.5"], "--count is '1.5': it must be a whole number"),
        (["a", "-o", "x", "--count", "0"], "--count is 0: it must be at least 1"),
        (["a", "-o", "x", "--rate", "-4"], "--rate is -4: it must be from 0 to 1"),
        (["a", "-o", "x", "--rate", "nan"], "--rate is nan: it must be from 0 to 1"),
        (["a", "-o", "x", "--weight", "inf"], "--weight is inf: it must be a number above 0"),
        (["a", "-o", "x", "--sizes", "3", "0"], "--sizes is 0: it must be at least 1"),
        (["a", "-o", "x", "--pooling", "mix"], "unknown pooling 'mix'"),
    ],
)
def test_both_parsers_say_the_same_of_mistakes(parsed, argv: list[str], message: str):
    with pytest.raises(UserError) as caught:
        parsed(*argv)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@both
def test_help_has_meaning_range_and_default(parsed, capsys):
    with pytest.raises(SystemExit) as caught:
        parsed("--help")
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "how fast (default: 0.5)" in text
    assert "which (default: a,b)" in text
    assert "how many --" in text  # nothing is added where there is no default
    assert "--pooling {max,avg} how to pool (default: max)" in text
    assert "-o OUT, --out OUT" in text
    assert text.index("how heavy") < text.index("What many share:") < text.index("how to pool")


def test_notes_are_added_to_the_help():
    parser = Parser()
    add_options(parser, Options, rate="; 100% is most")
    assert "how fast; 100% is most (default: 0.5)" in " ".join(parser.format_help().split())


@given(st.one_of(st.integers(-5, 5), st.floats(-5, 5), st.booleans(), st.text(max_size=3)))
def test_check_accepts_what_is_in_range_and_nothing_else(value: Any):
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = None
    fits = number is not None and not isinstance(number, bool) and 0 <= number <= 1
    try:
        assert Options(words=["a"], out="x", rate=value).rate == number
        assert fits
    except UserError:
        assert not fits


def test_words_after_a_double_dash_are_no_flags():
    assert light("-o", "x", "--", "--count").words == ["--count"]


def test_a_light_parser_raises_instead_of_exiting():
    with pytest.raises(UserError, match=r"see x --help"):
        Parser(prog="x").parse_args(["--none"])
    assert isinstance(Parser(), argparse.ArgumentParser)
