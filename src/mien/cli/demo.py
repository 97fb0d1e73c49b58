"""``mien demo``: the main job on the shipped photos, or on yours: find, describe and recognise; a report to open."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.changes import change_people
from mien.cli.cuts import cut_regions
from mien.cli.film import follow_film
from mien.cli.library import keep_library
from mien.cli.options import progress_bar, takes_engine

if TYPE_CHECKING:
    from mien.core.clip import Clip
    from mien.core.faces import Face
    from mien.embeddings.comparison import Verification
    from mien.engine import Engine
    from mien.gallery.groups.clusters import Clustering

WANT = frozenset({"pose", "age", "expression", "mouth", "glasses", "presence", "landmarks", "embedding"})
FAR = 3e-4  # per comparison, of which a folder is many: at 1e-3 two of the shipped strangers are taken for one
MOST_PAIRS = 60  # that a report shows


@dataclass(frozen=True)
class _Seen:
    """One face of the report: where it was, its thumbnail, and the face itself."""

    picture: str
    thumbnail: str
    face: Face


@takes_engine
def demo(
    out: Annotated[Path, typer.Option(help="Folder for pictures and report.")] = Path("out"),
    photos: Annotated[Path | None, typer.Option(help="Your photos instead of the shipped ones.")] = None,
    *,
    engine: Engine,
) -> None:
    """Run the main job on the shipped photos of people who do not exist, or on yours."""
    from mien import assets
    from mien.core.image import save_image
    from mien.features.shown.describing import describe
    from mien.media.sinks import make_folder, open_sink, write_text

    start = time.perf_counter()
    seen: list[_Seen] = []
    sections: list[str] = []
    failures = 0
    make_folder(out)
    items = engine.scan(photos or assets.FOLDER, want=WANT, keep_images=True)
    with open_sink(out / "faces.jsonl") as sink, progress_bar("pictures") as advance:
        for place, item in enumerate(items):
            advance(1)
            sink.write(item.to_dict(), item.faces)
            name = Path(item.source).name
            if item.faces is None:
                reason = item.failure.message if item.failure else ""
                sections.append(f"<h2>{escape(name)}</h2><p class=bad>{escape(reason)}</p>")
                print(f"{name}: {reason}")
                failures += 1
                continue
            drawing = f"{place:04d}.jpg"
            save_image(item.faces.draw(fields=["pose", "age", "landmarks"]), out / drawing, quality=88)
            for row, face in enumerate(item.faces):
                thumbnail = f"{place:04d}-{row}.jpg"
                save_image(face.crop(size=112, margin=0.0), out / thumbnail, quality=88)
                seen.append(_Seen(f"{name} #{row}", thumbnail, _light(face)))
            sections.append(_section(name, drawing, describe(item.faces), list(item.faces)))
            print(f"{name}: {len(item.faces)} {'face' if len(item.faces) == 1 else 'faces'}")
    recognition = _recognise(seen, engine)
    library = keep_library(out, photos or assets.FOLDER, engine)
    if library:
        print(f"people.mien: {library}")
    regions = [] if photos else cut_regions(out, assets.PEOPLE[1], engine)
    if regions:
        print(f"regions.jpg: {', '.join(regions)}")
    if not photos:
        print(f"face.glb: {_reconstruct(out, assets.PEOPLE[1], engine)}")
    clip = None if photos else follow_film(out, engine)
    if clip:
        print(f"clip.mp4: {len(clip.tracks)} people followed for {clip.duration:.0f} s, each with one id")
    changes = {} if photos else change_people(out, engine)
    for name, what in changes.items():
        print(f"{name}: {what}")
    took = time.perf_counter() - start
    summary = f"{len(sections)} pictures, {len(seen)} faces, {len(recognition.pairs)} pairs of one person, {took:.1f} s"
    write_text(out / "report.html", _page(summary, sections, recognition, clip, library, regions, changes))
    print(f"{summary}\nopen {out / 'report.html'}")
    if failures:
        raise typer.Exit(1)


def _light(face: Face) -> Face:
    """The face without its picture: a report over many pictures does not keep them all."""
    return face.faces[[face.row]].with_image(None)[0]


def _reconstruct(out: Path, photo: Path, engine: Engine) -> str:
    """Write the face of a photo as a textured mesh, and its relief; what it is."""
    from mien.location.reconstructing import reconstruct

    face = reconstruct(photo, engine=engine)[0]
    face.save(out / "face.glb")
    face.frontal().save(out / "frontal.png")
    return f"a face of {len(face.vertices)} points in millimetres, with its texture"


Pair = tuple[_Seen, _Seen, "Verification"]


@dataclass(frozen=True)
class _Recognition:
    """Pairs of faces that are of one person, pairs that may be, both the surest first; and what that means."""

    pairs: Sequence[Pair]
    undecided: Sequence[Pair]
    meaning: str


def _recognise(seen: Sequence[_Seen], engine: Engine) -> _Recognition:
    """Compare every face with every other one: cheaply by similarity, then those that may pass with `verify`."""
    import numpy as np

    from mien.core.columns import Vectors
    from mien.core.errors import NotCalibrated
    from mien.embeddings.calibration import load_calibration
    from mien.embeddings.comparison import verify

    known = [one for one in seen if not bool(one.face.embedding.abstained)]
    if len(known) < 2:
        return _Recognition([], [], "Fewer than two faces: nobody to compare.")
    space = known[0].face.embedding.space
    try:
        calibration = load_calibration(space, licenses=engine.licenses)
    except NotCalibrated as error:
        return _Recognition([], [], str(error))
    lowest = min(calibration.threshold(FAR, [stratum.name])[0] for stratum in calibration.strata)
    vectors = Vectors(np.stack([one.face.embedding.values for one in known]), space=space)
    rows, columns = np.nonzero(np.triu(vectors @ vectors, k=1) >= lowest)
    answers = [
        (known[row], known[column], verify(known[row].face, known[column].face, far=FAR, engine=engine))
        for row, column in zip(rows, columns, strict=True)
    ]
    answers.sort(key=lambda answer: -(answer[2].score or 0))
    pairs = [answer for answer in answers if answer[2].same]
    undecided = [answer for answer in answers if answer[2].same is None]
    how = "extrapolated from" if any(answer[2].extrapolated for answer in answers) else "measured on"
    meaning = (
        f"Strangers are called one person in at most {FAR:g} of comparisons, {how} {calibration.data}. How similar two "
        "faces must be depends on their ages, which are estimated, since children look more alike; where the estimate "
        "leaves it open, a pair may be of one person."
    )
    return _Recognition(pairs, undecided, meaning)


def _section(name: str, drawing: str, words: str, faces: Sequence[Face]) -> str:
    rows = "".join(
        f"<tr><td>{row}<td>{face.score:.2f}<td>{face.presence.brief()}<td>{face.pose.brief()}<td>{face.age.brief()}"
        for row, face in enumerate(faces)
    )
    table = f"<table><tr><th>face<th>score<th>presence<th>yaw pitch roll<th>apparent age{rows}</table>" if faces else ""
    picture = f"<h2>{escape(name)}</h2><img src='{escape(drawing)}' alt=''>"
    return f"{picture}<p>{escape(words)}</p>{table}" if faces else f"{picture}<p>no face</p>"


def _figures(pairs: Sequence[Pair]) -> str:
    return "".join(
        f"<figure><img class=t src='{escape(a.thumbnail)}' alt=''><img class=t src='{escape(b.thumbnail)}' alt=''>"
        f"<figcaption>{answer.score:.2f}<br>{escape(a.picture)}<br>{escape(b.picture)}</figcaption></figure>"
        for a, b, answer in pairs[:MOST_PAIRS]
    )


def _film(clip: Clip | None) -> str:
    if clip is None:
        return ""
    return (
        "<h2>Who was there when</h2><p>A camera travels over the group picture and comes back: whoever returns keeps "
        "their number.</p><video src=clip-followed.mp4 controls muted loop style='max-width:100%'></video>"
        "<img src=clip-timeline.png alt='timeline'>"
    )


def _cuts(regions: Sequence[str]) -> str:
    if not regions:
        return ""
    return (
        f"<h2>What belongs to what</h2><p>Found to the pixel: {escape(', '.join(regions))}. And the person before a "
        "background out of focus.</p><p><img class=h src=regions.jpg alt='regions in colours'> "
        "<img class=h src=background.jpg alt='a blurred background'></p><p>The same face as a mesh: "
        "<a href=face.glb>face.glb</a>, and turned to the camera:<br><img class=t src=frontal.png alt='frontal'></p>"
    )


def _changed(changes: Mapping[str, str]) -> str:
    if not changes:
        return ""
    shown = "".join(
        f"<figure><a href={name}>{f'<img class=h src={name}>' if name.endswith('.jpg') else name}</a>"
        f"<br>{escape(what)}</figure>"
        for name, what in changes.items()
    )
    return f"<h2>Changed</h2><p>Each is marked: <code>mien provenance swapped.jpg</code> reads it.</p>{shown}"


def _people(library: Clustering | None) -> str:
    if library is None:
        return ""
    return (
        f"<h2>A gallery</h2><p>The same photos as a gallery, grouped into people: {escape(str(library))} "
        "<a href=people.html>Who is who</a>. <code>mien gallery people people.mien</code> lists them.</p>"
    )


def _page(
    summary: str,
    sections: Sequence[str],
    recognition: _Recognition,
    clip: Clip | None,
    library: Clustering | None,
    regions: Sequence[str],
    changes: Mapping[str, str],
) -> str:
    alike = _figures(recognition.pairs) or "<p>No two faces are called one person.</p>"
    perhaps = f"<h3>May be one person</h3>{_figures(recognition.undecided)}" if recognition.undecided else ""
    return f"""<!doctype html><meta charset=utf-8><title>mien report</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}}
img{{max-width:100%;border-radius:6px}}img.t{{width:96px}}img.h{{width:48%}}
table{{border-collapse:collapse;margin:.5rem 0}}
td,th{{padding:.15rem .9rem .15rem 0;text-align:left;font-variant-numeric:tabular-nums}}th{{color:#777;font-weight:400}}
figure{{display:inline-block;margin:0 1.2rem 1rem 0;font-size:13px}}.bad{{color:#b00}}</style>
<h1>mien</h1><p>{escape(summary)}</p>
<h2>Who is who</h2><p>{escape(recognition.meaning)}</p>{alike}{perhaps}
{_people(library)}
{_cuts(regions)}
{_changed(changes)}
{_film(clip)}
{"".join(sections)}
"""
