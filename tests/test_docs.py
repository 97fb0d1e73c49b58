"""The code in the README and the manual, run as a reader would: page by page, from top to bottom, in an empty folder.

``python`` blocks of a page share their variables; ``bash`` blocks run in the same folder. A comment ``# -> text``
behind an expression is held against what printing it gives (``...`` stands for anything). Left alone are ``bash``
blocks without the command ``mien`` (``make``, ``pip``), and what stands below a comment ``<!-- not run: why -->``.
``photo.jpg``, ``a.jpg``, ``b.jpg`` (one person), ``clip.mp4`` and ``photos`` are there.
"""

from __future__ import annotations

import ast
import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien import assets
from mien.core import errors

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(?P<skip><!-- not run: .+ -->\n+)?^```(?P<kind>python|bash)\n(?P<code>.*?)^```$", re.M | re.S)
EXPECTED = re.compile(r"#\s*->\s*(.+)$")


@dataclass(frozen=True)
class Block:
    """One fenced block: what it is, what stands in it, and the line of the page that its first line is."""

    kind: str
    code: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    for match in BLOCK.finditer(text):
        ours = match["kind"] == "python" or re.search(r"^mien ", match["code"], re.M)
        if ours and not match["skip"]:
            yield Block(match["kind"], match["code"], text.count("\n", 0, match.start("code")) + 1)


def run_python(block: Block, page: str, names: dict[str, Any]) -> None:
    """Run statement by statement, and hold each expression against the comment behind it."""
    lines = block.code.splitlines()
    tree = ast.parse(block.code, page)
    ast.increment_lineno(tree, block.line - 1)  # tracebacks tell the page's own lines
    for statement in tree.body:
        last = statement.end_lineno or statement.lineno
        wanted = EXPECTED.search(lines[last - block.line])
        if not isinstance(statement, ast.Expr):
            assert not wanted, f"{page}:{last}: '# ->' stands behind what is no expression"
            exec(compile(ast.Module([statement], []), page, "exec"), names)
            continue
        value = eval(compile(ast.Expression(statement.value), page, "eval"), names)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if wanted and not doctest.OutputChecker().check_output(f"{wanted[1]}\n", f"{value}\n", flags):
            pytest.fail(f"{page}:{last}: the page says {wanted[1]}, and it is {value}")


def run_bash(block: Block, page: str) -> None:
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", block.code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{page}:{block.line}: exit code {result.returncode}\n{result.stderr}"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of two people who move to the left."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = mien.load_image(assets.GROUP)
    with mien.VideoWriter(path, rate=25) as writer:
        for number in range(12):
            writer.write(np.ascontiguousarray(picture[:400, 4 * number : 4 * number + 600]), number / 25)
    return path


@pytest.fixture
def desk(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a few pictures, in which nothing of the user's own settings counts and nothing stays."""
    shutil.copyfile(clip, tmp_path / "clip.mp4")
    for name, picture in {"photo": assets.GROUP, "a": assets.PAIRS[0][0], "b": assets.PAIRS[0][1]}.items():
        shutil.copyfile(picture, tmp_path / f"{name}.jpg")
    shutil.copytree(assets.FOLDER, tmp_path / "photos", ignore=shutil.ignore_patterns("*.py", "*.md", "__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("MIEN_DEVICE", "MIEN_LICENSES", "MIEN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    mien.set_default_engine(None)
    yield tmp_path
    mien.set_default_engine(None)


@pytest.mark.weights
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.usefixtures("desk")
def test_the_code_of_the_page_runs(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.kind == "python":
            run_python(block, page.name, names)
        else:
            run_bash(block, page.name)


def test_the_reference_lists_every_public_name() -> None:
    listed = set(re.findall(r"^   mien\.(\w+)$", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), re.M))
    assert listed == set(mien.__all__) - set(errors.__all__) - {"__version__"}


@pytest.mark.slow
def test_the_manual_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    build = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-E", "-b", "html"]
    result = subprocess.run([*build, ROOT / "docs", tmp_path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


PAGE = """text

```python
x = 1
x + 1  # -> 2
```

<!-- not run: a reason -->
```bash
mien doctor
```
```bash
make demo
```
```toml
x
```
"""


def test_blocks_are_found_with_their_lines() -> None:
    assert list(blocks(PAGE)) == [Block("python", "x = 1\nx + 1  # -> 2\n", 4)]


def test_what_the_page_says_is_held_against_what_it_is() -> None:
    run_python(Block("python", "x = 'photo of 8 faces'\nx  # -> photo of ... faces\n", 4), "page.md", {})
    with pytest.raises(pytest.fail.Exception, match=r"page.md:5: the page says 3, and it is 2"):
        run_python(Block("python", "x = 1\nx + 1  # -> 3\n", 4), "page.md", {})
    with pytest.raises(AssertionError, match=r"page.md:4: exit code 1"):
        run_bash(Block("bash", "false\n", 4), "page.md")
