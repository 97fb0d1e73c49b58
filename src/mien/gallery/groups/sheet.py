"""Contact sheets: who is who in a gallery, and what is asked, as one HTML page that needs nothing else.

Crops come from the gallery where it keeps them, else from the pictures where they still are; they stand in the page
itself, which has no script and fetches nothing. A sheet shows faces: keep it as you keep the pictures.
"""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from mien.core.errors import InputError
from mien.core.image import Image, load_image
from mien.gallery.groups.questions import Question
from mien.gallery.records import Person, Sample, Where
from mien.gallery.store import Store

__all__ = ["people_sheet", "questions_sheet"]

SIDE = 96  # of a face on the page, in pixels
MARGIN = 0.25  # around the box of a face that is cut out of its picture, in sides of the box
ROW = 24  # faces that a person's row shows, at most
GROWN = 18.0

_STYLE = f"""body{{font:16px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#222;
background:#fff}}h2{{font-size:1.1rem;margin:1.6rem 0 .3rem}}p.n{{color:#777;margin:0 0 .4rem;font-size:14px}}
figure{{display:inline-block;margin:0 .5rem .6rem 0;font-size:12px;vertical-align:top;width:{SIDE}px;color:#555}}
figcaption{{overflow-wrap:anywhere}}img,.x{{width:{SIDE}px;height:{SIDE}px;object-fit:cover;border-radius:6px;
background:#eee;box-sizing:border-box;display:block}}.u img,.u .x{{border:3px dashed #d80}}
.c img,.c .x{{border:3px solid #2a6}}.q{{margin:1.2rem 0}}
.q>div{{display:inline-block;vertical-align:top;margin-right:1.5rem}}"""


def people_sheet(store: Store, *, unsure: Iterable[int] = (), title: str = "Who is who", row: int = ROW) -> str:
    """A row of faces for each person, those with most faces first; children, and faces that are nobody's, apart.

    Parameters
    ----------
    store : Store
    unsure : iterable of int
        Ids of faces to mark as not sure: those that a review asks about.
    title : str
    row : int
        The most faces that a row shows.

    Returns
    -------
    str
        An HTML page. Faces that a human confirmed have a green frame, those that are not sure a dashed one.
    """
    faces: dict[str | None, list[Sample]] = defaultdict(list)
    for sample in store.samples():
        faces[sample.person].append(sample)
    people = {person.id: person for person in store.people()}
    grown: list[str] = []
    young: list[str] = []
    for person in sorted(people, key=lambda key: (-len(faces[key]), int(key[1:]))):
        (young if _is_child(faces[person]) else grown).append(person)
    known = sum(len(faces[person]) for person in people)
    nobody = faces[None]
    marked = frozenset(unsure)
    for own in faces.values():  # what is not sure comes first, where it is looked at
        own.sort(key=lambda one: (one.id not in marked, not one.confirmed, one.id))
    sections = [_section(store, str(people[key]), faces[key], marked, row) for key in grown]
    if young:
        sections.append("<h1>Children</h1><p class=n>Faces of children are confused most: look twice.</p>")
        sections += [_section(store, str(people[key]), faces[key], marked, row) for key in young]
    if nobody:
        sections.append("<h1>Nobody yet</h1>")
        sections.append(_figures(store, nobody, marked, 4 * row))
    summary = f"{len(people)} people with {known} faces, {len(nobody)} faces that are nobody's."
    legend = "Green: confirmed by a human. Dashed: not sure."
    return _page(title, f"{summary} {legend}", sections)


def questions_sheet(store: Store, questions: Sequence[Question], *, title: str = "Questions") -> str:
    """The questions of a review with both sides' faces, those worth most first.

    Parameters
    ----------
    store : Store
    questions : sequence of Question
    title : str

    Returns
    -------
    str
        An HTML page; each question has the two numbers that ``mien gallery review --answer`` takes.
    """
    sections = []
    for number, question in enumerate(questions, start=1):
        sides = [(question.first, question.people[0])]
        sides += [(one.sample, one.person) for one in question.candidates] or [(question.second, question.people[1])]
        shown = "".join(f"<div>{_side(store, sample, person, question.first)}</div>" for sample, person in sides)
        asks = "Whose face is the first?" if question.kind == "whose" else "Are they one person?"
        about = f"Worth {question.gain:.1f} faces; to answer: {question.key[0]},{question.key[1]}=yes, no or a person."
        sections.append(
            f"<div class=q><h2>{number}. {asks}</h2><p class=n>{escape(question.why)} {about}</p>{shown}</div>"
        )
    return _page(title, f"{len(questions)} questions, those worth most first.", sections)


