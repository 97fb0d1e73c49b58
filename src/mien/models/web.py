"""The network as the user's pip reaches it: one HTTP client with the user's settings.

The client is ``httpx2``, by way of unearth's ``PyPIClient``: unearth depends on it anyway, it reads ``file:`` indexes,
knows trusted hosts and sends an index's password to that index only. It is imported when first needed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import UsageError, WeightsUnavailable
from mien.models.pip_settings import PipSettings, read_pip_settings

if TYPE_CHECKING:
    import httpx2
    from unearth.fetchers import PyPIClient

__all__ = ["ATTEMPTS", "Web", "content_range", "get", "pause", "redacted", "refuse_unless_ok"]

ATTEMPTS = 4
"""How often a broken connection is made anew before we give up."""

_PAUSE = 0.25  # seconds before the first new attempt; doubles with each


class Web:
    """The network as the user's pip reaches it. Nothing is read or opened before something is asked.

    Parameters
    ----------
    offline
        Refuse every use.
    """

    def __init__(self, *, offline: bool = False) -> None:
        self._offline = offline
        self._stack = ExitStack()

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @cached_property
    def settings(self) -> PipSettings:
        """The settings of the user's pip."""
        return read_pip_settings()

    @cached_property
    def client(self) -> PyPIClient:
        """The HTTP client.

        Raises
        ------
        WeightsUnavailable
            Offline.
        UsageError
            A certificate file that cannot be used.
        """
        if self._offline:
            raise WeightsUnavailable("not in the cache, and offline is set.")
        return self._stack.enter_context(_connect(self.settings))


def _connect(settings: PipSettings) -> PyPIClient:
    import ssl

    import httpx2
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers import PyPIClient

    verify: ssl.SSLContext | bool = True
    if settings.cert or settings.client_cert:
        try:
            folder = bool(settings.cert) and Path(str(settings.cert)).is_dir()
            verify = ssl.create_default_context(
                cafile=None if folder else settings.cert, capath=settings.cert if folder else None
            )
            if settings.client_cert:
                verify.load_cert_chain(settings.client_cert)
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(f"pip's certificate setting cannot be used: {str(error).rstrip('.')}.") from None
    # unearth mounts trusted hosts without a proxy, so the proxied, unchecked transport for them is given here.
    mounts = {}
    if settings.proxy:
        unchecked = httpx2.HTTPTransport(verify=False, proxy=settings.proxy)
        mounts = {f"all://{host}": unchecked for host in settings.trusted_hosts}
    client = PyPIClient(
        trusted_hosts=settings.trusted_hosts,
        verify=verify,
        timeout=settings.timeout,
        proxy=settings.proxy,
        mounts=mounts,
        follow_redirects=True,
    )
    indexes = [url for url in (settings.index_url, *settings.extra_index_urls) if url]
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=indexes)
    return client


def redacted(text: str) -> str:
    """Return an address or message without user names, passwords and query strings, which may hold tokens."""
    return re.sub(r"\?[^\s'\"]*", "", re.sub(r"//[^/@\s]+@", "//***@", text))


@contextmanager
def get(client: httpx2.Client, url: str, byte_range: str | None) -> Iterator[httpx2.Response]:
    """Stream a GET, with errors from the server as `WeightsUnavailable` and no passwords in them."""
    import httpx2

    # Offsets must count the file's own bytes, so the server is asked not to compress them in transit.
    headers = {"Accept-Encoding": "identity"} | ({"Range": byte_range} if byte_range else {})
    try:
        with client.stream("GET", url, headers=headers) as response:
            yield response
    except httpx2.TransportError:
        raise
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise WeightsUnavailable(f"{redacted(url)}: {redacted(str(error)).rstrip('.')}.") from None


def refuse_unless_ok(response: httpx2.Response, url: str) -> None:
    """Raise `WeightsUnavailable` for an answer that is neither a file nor a part of one."""
    status = response.status_code
    if status in (404, 410):
        raise WeightsUnavailable(f"{redacted(url)}: not found ({status}).")
    if status not in (200, 206):
        raise WeightsUnavailable(f"{redacted(url)}: the server refuses ({status} {response.reason_phrase}).")


def content_range(response: httpx2.Response) -> tuple[int, int]:
    """Return the first byte and the file's size as the server states them; -1 for what it does not state."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    first, total = match.groups() if match else (None, None)
    return int(first or -1), int(total) if total and total != "*" else -1


def pause(failures: int) -> None:
    """Wait a little after a failed attempt, and longer after each further one."""
    time.sleep(_PAUSE * 2 ** (failures - 1))
