"""``mien gallery cluster|review|sheet|calibrate``: what groups faces, what is asked, and what judges them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.gallery.opening import Json, Place, open_gallery, tell
from mien.cli.options import print_json, takes_engine
from mien.core.errors import MienError, UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.gallery.groups.questions import Question
    from mien.gallery.groups.review import Reply, Review
    from mien.gallery.people import Gallery
    from mien.gallery.records import Person


Far = Annotated[
    float | None,
    typer.Option(
        help="False accept rate of two single faces; by default the lower the more faces there are.",
        min=0,
        max=1,
        show_default=False,
    ),
]
Ages = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Years between which people of unknown age are, such as 18 120.", show_default=False),
]


@takes_engine
def cluster(
    place: Place,
    far: Far = None,
    ages: Ages = None,
    again: Annotated[bool, typer.Option("--again", help="Look at all faces anew, but for what a human said.")] = False,
    least: Annotated[int, typer.Option(help="Faces that make a new person.", min=1)] = 2,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Group the faces that belong to nobody: they join people who are there, or found new ones."""
    with open_gallery(place, engine) as gallery:
        done = gallery.cluster(far=far, ages=ages, again=again, least=least)
    tell(done.to_dict(), str(done), json)


@takes_engine
def review(
    place: Place,
    limit: Annotated[int, typer.Option("-n", help="Questions to ask.", min=1)] = 10,
    answer: Annotated[
        list[str] | None,
        typer.Option(help="Answer a question: FIRST,SECOND=yes, no, or a person. Repeatable.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last answer back.")] = False,
    sheet: Annotated[
        Path | None, typer.Option(help="Write the questions with their faces: .html.", show_default=False)
    ] = None,
    far: Far = None,
    ages: Ages = None,
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Ask whose face it is where that is not sure: on a terminal one after the other, else as JSON lines."""
    with open_gallery(place, engine) as gallery:
        queue = gallery.review(far=far, ages=ages)
        if undo and not queue.undo():
            raise UsageError("there is no answer to take back.")
        for text in answer or []:
            question, reply = _answer_of(text, queue, gallery)
            tell(vars(queue.answer(question, reply)), f"{text}: done", json)
        if sheet is not None:
            print(gallery.sheet(sheet, questions=queue.questions(limit)), file=sys.stderr)
        if undo or answer or sheet is not None:
            return
        if json or not sys.stdin.isatty():
            for question in queue.questions(limit):
                print_json(question.to_dict())
            return
        _ask(queue, gallery, limit)


def _answer_of(text: str, queue: Review, gallery: Gallery) -> tuple[Question, Reply | Person]:
    faces, _, reply = text.partition("=")
    first, _, second = faces.partition(",")
    if not (first.isdecimal() and second.isdecimal() and reply):
        raise UsageError(f"--answer takes FIRST,SECOND=yes, no or a person; got {text!r}.")
    key = min(int(first), int(second)), max(int(first), int(second))
    question = next((one for one in queue.questions(None) if one.key == key), None)
    if question is None:
        raise UsageError(f"nothing is asked about the faces {first} and {second}; `link` says so in any case.")
    return question, _reply_of(reply, gallery)


def _reply_of(text: str, gallery: Gallery) -> Reply | Person:
    known: dict[str, Reply] = {"yes": "yes", "y": "yes", "no": "no", "n": "no", "skip": "skip", "s": "skip"}
    return known.get(text.lower()) or gallery.person(text)


def _ask(queue: Review, gallery: Gallery, limit: int) -> None:
    for _ in range(limit):
        found = queue.questions(1)
        if not found:
            print("nothing is unsure.")
            return
        (question,) = found
        print(f"\n{question}")
        for one in (question.first, question.second):
            print(f"  {one.id}: {one.source}")
        text = typer.prompt("yes, no, skip, undo, quit, or a name", default="skip")
        if text in {"quit", "q"}:
            return
        try:
            if text in {"undo", "u"}:
                print("taken back." if queue.undo() else "there is no answer to take back.")
                continue
            done = queue.answer(question, _reply_of(text, gallery))
        except MienError as error:
            print(f"mien: {error}", file=sys.stderr)
            continue
        print(f"{done.faces} faces moved, {done.unasked} of them unasked.")


@takes_engine
def sheet(
    place: Place,
    out: Annotated[Path, typer.Argument(help="The page to write: .html.", show_default=False)],
    json: Json = False,
    *,
    engine: Engine,
) -> None:
    """Write a contact sheet: everybody's faces on one page."""
    with open_gallery(place, engine) as gallery:
        written = gallery.sheet(out)
    tell({"sheet": str(written)}, str(written), json)


@takes_engine
def calibrate(place: Place, json: Json = False, *, engine: Engine) -> None:
    """Measure how often strangers of this gallery look alike, and search by that from now on."""
    with open_gallery(place, engine) as gallery:
        done = gallery.calibrate()
    strata = [{"name": s.name, "people": s.people, "pairs": s.pairs, "lowest_far": s.rates[-1]} for s in done.strata]
    lines = [f"{s.name:16} {s.people:>7} people {s.pairs:>12,} pairs, FAR down to {s.rates[-1]:g}" for s in done.strata]
    tell({"name": done.name, "space": done.space, "strata": strata}, "\n".join(lines), json)