def _is_child(samples: Sequence[Sample]) -> bool:
    """Whether most of the faces whose age is known are of somebody under 18."""
    young = [sum(sample.ages) / 2 < GROWN for sample in samples if sample.ages]
    return sum(young) * 2 > len(young)


def _section(store: Store, name: str, samples: Sequence[Sample], marked: frozenset[int], row: int) -> str:
    years = sorted(sample.ages for sample in samples if sample.ages)
    about = f"{len(samples)} {'face' if len(samples) == 1 else 'faces'}"
    if years:
        middle = years[len(years) // 2]
        about += f", apparent age {middle[0]:.0f} to {middle[1]:.0f}"
    more = f"<p class=n>and {len(samples) - row} more</p>" if len(samples) > row else ""
    return f"<h2>{escape(name)}</h2><p class=n>{about}</p>{_figures(store, samples, marked, row)}{more}"


def _side(store: Store, sample: Sample, person: Person | None, first: Sample) -> str:
    """Somebody's face, with others of the same person; the one that is asked about stands alone."""
    others: list[Sample] = []
    if person is not None and sample.id != first.id:
        others = [one for one in store.samples(Where(people=[person.id])) if one.id not in {sample.id, first.id}]
    name = escape(str(person)) if person else "nobody's yet"
    return f"{_figures(store, [sample, *others], frozenset(), 3)}<p class=n>{name}</p>"


def _figures(store: Store, samples: Sequence[Sample], marked: frozenset[int], most: int) -> str:
    # What is not sure comes first, where it is looked at.
    order = sorted(samples, key=lambda one: (one.id not in marked, not one.confirmed, one.id))[:most]
    crops = (
        {one.id: one.crop for one in store.samples(Where(ids=[one.id for one in order]), crops=True)} if order else {}
    )
    pictures: dict[str, Image | None] = {}
    return "".join(_figure(one, _picture(one, crops, pictures), one.id in marked) for one in order)


def _figure(sample: Sample, picture: str | None, unsure: bool) -> str:
    kind = "u" if unsure else "c" if sample.confirmed else ""
    shown = f'<img src="{picture}" alt="">' if picture else "<div class=x></div>"
    name = Path(sample.source).name or f"face {sample.id}"
    return f'<figure class="{kind}">{shown}<figcaption>{escape(name)}</figcaption></figure>'


def _picture(sample: Sample, crops: Mapping[int, bytes | None], pictures: dict[str, Image | None]) -> str | None:
    """The face as a data URI: as kept, else cut out of its picture; None where neither is there."""
    crop = crops.get(sample.id)
    if crop:
        kind = "png" if crop.startswith(b"\x89PNG") else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(crop).decode()}"
    if sample.box is None or not sample.source:
        return None
    if sample.source not in pictures:
        pictures.clear()  # one picture at a time: the faces of a picture stand beside each other, mostly
        try:
            pictures[sample.source] = load_image(sample.source)
        except (InputError, OSError):
            pictures[sample.source] = None
    picture = pictures[sample.source]
    return None if picture is None else _cut(picture, sample.box)


def _cut(picture: Image, box: tuple[float, float, float, float]) -> str | None:
    from PIL import Image as Pillow

    x1, y1, x2, y2 = box
    half = max(x2 - x1, y2 - y1) * (1 + 2 * MARGIN) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    height, width = picture.shape[:2]
    left, top = round(max(x - half, 0)), round(max(y - half, 0))
    right, bottom = round(min(x + half, width)), round(min(y + half, height))
    if right - left < 1 or bottom - top < 1:
        return None
    part = Pillow.fromarray(np.ascontiguousarray(picture[top:bottom, left:right]))
    part.thumbnail((2 * SIDE, 2 * SIDE))
    stream = io.BytesIO()
    part.save(stream, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _page(title: str, summary: str, sections: Sequence[str]) -> str:
    return (
        f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(summary)}</p>\n" + "\n".join(sections) + "\n"
    )
