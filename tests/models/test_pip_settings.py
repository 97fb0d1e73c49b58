from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.core.errors import UsageError
from mien.models import pip_settings
from mien.models.pip_settings import PipSettings, read_pip_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without settings: every place that pip looks at is below this folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.delenv("PIP_CONFIG_FILE")
    real = pip_settings._files
    # /etc/pip.conf is the one place that no variable moves.
    monkeypatch.setattr(
        pip_settings, "_files", lambda environment: (path for path in real(environment) if path.parts[1] != "etc")
    )
    return tmp_path


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_nothing_set(home: Path) -> None:
    assert read_pip_settings() == PipSettings()


@pytest.mark.skipif(sys.platform != "linux", reason="pip's places on Linux")
def test_later_places_win(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    for place in (
        home / "site" / "pip" / "pip.conf",
        home / "home" / ".pip" / "pip.conf",
        home / "xdg" / "pip" / "pip.conf",
        home / "venv" / "pip.conf",
    ):
        _write(place, f"[global]\nindex-url = https://{len(seen)}.example/simple\n")
        seen.append(read_pip_settings().index_url)
    monkeypatch.setenv(
        "PIP_CONFIG_FILE", str(_write(home / "own.conf", "[global]\nindex_url = https://4.example/simple"))
    )
    seen.append(read_pip_settings().index_url)
    monkeypatch.setenv("PIP_INDEX_URL", "https://5.example/simple")
    seen.append(read_pip_settings().index_url)
    assert seen == [f"https://{i}.example/simple" for i in range(6)]


@pytest.mark.skipif(sys.platform != "linux", reason="pip's places on Linux")
def test_a_chosen_file_replaces_the_users_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(home / "xdg" / "pip" / "pip.conf", "[global]\nproxy = http://user.example\n")
    _write(home / "site" / "pip" / "pip.conf", "[global]\ncert = /site.pem\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(_write(home / "own.conf", "[global]\ntimeout = 7\n")))
    settings = read_pip_settings()
    assert (settings.proxy, settings.cert, settings.timeout) == (None, "/site.pem", 7.0)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert read_pip_settings().cert is None


def test_sections_and_lists(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PIP_CONFIG_FILE",
        str(
            _write(
                home / "own.conf",
                """
[global]
index-url = https://global.example/simple
extra-index-url = https://one.example/simple
    https://two.example/simple
trusted-host = one.example two.example:8080
no-index = true
proxy =
[install]
index-url = https://install.example/simple
[download]
index-url = https://download.example/simple
[freeze]
index-url = https://freeze.example/simple
""",
            )
        ),
    )
    monkeypatch.setenv("PIP_FIND_LINKS", "/a https://b.example/links")
    settings = read_pip_settings()
    assert settings.index_url == "https://download.example/simple"
    assert settings.extra_index_urls == ("https://one.example/simple", "https://two.example/simple")
    assert settings.trusted_hosts == ("one.example", "two.example:8080")
    assert settings.find_links == ("/a", "https://b.example/links")
    assert settings.no_index
    assert settings.proxy is None


def test_same_as_pip_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `pip config list` prints for the same files and variables."""
    config = "[global]\nextra-index-url = https://a.example/s\nproxy = http://p.example\n[install]\nfind-links = /l\n"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(_write(home / "own.conf", config)))
    monkeypatch.setenv("PIP_CERT", "/c.pem")
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = read_pip_settings()
    assert f"global.extra-index-url='{settings.extra_index_urls[0]}'" in listed
    assert f"global.proxy='{settings.proxy}'" in listed
    assert f"install.find-links='{settings.find_links[0]}'" in listed
    assert f":env:.cert='{settings.cert}'" in listed


@pytest.mark.parametrize(
    "text", ["no section", "[global]\nno-index = perhaps", "[global]\ntimeout = long", b"[global]\nproxy = \xff\xfe"]
)
def test_bad_files_are_one_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> None:
    path = home / "own.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    with pytest.raises(UsageError, match=r"^pip's (configuration file|setting) "):
        read_pip_settings()


def test_no_password_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@example.org/simple")
    assert "secret" not in repr(read_pip_settings())
