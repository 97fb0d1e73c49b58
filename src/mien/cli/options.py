"""What several commands share: the engine's options, progress on a terminal, and how values are split and printed."""

from __future__ import annotations

import functools
import inspect
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from mien.core.errors import LicenseRefused, UsageError, WeightsUnavailable
from mien.core.fields import all_events, all_fields, check_want

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mien.engine import Engine
    from mien.engine.searching import Region, Tiles

__all__ = [
    "DownloadProgress",
    "parse_region",
    "parse_tiles",
    "parse_want",
    "print_failure",
    "print_json",
    "progress_bar",
    "takes_engine",
]

ENGINE_PANEL = "Engine"


def _engine_options(
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, gpu, npu ...", envvar="MIEN_DEVICE", rich_help_panel=ENGINE_PANEL)
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads in all.", min=1, envvar="MIEN_THREADS", rich_help_panel=ENGINE_PANEL)
    ] = None,
    licenses: Annotated[
        Literal["any", "commercial", "strict"],
        typer.Option(
            help="Models to allow: any; weights that permit commercial use; training data too.",
            envvar="MIEN_LICENSES",
            rich_help_panel=ENGINE_PANEL,
        ),
    ] = "any",
    offline: Annotated[
        bool, typer.Option("--offline", help="No network.", envvar="MIEN_OFFLINE", rich_help_panel=ENGINE_PANEL)
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Use this model: FIELD=ID, such as embedding=sface. Repeatable.", rich_help_panel=ENGINE_PANEL
        ),
    ] = None,
) -> Engine:
    from mien.engine import Engine

    chosen = {}
    for pair in model or []:
        field, equals, model_id = pair.partition("=")
        if not equals:
            raise UsageError(f"--model takes FIELD=ID, such as detect=scrfd-500m; got {pair!r}.")
        chosen[field] = model_id
    return Engine(
        device=device, threads=threads, licenses=licenses, offline=offline, models=chosen, progress=DownloadProgress()
    )


def takes_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the engine's options; it receives the engine that they describe as `engine`."""

    @contextmanager
    def make(**options: Any) -> Iterator[dict[str, Any]]:
        with _engine_options(**options) as engine:
            yield {"engine": engine}

    return _with_engine_options(command, "engine", make)


def takes_engines(field: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same for a command that compares models of a field: it receives `engines`, one for each --model FIELD=ID."""

    @contextmanager
    def make(**options: Any) -> Iterator[dict[str, Any]]:
        pairs: list[str] = options.pop("model") or []
        compared = [[pair] for pair in pairs if pair.partition("=")[0] == field] or [[]]
        others = [pair for pair in pairs if pair.partition("=")[0] != field]
        with ExitStack() as stack:
            yield {
                "engines": [stack.enter_context(_engine_options(**options, model=[*others, *one])) for one in compared]
            }

    return lambda command: _with_engine_options(command, "engines", make)


def _with_engine_options(
    command: Callable[..., None], receives: str, make: Callable[..., AbstractContextManager[dict[str, Any]]]
) -> Callable[..., None]:
    own = _signature(command)
    options = _signature(_engine_options).parameters

    @functools.wraps(command)
    def run(**values: Any) -> None:
        with make(**{name: values.pop(name) for name in options}) as engines:
            command(**values, **engines)

    # Engine options stand last in the help, and all are keywords: the order of parameters is typer's own business.
    kept = [parameter for name, parameter in own.parameters.items() if name != receives]
    signature = own.replace(parameters=[*kept, *options.values()])
    run.__signature__ = signature  # type: ignore[attr-defined] # typer reads the options from here
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run


def _signature(function: Callable[..., object]) -> inspect.Signature:
    # `Engine` is a name for type checkers only here: evaluating it would import all of the engine for a --help.
    function.__annotations__ = {
        k: v for k, v in function.__annotations__.items() if v not in {"Engine", "list[Engine]"}
    }
    return inspect.signature(function, eval_str=True)


def parse_want(text: str, engine: Engine, *, temporal: bool = False) -> frozenset[str]:
    """Field names of a comma-separated list.

    "all" is every field that a model of the catalogue gives and the engine's licenses permit, and every event where
    frames are looked at together. What then cannot be had for want of weights is left out, and said on stderr.
    """
    names = {name.strip() for name in text.split(",") if name.strip()}
    if names == {"all"}:
        known = [field.name for field in all_fields().values() if not field.always and not field.temporal]
        if temporal:
            known += [*(field.name for field in all_fields().values() if field.temporal), *all_events()]
        names = {name for name in known if engine.catalogue.giving(name) and _available(name, engine)}
    return check_want(names, temporal=temporal)


def _available(name: str, engine: Engine) -> bool:
    try:
        engine.preload(name)
    except LicenseRefused:
        return False
    except WeightsUnavailable as error:
        print(f"mien: {name} is left out: {error}", file=sys.stderr)
        return False
    return True


def parse_tiles(text: str) -> Tiles:
    """What ``--tiles`` says: a side in pixels, "auto" or "off"; the search itself refuses the rest."""
    return int(text) if text.isdecimal() else cast("Tiles", text)


def parse_region(text: str | None) -> Region | None:
    """The four numbers of ``--region``."""
    if text is None:
        return None
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--region takes X1,Y1,X2,Y2, such as 0,0,640,480; got {text!r}.") from None
    return x1, y1, x2, y2


def print_failure(source: object, error: Exception) -> None:
    """Say on stderr, in one line, what went wrong with a file, which is named once."""
    text = str(error)
    print(f"mien: {text}" if str(source) in text else f"mien: {source}: {text}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Print one value as one line of JSON; what is not a number (an error of nothing) is null."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class DownloadProgress:
    """Draws a bar for each file that is being fetched, on a terminal; says nothing elsewhere."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show `done` of `total` bytes of a file (total 0: not known)."""
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            # rich would take what is printed to the terminal that the bars are on, though stdout be a file.
            to_terminal = sys.stdout.isatty()
            self._bars = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=to_terminal)
            self._bars.start()
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total or None)
        self._bars.update(self._tasks[name], completed=done, total=total or None)
        if self._bars.finished:
            self._bars.stop()
            self._bars, self._tasks = None, {}


@contextmanager
def progress_bar(what: str, *, total: int | None = None, show: bool = True) -> Iterator[Callable[[int], None]]:
    """Show progress on a terminal's stderr, nothing elsewhere; the value is told how much more is done."""
    if not show or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console, to_terminal = Console(stderr=True), sys.stdout.isatty()
    # rich would take what is printed to the terminal that the bar is on, though stdout be a file.
    with Progress(*columns, console=console, transient=True, redirect_stdout=to_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda amount: progress.advance(task, amount)
