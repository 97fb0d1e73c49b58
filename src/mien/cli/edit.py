"""``mien edit``: expression, pose, gaze, light, colours, makeup, filters and style, in pictures and videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.analyze import Sources
from mien.cli.edits import (
    At,
    Every,
    Fps,
    Gallery,
    Json,
    Layers,
    NoAudio,
    Out,
    Preview,
    Resume,
    Who,
    edit_all,
    open_gallery,
    parse_who,
)
from mien.cli.options import takes_engine
from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.engine import Engine

SHAPE, LOOK = "Shape", "Look"


def _amount(text: str, low: float, high: float) -> Any:
    return typer.Option(help=text, min=low, max=high, rich_help_panel=SHAPE, show_default=False)


def _look(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=LOOK, show_default=False)


@takes_engine
def edit(
    targets: Sources,
    out: Out,
    who: Who = None,
    gallery: Gallery = None,
    smile: Annotated[float | None, _amount("Corners of the mouth, with cheeks and lids.", -1, 1)] = None,
    mouth_open: Annotated[float | None, _amount("Open or close the mouth.", -1, 0.5)] = None,
    brows: Annotated[float | None, _amount("Frown or raise the brows.", -1, 1)] = None,
    eyes: Annotated[float | None, _amount("Close or widen the eyes.", -1, 1)] = None,
    squint: Annotated[float | None, _amount("Lower lids.", -1, 1)] = None,
    yaw: Annotated[float | None, _amount("Degrees the head turns, to the picture's right.", -15, 15)] = None,
    pitch: Annotated[float | None, _amount("Degrees up.", -15, 15)] = None,
    roll: Annotated[float | None, _amount("Degrees clockwise.", -15, 15)] = None,
    gaze: Annotated[
        str | None, typer.Option(help="camera, or YAW,PITCH in degrees.", rich_help_panel=SHAPE, show_default=False)
    ] = None,
    frontal: Annotated[
        bool, typer.Option("--frontal", help="Turn the head to the camera.", rich_help_panel=SHAPE)
    ] = False,
    level: Annotated[
        bool, typer.Option("--level", help="With --frontal: upright, too.", rich_help_panel=SHAPE)
    ] = False,
    hair: Annotated[str | None, _look("Colour of the hair: a name or #rrggbb.")] = None,
    lips: Annotated[str | None, _look("Colour of the lips.")] = None,
    brow_color: Annotated[str | None, _look("Colour of the brows.")] = None,
    iris: Annotated[str | None, _look("Colour of the eyes.")] = None,
    finish: Annotated[str | None, _look("Of lips: natural, matte, gloss.")] = None,
    makeup: Annotated[str | None, _look("A preset, or a picture of somebody made up.")] = None,
    makeup_parts: Annotated[
        str | None, _look("Where: lips, eyes, cheeks, skin, brows, with commas between. Default: all.")
    ] = None,
    light: Annotated[str | None, _look("left, right, above ..., X,Y,Z, or a picture whose light it is to be.")] = None,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter", help="A filter by name, or a folder or zip.", rich_help_panel=LOOK, show_default=False
        ),
    ] = None,
    style: Annotated[str | None, _look("A style by name, or a picture whose style it is to be.")] = None,
    area: Annotated[str | None, _look("What is stylized: picture, head or face.")] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="Of colours, makeup, light and style.", min=0, max=1, rich_help_panel=LOOK, show_default=False
        ),
    ] = None,
    every: Every = 3,
    no_audio: NoAudio = False,
    resume: Resume = None,
    preview: Preview = False,
    at: At = 0.0,
    layers: Layers = False,
    fps: Fps = 25.0,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Edit faces without changing whose they are; every file is marked as synthetic.

    Ctrl-C ends a video after the frame at hand: what is written is complete, up to there.
    """
    from mien.swaps.editing import edit_effect
    from mien.swaps.editor import Editor

    options: dict[str, Any] = {
        "smile": smile,
        "mouth_open": mouth_open,
        "brows": brows,
        "eyes": eyes,
        "squint": squint,
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "gaze": gaze if gaze in {None, "camera"} else _numbers("--gaze", str(gaze), 2),
        "frontal": frontal,
        "level": level,
        "hair": hair,
        "lips": lips,
        "brow_color": brow_color,
        "iris": iris,
        "finish": finish,
        "makeup": makeup,
        "makeup_parts": makeup_parts if makeup_parts is None else [part.strip() for part in makeup_parts.split(",")],
        "light": light if light is None or "," not in light else _numbers("--light", light, 3),
        "filter": filter_,
        "style": style,
        "area": area,
        "strength": strength,
    }
    effect = edit_effect(engine=engine, **options)
    with open_gallery(gallery, engine) as people:
        editor = Editor(effect, who=parse_who(who), gallery=people, every=every, engine=engine)
        edit_all(
            editor,
            targets,
            out,
            audio=not no_audio,
            resume=resume,
            preview=preview,
            at=at,
            layers=layers,
            fps=fps,
            json=json,
        )


def _numbers(option: str, text: str, count: int) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise UsageError(f"{option} takes {count} numbers with commas between, not {text!r}.")
    return values
