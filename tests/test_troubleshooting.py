"""docs/troubleshooting.md explains every error message, and every message on the page exists."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import airflow_provider_wriftai
from airflow_provider_wriftai.client.errors import _ADVICE_BY_STATUS, RequestError
from tests.support.public_names import errors

PACKAGE = Path(airflow_provider_wriftai.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "troubleshooting.md").read_text()
GAP = "…"
# These errors become parts of the message of a ConfigurationError.
PARTS_OF_MESSAGES = frozenset({"_InvalidFieldError"})
# For these errors, the instance states whether a retry can help.
PER_INSTANCE = frozenset({"UnresolvedPublishError", "PruneIncompleteError"})
WARNINGS = ("The create request had", "and … are versions of the same", "While this task created", "does not report")


def _name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _text_of(node: ast.expr) -> str:
    """Return the constant parts of a text expression, with a gap for each other part."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_text_of, parts))
        case ast.BinOp(left=left, right=right):
            return _text_of(left) + _text_of(right)
        case _:
            return GAP


def _error_names() -> set[str]:
    return {cls.__name__ for cls in errors()} | PARTS_OF_MESSAGES


def _composes_its_message(cls: ast.ClassDef) -> bool:
    return any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in cls.body)


def _is_message(text: str) -> bool:
    constant = text.replace(GAP, "")
    is_text = len(re.findall(r"[A-Za-z]{2,}", constant)) >= 2
    return is_text and (constant.rstrip().endswith((".", ":")) or text.endswith(GAP))


def _messages() -> dict[str, str]:
    """Return the messages of all errors in the source code: the place of each, by its text."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in path.parts}
    names = _error_names()
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    composing = {cls.name for cls in classes if cls.name in names and _composes_its_message(cls)}
    # The text of this base class is only used by its subclasses.
    composing -= {"ConnectionFailedError"}
    found: dict[str, str] = {}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            texts: list[ast.expr] = []
            match node:
                case ast.Call(func=func, args=args) if _name_of(func) in names - composing:
                    texts = args
                case ast.ClassDef(name=name, body=body) if name in names:
                    texts = [
                        each.value
                        for each in body
                        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
                    ]
                    calls = [call for each in body for call in ast.walk(each) if isinstance(call, ast.Call)]
                    texts += [
                        arg
                        for call in calls
                        if _name_of(call.func) == "__init__" and name in composing
                        for arg in call.args
                    ]
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.endswith("_ADVICE"):
                    texts = [value]
            for text in map(_text_of, texts):
                if _is_message(text):
                    found.setdefault(text, f"{path.relative_to(PACKAGE)}: {text}")
    return found


def _rows() -> list[str]:
    tables = PAGE.partition("## Errors by class")[0]
    return re.findall(r"^\| `([^`]+)` \| .+ \|$", tables, re.MULTILINE)


def _pattern(text: str) -> str:
    return ".*?".join(map(re.escape, re.split(rf"{GAP}+", text)))


def _fits(row: str, message: str) -> bool:
    """Return whether a row is about a message. The row may omit parts of the message, or fill its gaps."""
    return bool(re.fullmatch(_pattern(row), message, re.DOTALL) or re.search(_pattern(message), row, re.DOTALL))


MESSAGES = _messages()


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 100


@pytest.mark.parametrize("message", MESSAGES, ids=MESSAGES.values())
def test_every_message_is_explained(message: str) -> None:
    assert [row for row in _rows() if _fits(row, message)]


@pytest.mark.parametrize("row", _rows())
def test_every_explanation_is_about_a_message(row: str) -> None:
    if any(text in row for text in ("failed with", "failed: ", "had no complete")) or any(
        text in row for text in WARNINGS
    ):
        return
    assert [message for message in MESSAGES if _fits(row, message)]


@pytest.mark.parametrize("advice", sorted({cls.advice for cls in errors() if issubclass(cls, RequestError)} - {""}))
def test_all_advice_is_on_the_page(advice: str) -> None:
    assert advice in PAGE


@pytest.mark.parametrize("advice", _ADVICE_BY_STATUS.values())
def test_all_advice_by_status_is_on_the_page(advice: str) -> None:
    assert advice in PAGE


def test_no_message_is_explained_twice() -> None:
    assert [row for row, times in Counter(_rows()).items() if times > 1] == []


def test_every_error_is_listed_with_what_it_does_to_a_task() -> None:
    table = PAGE.partition("## Errors by class")[2]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+?)(?:[:,] .*)? \|$", table, re.MULTILINE))
    expected = {
        cls.__name__: "depends" if cls.__name__ in PER_INSTANCE else "retried" if cls.retryable else "fails at once"
        for cls in errors()
    }
    assert listed == expected
