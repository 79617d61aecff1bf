"""Dataclass fields as flags."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, dataclass

import pytest

from fast_nst.options import add_options, option, positional


@dataclass
class Options:
    words: list[str] = positional("some words", metavar="WORD")
    out: str = option("where to", MISSING, "-o")
    count: int | None = option("how many", None, metavar="N")
    rate: float = option("how fast", 0.5)
    layers: list[str] = option("which", ["a", "b"])
    sizes: list[int] = option("how large", [1, 2])
    style: list[str] = option("each", [], repeat=True)
    loud: bool = option("say more", False)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)


def parse(*argv: str) -> Options:
    parser = Parser()
    add_options(parser, Options)
    return Options(**vars(parser.parse_args(argv)))


def test_defaults_are_the_dataclass_own():
    assert parse("a", "-o", "x") == Options(["a"], "x")
    assert Options(["a"], "x").layers is not Options(["a"], "x").layers


def test_values_have_their_types():
    given = parse(
        "a", "b", "-o", "x", "--count", "3", "--rate", "2", "--layers", "p,q", "r",
        "--sizes", "4,5", "--style", "s,1", "--style", "t", "--loud",
    )  # fmt: skip
    assert given == Options(["a", "b"], "x", 3, 2.0, ["p", "q", "r"], [4, 5], ["s,1", "t"], True)


def test_what_is_required_and_what_has_no_number():
    with pytest.raises(ValueError, match="required: -o/--out"):
        parse("a")
    with pytest.raises(ValueError, match="invalid int value: 'many'"):
        parse("a", "-o", "x", "--sizes", "many")


def test_help_has_meaning_default_and_note():
    parser = argparse.ArgumentParser()
    add_options(parser, Options, rate="; faster is worse")
    text = " ".join(parser.format_help().split())
    assert "how fast; faster is worse (default: 0.5)" in text
    assert "which (default: a b)" in text
    assert "how many" in text
    assert "(default: None)" not in text
    assert "-o OUT, --out OUT" in text
