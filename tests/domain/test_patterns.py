from __future__ import annotations

import pickle

import pytest

from airflow_provider_wriftai.domain.patterns import (
    LONGEST_PATTERN,
    InvalidPatternError,
    Pattern,
    PatternTimeoutError,
)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("release", "a release", True),
        ("^release", "a release", False),
        ("(?i)RELEASE", "a release", True),
        (r"v\d+\.\d+$", "v1.20", True),
        (r"(?<!pre-)release", "pre-release", False),
        ("", "anything", True),
        # ``re`` would never finish this search.
        ("(a+)+$", "a" * 40 + "!", False),
    ],
)
def test_search_returns_whether_the_pattern_is_found(pattern: str, text: str, found: bool) -> None:
    assert Pattern("release_notes", pattern).search(text) is found


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "(a|a)*$", "^(a|b|aa)*[cd]$"])
def test_a_search_that_would_not_end_is_given_up(pattern: str) -> None:
    with pytest.raises(PatternTimeoutError, match="The search for protect_release_notes ") as caught:
        Pattern("protect_release_notes", pattern).search("a" * 250 + "!")
    assert repr(pattern) in str(caught.value)
    assert not caught.value.retryable
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


@pytest.mark.parametrize("pattern", ["(", "*", "[z-a]", "a{99999999999999999999}", "(" * 900 + ")" * 900])
def test_a_text_that_is_not_a_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="protect_release_notes must be a regular expression; got "):
        Pattern("protect_release_notes", pattern)


def test_a_pattern_that_would_take_long_to_compile_is_refused() -> None:
    with pytest.raises(InvalidPatternError, match=f"at most {LONGEST_PATTERN} characters; it has 14000"):
        Pattern("release_notes", "a{1000}" * 2000)


@pytest.mark.parametrize(
    "pattern", ["x{99999999}", "x{0,1000000}", "(?:ab{500}){5000}", "(?:(?:a{1000}){1000}){1000}", "(?=(x{200}){200})"]
)
def test_a_pattern_that_repeats_too_much_is_refused_before_it_is_compiled(pattern: str) -> None:
    with pytest.raises(InvalidPatternError, match="release_notes repeats too much"):
        Pattern("release_notes", pattern)


@pytest.mark.parametrize("pattern", ["x{255}", ".{0,4096}$", "(ab{10}){100}", "x{9,}", "(a|b){2}(?(1)c|d)*"])
def test_usual_repetitions_are_accepted(pattern: str) -> None:
    assert Pattern("release_notes", pattern).search("") in (True, False)


def test_what_python_refuses_is_refused() -> None:
    with pytest.raises(InvalidPatternError, match="redefinition of group name"):
        Pattern("release_notes", "(?P<x>a)(?P<x>b)")


def test_a_hostile_text_is_escaped() -> None:
    with pytest.raises(PatternTimeoutError) as caught:
        Pattern("release_notes", "(a|aa)+$").search("\n\x1b[31m::group::" + "a" * 250 + "!")
    assert not set("\n\x1b") & set(str(caught.value))
    assert "::" not in str(caught.value)


def test_patterns_are_compared_by_their_text() -> None:
    pattern = Pattern("release_notes", "a+")
    assert pattern == Pattern("protect_release_notes", "a+")
    assert hash(pattern) == hash(Pattern("release_notes", "a+"))
    assert pattern != Pattern("release_notes", "a*")
    assert pickle.loads(pickle.dumps(pattern)).search("a")  # noqa: S301
    assert repr(pattern) == "Pattern('release_notes', 'a+')"
