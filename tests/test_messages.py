"""Each message of an error of ours is a sentence: it ends with one full stop, or a question mark."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mien.core.errors

ROOT = Path(mien.core.errors.__file__).parents[1]
OURS = frozenset(mien.core.errors.__all__)


def _names(node: ast.expr | None) -> set[str]:
    """The names of exceptions in an ``except`` clause."""
    return {leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name)} if node else set()


def _raised(tree: ast.AST, whole: frozenset[str] = frozenset()) -> Iterator[tuple[int, ast.expr, frozenset[str]]]:
    """Line and message of each error of ours that is made, and the names that hold errors of ours there."""
    if isinstance(tree, ast.ExceptHandler) and tree.name and _names(tree.type) and _names(tree.type) <= OURS:
        whole |= {tree.name}
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in OURS and tree.args:
        yield tree.lineno, tree.args[0], whole
    for child in ast.iter_child_nodes(tree):
        yield from _raised(child, whole)


def _is_sentence(message: ast.expr, whole: frozenset[str]) -> bool:
    """Tell whether a text ends with one full stop; a message that is no text here is not judged."""
    *before, last = message.values if isinstance(message, ast.JoinedStr) else [message]
    if isinstance(last, ast.FormattedValue):
        # Another error's message ends as that one does; and after a full stop there may be one sentence more or none.
        of_another = isinstance(last.value, ast.Name) and last.value.id in whole
        return of_another or bool(before and isinstance(before[-1], ast.Constant) and _is_sentence(before[-1], whole))
    if not isinstance(last, ast.Constant):
        return not isinstance(message, ast.JoinedStr)
    text = str(last.value)
    return text.endswith((".", "?")) and not text.endswith(("..", ".?"))


def _wrong(code: str) -> list[int]:
    return [line for line, message, whole in _raised(ast.parse(code)) if not _is_sentence(message, whole)]


@pytest.mark.parametrize("room", sorted(path.name for path in ROOT.iterdir() if path.is_dir()))
def test_messages_are_sentences(room: str) -> None:
    wrong = {path: lines for path in (ROOT / room).rglob("*.py") if (lines := _wrong(path.read_text(encoding="utf-8")))}
    assert not wrong, "messages without their full stop"


@pytest.mark.parametrize(
    ("code", "fine"),
    [
        ("raise UsageError('no')", False),
        ("raise UsageError('no.')", True),
        ("raise UsageError('no..')", False),
        ("raise UsageError('no?')", True),
        ("raise UsageError(f'{x} no')", False),
        ("raise UsageError(f'no {x}')", False),
        ("raise UsageError(f'no {x}.')", True),
        ("raise UsageError(f'no.{hint}')", True),
        ("error = UsageError('no')", False),
        ("raise ValueError('no')", True),
        ("try: f()\nexcept CardError as error: raise CardError(f'x: {error}')", True),
        ("try: f()\nexcept OSError as error: raise CardError(f'x: {error}')", False),
    ],
)
def test_the_check_itself(code: str, fine: bool) -> None:
    assert bool(_wrong(code)) is not fine
