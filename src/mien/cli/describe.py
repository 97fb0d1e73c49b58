"""``mien describe``: what is measured about faces, in plain words; or a language model's words about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.naming import is_many
from mien.cli.options import parse_want, print_json, takes_engine
from mien.core.errors import InputError, UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.features.shown.narrator import Narrator

NARRATOR = "A language model's own words"


@takes_engine
def describe(
    sources: Annotated[list[str], typer.Argument(help="Pictures, folders, globs; videos.", show_default=False)],
    want: Annotated[
        str, typer.Option(help="Fields and events, comma-separated. Default: what there are words for.")
    ] = "",
    unsure: Annotated[bool, typer.Option("--unsure", help="Say what is not known, and why.")] = False,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="The source is a video, a webcam's number, or a folder of frames.")
    ] = False,
    fps: Annotated[float, typer.Option(help="Frames a second of a folder of frames.", min=0.001)] = 25.0,
    endpoint: Annotated[
        str | None, typer.Option(help="Ask this service, such as https://host/v1.", rich_help_panel=NARRATOR)
    ] = None,
    language_model: Annotated[
        str | None, typer.Option("--narrator", help="The model's name there.", rich_help_panel=NARRATOR)
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="A file with the service's key in its first line.", rich_help_panel=NARRATOR)
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Send the picture, too, and not only numbers.", rich_help_panel=NARRATOR)
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a source, on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Say in plain words what is measured about faces."""
    from mien.features.shown.describing import default_want, describe_clip, names_video
    from mien.features.shown.words import caption
    from mien.features.shown.words import timeline as lines_of

    narrator = _narrator(endpoint, language_model, key_file, pixels=pixels)
    videos = sources if timeline else [source for source in sources if names_video(source) and not is_many(source)]
    if pixels and videos:
        raise UsageError("--pixels goes with pictures; of a video, numbers are sent.")
    pictures = [source for source in sources if source not in videos]
    still = parse_want(want, engine) if want and pictures else None
    moving = parse_want(want, engine, temporal=True) if want and videos else None
    as_json = json or not sys.stdout.isatty()
    failures = 0
    for source in videos:
        try:
            clip, people = describe_clip(_opened(source, fps), want=moving, engine=engine)
        except InputError as error:
            failures += 1
            print(f"mien: {error}", file=sys.stderr)
            continue
        text = "\n".join(lines_of(clip, people=people, unsure=unsure))
        told: dict[str, Any] = {"source": source, "text": text, "clip": clip.to_dict()}
        _print(told, narrator.narrate(clip).to_dict() if narrator else None, as_json=as_json)
    wanted = default_want(engine) if still is None else still
    for item in engine.scan(pictures, want=wanted, keep_images=pixels) if pictures else ():
        if item.faces is None:
            failures += 1
            print(f"mien: {item.failure.message if item.failure else item.source}", file=sys.stderr)
            continue
        told = {"source": item.source, "text": caption(item.faces, unsure=unsure), "faces": len(item.faces)}
        words = narrator.narrate(item.faces, pixels=pixels).to_dict() if narrator else None
        _print(told, words, as_json=as_json)
    if failures:
        raise typer.Exit(1)


def _narrator(endpoint: str | None, model: str | None, key_file: Path | None, *, pixels: bool) -> Narrator | None:
    from mien.core.errors import SourceError
    from mien.features.shown.narrator import Narrator

    if endpoint is None:
        if model or key_file or pixels:
            raise UsageError("--narrator, --key-file and --pixels go with --endpoint.")
        return None
    if not model:
        raise UsageError("--endpoint needs the name of a model: --narrator NAME.")
    key = None
    if key_file is not None:
        try:
            key = (key_file.read_text(encoding="utf-8").splitlines() or [""])[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"cannot read {key_file}: {getattr(error, 'strerror', None) or error}.") from error
    return Narrator(endpoint=endpoint, model=model, key=key)


def _opened(source: str, fps: float) -> Any:
    from mien.cli.track import parse_source
    from mien.media.video import open_video

    return open_video(parse_source(source), fps=fps)


def _print(told: dict[str, Any], words: dict[str, str] | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**told, **({"narration": words} if words else {})})
        return
    print(f"{told['source']}: {told['text']}" if "\n" not in told["text"] else f"{told['source']}\n{told['text']}")
    if words:
        print(f"In the words of {words['model']}, shown {words['sent']}: {words['text']}")
