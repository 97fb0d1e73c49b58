"""``mien doctor``: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_json, takes_engine
from mien.core.errors import MienError

if TYPE_CHECKING:
    from mien.engine import Engine


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, whether it is as it should be, and what was seen."""

    subject: str
    ok: bool
    seen: str


@takes_engine
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    engine: Engine,
) -> None:
    """Check this machine: versions, devices, cache, models, and one real run on a shipped photo."""
    findings = [_check(subject, look) for subject, look in _LOOKS.items()]
    findings.append(_check("run", functools.partial(_run, engine)))
    findings += _devices()
    for finding in findings:
        if json:
            print_json(finding.__dict__)
        else:
            print(f"{'ok ' if finding.ok else 'NO '} {finding.subject:12} {finding.seen}")
    if not all(finding.ok for finding in findings if not finding.subject.startswith("device ")):
        raise typer.Exit(1)


def _check(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, look())
    except (MienError, ImportError, OSError) as error:
        return Finding(subject, False, str(error))


def _versions() -> str:
    from importlib.metadata import version

    names = ("mien", "numpy", "opencv-python-headless", "pillow", "openvino")
    return f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {version(name)}" for name in names)


def _machine() -> str:
    from mien.runtime.session import SessionOptions

    return f"{platform.system()} {platform.machine()}, {SessionOptions().thread_count} cores for this process"


def _cache() -> str:
    import shutil

    from mien.models.store import cache_folder

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".doctor"
    probe.write_bytes(b"")
    probe.unlink()
    return f"{folder} can be written, {shutil.disk_usage(folder).free / 1e9:.0f} GB free"


def _models() -> str:
    from mien.models.catalogue import Catalogue
    from mien.models.store import Store

    store, cards = Store(offline=True), list(Catalogue.load())
    here = [card.id for card in cards if all(store.has(file) for file in card.files.values())]
    wrong = [model for model, files in store.verify(cards).items() if "wrong" in files.values()]
    if wrong:
        raise MienError(f"damaged in the cache: {', '.join(wrong)}; `mien models pull` fetches them anew.")
    return f"{len(here)} of {len(cards)} here: {', '.join(here) or 'none yet'}"


def _run(engine: Engine) -> str:
    import time

    from mien import assets

    start = time.perf_counter()
    faces = engine.analyze(assets.GROUP, want={"pose"})
    took = time.perf_counter() - start
    device = engine.info()["device"]
    if not len(faces):
        raise MienError(f"no face was found on the shipped photo {assets.GROUP.name}: something is badly wrong.")
    return f"{len(faces)} faces with pose in {took:.2f} s, models loaded, on {device}"


_LOOKS: dict[str, Callable[[], str]] = {
    "versions": _versions,
    "machine": _machine,
    "cache": _cache,
    "models": _models,
}


def _devices() -> Iterator[Finding]:
    """Report each device of the table; one that is missing is no fault of the installation."""
    from mien.runtime.session import DEVICES, resolve_device

    for name, row in DEVICES.items():
        untested = "" if row.tested else " (untested by us)"
        finding = _check(f"device {name}", lambda name=name: f"{resolve_device(name).target}")  # type: ignore[misc]
        yield Finding(finding.subject, finding.ok, finding.seen + untested)
