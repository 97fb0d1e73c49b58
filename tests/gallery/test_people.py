"""`Gallery` on people who are painted squares: enrolling, searching, correcting, deleting, keeping."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import mien
from mien.core.columns import Vectors
from mien.core.errors import (
    EmbeddingSpaceMismatch,
    NoFace,
    NotCalibrated,
    ShapeMismatch,
    SourceError,
    UnknownPerson,
    UsageError,
)
from mien.core.image import load_image
from mien.embeddings.calibration import ANY
from mien.gallery.answers import Bars, far_per_comparison, nearest_people
from mien.gallery.people import Gallery
from mien.gallery.records import Change, Sample, Where
from tests.gallery import painted

ADA, BOB, EVE = 1, 2, 3


@pytest.fixture(autouse=True)
def calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painted.write_table(tmp_path / "config")
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with painted.engine() as engine, Gallery(":memory:", engine=engine) as made:
        yield made


@pytest.fixture
def ada_and_bob(gallery: Gallery, tmp_path: Path) -> Gallery:
    gallery.enroll("ada", [painted.save(tmp_path, f"a{n}.png", (ADA, n)) for n in range(3)])
    gallery.enroll("bob", [painted.save(tmp_path, f"b{n}.png", (BOB, n)) for n in range(2)])
    return gallery


# -- enrolling ---------------------------------------------------------------------------------------------------------


def test_pictures_from_anywhere_are_enrolled(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "a.png", (ADA, 0))
    faces = mien.analyze(painted.picture((ADA, 4)), want={"embedding"}, engine=gallery.engine)
    sources = [
        path,
        painted.save(tmp_path, "b.png", (ADA, 1)).read_bytes(),
        BytesIO(painted.save(tmp_path, "c.png", (ADA, 2)).read_bytes()),
        painted.picture((ADA, 3)),
        faces,
        faces[0],
    ]
    done = gallery.enroll("ada", sources, note="form 7", words={"event": "fair"})
    assert (len(done.samples), done.refused, done.warnings) == (6, (), ())
    assert done.person == gallery.people()[0] == gallery["ada"] == gallery[done.person.id]
    first = gallery.faces("ada")[0]
    assert (first.source, first.person, first.confirmed, first.model) == (str(path), done.person.id, True, "painted")
    assert first.words == {"event": "fair"}
    assert first.box == (5.0, 20.0, 25.0, 40.0)
    assert first.size == (100, 100)
    np.testing.assert_allclose(gallery.vectors([first]).values[0], painted.vector(ADA, 0), atol=1e-3)  # stored as f16
    assert (done.person.note, len(gallery), "ada" in gallery, "bob" in gallery) == ("form 7", 1, True, False)


def test_what_cannot_be_used_is_refused_and_the_rest_is_enrolled(gallery: Gallery, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    sources = {
        "no face in it.": painted.save(tmp_path, "none.png"),
        "2 faces in it, where one was expected.": painted.save(tmp_path, "two.png", (ADA, 0), (BOB, 0)),
        "its face has no embedding: it is nobody's.": painted.save(tmp_path, "nobody.png", (painted.NOBODY, 0)),
        "not a picture": broken,
        "missing": tmp_path / "gone.png",
    }
    with pytest.raises(NoFace, match=r"nothing to enroll 'ada' by: .*none.png: no face in it"):
        gallery.enroll("ada", list(sources.values()))
    assert len(gallery) == gallery.store.counts().samples == 0
    done = gallery.enroll("ada", [*sources.values(), painted.save(tmp_path, "a.png", (ADA, 0))])
    assert len(done.samples) == 1
    assert [one.source for one in done.refused] == [str(path) for path in sources.values()]
    for told, refused in zip(list(sources)[:3], done.refused, strict=False):
        assert refused.reason == told
    assert json.loads(json.dumps(done.to_dict()))["refused"][0]["reason"] == "no face in it."


def test_the_largest_face_where_that_is_wanted(gallery: Gallery) -> None:
    crowd = painted.picture((ADA, 0), (BOB, 0))
    crowd[18:40, 35:57] = (200, BOB, 0)
    gallery.enroll("bob", crowd, which="largest")
    np.testing.assert_allclose(gallery.vectors(gallery.faces("bob")).values[0], painted.vector(BOB, 0), atol=1e-3)


def test_a_face_is_one_face_wherever_its_file_is(ada_and_bob: Gallery, tmp_path: Path) -> None:
    moved = (tmp_path / "a0.png").rename(tmp_path / "moved.png")
    before = ada_and_bob.faces("ada")[0]
    again = ada_and_bob.enroll("ada", moved)
    assert again.samples[0].face == before.face
    with pytest.raises(NoFace, match="its face is enrolled as 'ada' already"):
        ada_and_bob.enroll("bob", moved)


def test_a_face_is_kept_once(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "a.png", (ADA, 0))
    gallery.add(path, want={"pose"})
    (nobodys,) = gallery.faces()
    done = gallery.enroll("ada", [path, path.read_bytes(), path], words={"event": "fair"})
    (face,) = gallery.faces()
    assert [sample.id for sample in done.samples] == [face.id] == [nobodys.id]
    assert (face.person, face.confirmed, face.created) == (gallery["ada"].id, True, nobodys.created)
    assert face.words == {**nobodys.words, "event": "fair"}
    assert gallery.enroll("ada", path).samples[0].id == face.id
    assert gallery.store.counts().samples == 1


@pytest.mark.parametrize("kind", [iter, set, tuple])
def test_pictures_may_come_one_by_one(gallery: Gallery, tmp_path: Path, kind: type) -> None:
    paths = [painted.save(tmp_path, f"a{n}.png", (ADA, n)) for n in range(3)]
    assert len(gallery.enroll("ada", kind(paths)).samples) == 3
    with pytest.raises(NoFace, match="no picture was given"):
        gallery.enroll("ada", iter(()))


def test_enrolling_somebody_who_was_deleted_meanwhile_brings_nobody_back(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = gallery.enroll("ada", painted.picture((ADA, 0))).person
    embed = gallery._usable

    def meanwhile(*arguments: Any) -> Any:
        if "ada" in gallery:
            gallery.delete("ada")
        return embed(*arguments)

    monkeypatch.setattr(gallery, "_usable", meanwhile)
    for who in ("ada", ada):
        with pytest.raises(UnknownPerson):
            gallery.enroll(who, painted.picture((ADA, 1)))
    assert gallery.store.counts() == replace(gallery.store.counts(), people=0, samples=0, vectors=0)


def test_what_others_change_meanwhile_is_kept(ada_and_bob: Gallery) -> None:
    gallery, apply = ada_and_bob, ada_and_bob.store.apply
    others: list[Callable[[], object]] = [
        lambda: gallery.annotate("ada", "form 8"),
        lambda: gallery.delete_faces(gallery.faces("bob")[0]),
    ]

    def meanwhile(change: Change, *, expect: int | None = None) -> None:
        gallery.store.apply = apply  # type: ignore[method-assign]
        others.pop(0)()
        gallery.store.apply = meanwhile if others else apply  # type: ignore[method-assign]
        apply(change, expect=expect)

    gallery.store.apply = meanwhile  # type: ignore[method-assign]
    gallery.rename("ada", "Ada")
    assert (gallery["Ada"].note, len(gallery.faces("bob"))) == ("form 8", 1)
    assert gallery.merge("Ada", "bob").note == "form 8"
    assert len(gallery.faces()) == 4  # the face that was deleted did not come back


def test_plain_vectors_of_any_encoder() -> None:
    with Gallery(":memory:") as gallery:
        x = np.random.default_rng(0).normal(size=(3, 16))
        with pytest.raises(UsageError, match="which embedding space"):
            gallery.enroll("rex", vectors=x)
        gallery.enroll("rex", vectors=x, space="petface-v1")
        gallery.enroll("tom", vectors=Vectors(-x[:1].astype(np.float32), space="petface-v1"))
        gallery.enroll("kit", vectors=x[0] + [9, *[0] * 15])  # the gallery's own space by now
        assert gallery.space == "petface-v1"
        (found,) = gallery.search(x[:1], threshold=0.9)
        assert found.person == gallery["rex"]
        assert found.hits[0].score == pytest.approx(1, abs=1e-3)
        unknown = gallery.search(x)[0]
        assert unknown.person is None
        assert "no calibration: give a threshold" in unknown.reason
        with pytest.raises(EmbeddingSpaceMismatch, match=r"holds vectors of 'petface-v1', these are of 'clip/1'"):
            gallery.enroll("max", vectors=x, space="clip/1")
        with pytest.raises(EmbeddingSpaceMismatch, match="reembed"):
            gallery.enroll("max", painted.picture((ADA, 0)))
        with pytest.raises(NoFace, match="no vector was given"):
            gallery.enroll("max", vectors=x[:0])
        for bad in (
            5.0,
            x[0] * 1j,
            ["1"] * 16,
            x[:, :15],
            [[np.nan] * 16],
            np.zeros(16),
            [["a"] * 16],
            np.zeros((1, 1, 16)),
            np.full(16, np.inf),
        ):
            with pytest.raises((ShapeMismatch, UsageError)):
                gallery.enroll("max", vectors=bad)
        assert [person.name for person in gallery.people()] == ["rex", "tom", "kit"]


def test_a_face_of_somebody_without_a_name_says_how_to_give_one(gallery: Gallery, tmp_path: Path) -> None:
    pictures = [painted.save(tmp_path, f"{variant}.png", (ADA, variant)) for variant in range(2)]
    gallery.add(pictures)
    gallery.cluster()
    (person,) = gallery.people()
    with pytest.raises(NoFace, match=f"its face is {person.id}'s already, who has no name: rename"):
        gallery.enroll("ada", pictures[0])
    gallery.rename(person, "ada")
    assert gallery.enroll("ada", pictures[0]).person == gallery["ada"]


def test_somebody_who_is_there_already_is_told_of(ada_and_bob: Gallery) -> None:
    done = ada_and_bob.enroll("adele", painted.picture((ADA, 9)))
    assert done.warnings == (f"'adele' looks like 'ada', who is here already ({done.warnings[0][-6:-2]}).",)
    with pytest.raises(UsageError, match="looks like 'ada'"):
        ada_and_bob.enroll("alice", painted.picture((ADA, 8)), duplicates="refuse")
    assert ada_and_bob.enroll("alice", painted.picture((ADA, 8)), duplicates="allow").warnings == ()


def test_duplicates_cannot_be_refused_where_nothing_tells_them() -> None:
    with Gallery(":memory:") as gallery:
        gallery.enroll("rex", vectors=np.eye(4)[0], space="pets/1")
        gallery.enroll("tom", vectors=np.eye(4)[0])
        with pytest.raises(NotCalibrated, match="whether 'kit' is here already cannot be told"):
            gallery.enroll("kit", vectors=np.eye(4)[0], duplicates="refuse")
        assert "kit" not in gallery


def test_a_picture_that_does_not_look_like_the_others_is_told_of(gallery: Gallery) -> None:
    pictures = [painted.picture((ADA, n)) for n in range(3)]
    done = gallery.enroll("ada", [*pictures, painted.picture((EVE, 0))])
    assert any("does not look like the other pictures" in warning for warning in done.warnings)


@pytest.mark.parametrize("name", ["", "  ", "p12", "x" * 10_000_000, "nul\0", "\udcff"])
def test_names_that_cannot_be(gallery: Gallery, name: str) -> None:
    with pytest.raises(UsageError):
        gallery.enroll(name, painted.picture((ADA, 0)))
    assert len(gallery) == 0


@pytest.mark.parametrize("name", ["'; DROP TABLE people; --", "../../etc/passwd", "a\nb", "Zoë 👩‍🚀", "%s{0}\\"])
def test_names_that_only_look_dangerous(gallery: Gallery, name: str) -> None:
    gallery.enroll(name, painted.picture((ADA, 0)))
    assert gallery[name].name == name
    gallery.rename(name, "ada")
    gallery.rename("ada", name)
    assert gallery.delete(name) == 1


def test_arguments_that_do_not_go_together(gallery: Gallery) -> None:
    for options in ({}, {"pictures": [], "vectors": [1.0]}, {"pictures": [], "which": "best"}, {"duplicates": "?"}):
        with pytest.raises((UsageError, NoFace)):
            gallery.enroll("ada", **options)
    with pytest.raises(NoFace, match="no picture was given"):
        gallery.enroll("ada", [])
    wrong: list[dict[str, Any]] = [{"words": "x"}, {"note": 5}, {"min_quality": float("nan")}, {"min_quality": "x"}]
    for options in wrong:
        with pytest.raises(UsageError):
            gallery.enroll("ada", painted.picture((ADA, 0)), **options)
    assert len(gallery) == 0


def test_files_whose_names_are_no_text(gallery: Gallery, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    painted.save(folder, "good.png", (BOB, 0))
    odd = folder / os.fsdecode(b"caf\xe9.png")
    try:
        painted.save(tmp_path, "x.png", (ADA, 0)).rename(odd)
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(NoFace, match="name"):
        gallery.enroll("ada", odd)
    done = gallery.add(folder)
    assert (done.faces, len(done.failures)) == (1, 1)


def test_a_gallery_that_was_closed_says_so(gallery: Gallery) -> None:
    gallery.close()
    gallery.close()
    for verb in (
        gallery.people,
        gallery.faces,
        lambda: gallery.search(painted.picture((ADA, 0))),
        lambda: len(gallery),
    ):
        with pytest.raises(UsageError, match="closed"):
            verb()


# -- libraries ---------------------------------------------------------------------------------------------------------


def test_a_library_is_added_once_and_found_again_after_it_moved(gallery: Gallery, tmp_path: Path) -> None:
    library = tmp_path / "photos"
    painted.save(library, "one.png", (ADA, 0), (BOB, 0))
    painted.save(library, "sub/two.png", (EVE, 0))
    painted.save(library, "empty.png")
    (library / "torn.png").write_bytes(b"?")
    told: list[int] = []
    done = gallery.add(library, want={"pose"}, progress=lambda so_far: told.append(so_far.pictures))
    assert (done.pictures, done.faces, done.known, len(done.failures)) == (4, 3, 0, 1)
    assert told == [1, 2, 3, 4]
    assert all(sample.person is None and not sample.confirmed for sample in gallery.faces())
    assert gallery.faces()[0].words["pose.pitch"] == ADA  # the fake pose is the square's colour
    assert {sample.source for sample in gallery.faces(where=Where(words={"pose.pitch": (EVE, EVE)}))} == {
        str(library / "sub" / "two.png")
    }
    (library / "sub" / "two.png").rename(library / "three.png")
    painted.save(library, "new.png", (EVE, 1))
    again = gallery.add(library)
    assert (again.faces, again.known) == (1, 3)
    assert str(library / "three.png") in {sample.source for sample in gallery.faces()}
    assert gallery.add(tmp_path / "nowhere").failures


def test_pictures_are_written_as_they_come(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.gallery.adding.AT_ONCE", 2)
    for n in range(5):
        painted.save(tmp_path, f"{n}.png", (n, 0))

    def stop(done: object) -> None:
        if getattr(done, "pictures", 0) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gallery.add(tmp_path, progress=stop)
    assert gallery.store.counts().samples == 4
    assert gallery.add(tmp_path).faces == 1


# -- searching ---------------------------------------------------------------------------------------------------------


def test_who_is_in_the_picture(ada_and_bob: Gallery) -> None:
    ada, eve = ada_and_bob.search(painted.picture((ADA, 7), (EVE, 7)), k=2)
    assert ada.person == ada_and_bob["ada"]
    assert bool(ada)
    assert not eve
    assert [hit.person for hit in ada.hits] == [ada_and_bob["ada"], ada_and_bob["bob"]]
    assert str(ada).startswith("ada: the score 0.9")
    assert str(eve).startswith("unknown: nearest is ")
    assert ada.box == (5.0, 20.0, 25.0, 40.0)
    assert json.loads(json.dumps(ada.to_dict()))["hits"][0]["person"]["name"] == "ada"
    assert ada_and_bob.search(painted.picture()) == []
    assert ada_and_bob.search(painted.picture((painted.NOBODY, 0)))[0].reason == (
        "the face has no embedding: it is nobody's."
    )


def test_the_threshold_follows_the_size_of_the_gallery(ada_and_bob: Gallery) -> None:
    probe = painted.picture((ADA, 7))
    small = ada_and_bob.search(probe, fpir=1e-2)[0]
    bar = small.hits[0].bar
    assert (bar.compared, bar.fpir, bar.calibration) == (5, 1e-2, "painted people")
    assert bar.far == pytest.approx(1e-2 / 5, rel=0.01)
    for person in range(10, 60):
        ada_and_bob.enroll(f"number {person}", vectors=painted.vector(person, 0), duplicates="allow")
    large = ada_and_bob.search(probe, fpir=1e-2)[0]
    assert large.threshold is not None
    assert small.threshold is not None
    assert large.threshold == pytest.approx(small.threshold + 0.1 * np.log10(11), abs=0.01)
    beyond = ada_and_bob.search(probe, fpir=1e-6)[0]
    assert beyond.person is None
    assert "cannot be told from" in beyond.reason
    assert beyond.hits[0].person == ada_and_bob["ada"]


def test_a_gallery_of_nobody_finds_nobody(gallery: Gallery) -> None:
    assert gallery.search(painted.picture((ADA, 0)))[0].reason == "there is nobody to compare with."
    assert gallery.people() == []
    assert gallery.faces() == []
    assert len(gallery.vectors([])) == 0


def test_faces_that_are_nobodys_are_found_too(gallery: Gallery, tmp_path: Path) -> None:
    gallery.add(painted.save(tmp_path, "one.png", (ADA, 0)))
    (found,) = gallery.search(painted.picture((ADA, 1)))
    assert found.person is None
    assert "nobody's yet" in found.reason
    assert "the score 0.9" in found.reason


def test_only_some_faces_are_searched(ada_and_bob: Gallery, tmp_path: Path) -> None:
    bob = ada_and_bob["bob"]
    (found,) = ada_and_bob.search(painted.picture((ADA, 7)), where=Where(people=[bob.id]))
    assert [hit.person for hit in found.hits] == [bob]
    (found,) = ada_and_bob.search(painted.picture((ADA, 7)), where=Where(source=str(tmp_path / "a")), exact=True)
    assert [hit.person for hit in found.hits] == [ada_and_bob["ada"]]


def test_k_people_are_named_though_the_first_has_many_faces(gallery: Gallery) -> None:
    gallery.enroll("ada", vectors=np.stack([painted.vector(ADA, n) for n in range(200)]), space=painted.SPACE)
    gallery.enroll("bob", vectors=painted.vector(BOB, 0))
    (found,) = gallery.search(Vectors(painted.vector(ADA, 999)[None], space=painted.SPACE), k=2)
    assert [hit.who for hit in found.hits] == ["ada", "bob"]


def test_vectors_of_faces_without_one_are_unknown(ada_and_bob: Gallery) -> None:
    faces = ada_and_bob.engine.analyze(painted.picture((ADA, 7), (painted.NOBODY, 0)), want={"embedding"})
    ada, nobody = ada_and_bob.search(faces.embedding)
    assert (str(ada.person), nobody.person) == ("ada", None)
    assert nobody.reason == "the face has no embedding: it is nobody's."
    assert str(ada_and_bob.search(faces[0].embedding, expand=True)[0].person) == "ada"


def test_faces_that_are_nobodys_do_not_hide_people(gallery: Gallery) -> None:
    first, vectors = gallery.store.reserve(100), np.stack([painted.vector(ADA, n) for n in range(100)])
    ids = range(first, first + 100)
    nobodys = [Sample(id=number, face=f"x{number}") for number in ids]
    gallery.store.apply(Change(samples=nobodys, vectors=(ids, vectors), space=painted.SPACE))
    gallery.enroll("bob", vectors=painted.vector(BOB, 0))
    gallery.enroll("eve", vectors=painted.vector(EVE, 0))
    probe = painted.vector(ADA, 200)
    assert not any(hit.person for hit in gallery.search(probe)[0].hits)
    for k in (1, 2, 5):
        (found,) = gallery.search(probe, k=k, where=Where(people="anybody"))
        scores = [hit.score for hit in found.hits]
        assert {hit.who for hit in found.hits} <= {"bob", "eve"}
        assert (len(scores), scores) == (min(k, 2), sorted(scores, reverse=True))


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"k": 1.5}, {"fpir": 0}, {"fpir": 1}, {"threshold": 2}, {"threshold": "x"}, {"where": 5}]
)
def test_options_out_of_range(gallery: Gallery, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        gallery.search(painted.picture((ADA, 0)), **options)


def test_nobody_is_in_a_crowd_twice(ada_and_bob: Gallery) -> None:
    both = painted.picture((ADA, 7), (ADA, 8), (BOB, 7))
    alone = ada_and_bob.search(both)
    assert [found.person for found in alone] == [ada_and_bob["ada"], ada_and_bob["ada"], ada_and_bob["bob"]]
    crowd = ada_and_bob.identify(both)
    assert sorted(str(found.person) for found in crowd) == ["None", "ada", "bob"]
    loser = next(found for found in crowd[:2] if found.person is None)
    assert loser.reason == "looks like ada, but ada is another face here."
    assert ada_and_bob.identify(painted.picture()) == []


def test_rates_are_shared_out_over_all_comparisons() -> None:
    for compared in (1, 10, 1000):
        far = far_per_comparison(0.01, compared)
        assert 1 - (1 - far) ** compared == pytest.approx(0.01)
    assert far_per_comparison(0.01, 0) == pytest.approx(0.01)


def test_each_pair_is_judged_by_its_own_strata(ada_and_bob: Gallery) -> None:
    table = painted.TABLE.strata[0]
    child = replace(table, name="child", ages=((0, 8), (0, 8)), scores=tuple(score + 0.05 for score in table.scores))
    grown = replace(table, name="grown", ages=((8, 150), (0, 150)))
    bars = Bars(replace(painted.TABLE, strata=(grown, child)), 1e-2, 1)
    sample = ada_and_bob.faces("ada")[0]
    assert bars.of(ANY, replace(sample, ages=(30.0, 40.0))).threshold == pytest.approx(0.5)
    assert bars.of(ANY, replace(sample, ages=(2.0, 5.0))).threshold == pytest.approx(0.55)
    assert bars.of(ANY, replace(sample, ages=None)).strata == ("grown", "child")


def test_a_picture_of_today_counts_though_one_of_childhood_is_nearer(gallery: Gallery) -> None:
    table = painted.TABLE.strata[0]
    child = replace(table, name="child", ages=((0, 8), (0, 8)), scores=tuple(0.9 + 0.01 * n for n in range(7)))
    bars = Bars(
        replace(painted.TABLE, strata=(replace(table, name="grown", ages=((8, 150), (0, 150))), child)), 1e-2, 2
    )
    gallery.enroll("ada", vectors=np.stack([painted.vector(ADA, n) for n in range(2)]), space=painted.SPACE)
    gallery.enroll("bob", vectors=painted.vector(BOB, 0))
    young, old = gallery.faces("ada")
    ages = {young.id: (2.0, 5.0), old.id: (30.0, 40.0)}
    gallery.store.apply(Change(samples=[replace(face, ages=ages[face.id]) for face in (young, old)]))
    probe = painted.vector(ADA, 0) * 0.8 + painted.vector(9, 9) * 0.6  # nearer to the young one
    ((ada, bob),) = nearest_people(gallery.store, (probe / np.linalg.norm(probe))[None], [ANY], 2, bars)
    scores = gallery.vectors([young, old]).values @ probe / np.linalg.norm(probe)
    assert scores[0] > scores[1]
    assert (ada.sample.id, ada.passes) == (old.id, True)
    assert ada.score == pytest.approx(scores[1], abs=1e-3)
    assert (bob.who, bob.passes) == ("bob", False)


# -- correcting --------------------------------------------------------------------------------------------------------


def test_names_merging_splitting_and_moving(ada_and_bob: Gallery) -> None:
    gallery = ada_and_bob
    ada, bob = gallery["ada"], gallery["bob"]
    assert gallery.rename("ada", "Ada").id == ada.id
    with pytest.raises(UsageError, match="'bob' is p"):
        gallery.rename("Ada", "bob")
    with pytest.raises(UsageError):
        gallery.rename("Ada", "p1")
    with pytest.raises(UnknownPerson, match="nobody here is called 'Adda'; there is 'Ada'"):
        gallery.person("Adda")
    merged = gallery.merge("Ada", "bob")
    assert (merged.id, merged.name, len(gallery.faces(merged)), len(gallery)) == (ada.id, "Ada", 5, 1)
    with pytest.raises(UsageError, match="say whom to merge"):
        gallery.merge("Ada", "Ada")
    out = [sample for sample in gallery.faces("Ada") if sample.source.endswith(("b0.png", "b1.png"))]
    again = gallery.split("Ada", out, name="bob")
    assert again.id not in {ada.id, bob.id}
    assert (len(gallery.faces("bob")), len(gallery.faces("Ada"))) == (2, 3)
    (link,) = gallery.store.links()
    assert not link.same
    for wrong in ([], [out[0]], gallery.faces("Ada")):
        with pytest.raises(UsageError):
            gallery.split("Ada", wrong)
    moved = gallery.move([out[0].id], "Ada")
    assert (moved[0].person, moved[0].confirmed) == (ada.id, True)
    assert gallery.move(moved, None)[0].person is None
    assert gallery.annotate("bob", "asked").note == "asked"
    with pytest.raises(UnknownPerson, match="no face here has the id"):
        gallery.move([10**9], "Ada")


def test_the_last_word_about_two_faces_counts(ada_and_bob: Gallery) -> None:
    gallery = ada_and_bob
    gallery.enroll("bob", vectors=painted.vector(BOB, 7), space=painted.SPACE)
    gallery.link(gallery.faces("ada")[0], gallery.faces("bob")[0], same=False)
    gallery.split("ada", gallery.faces("ada")[-1], name="x")
    gallery.merge("ada", "x")
    assert len(gallery.store.links()) == 1  # that of ada and bob: only the split is taken back
    gallery.split("ada", gallery.faces("ada")[-1:], name="x")
    gallery.move(gallery.faces("x")[0].id, "ada")
    gallery.move(gallery.faces("bob")[-1], "ada")
    assert len(gallery.store.links()) == 1
    gallery.move(gallery.faces("bob"), "ada")
    assert gallery.store.links() == []
    assert len(gallery.move([gallery.faces("ada")[0]] * 2, "bob")) == 1
    for wrong in (gallery.delete_faces, lambda faces: gallery.move(faces, "ada")):
        for faces in ("12", None, 1.5, ["x"]):
            with pytest.raises(UsageError):
                wrong(faces)
    assert gallery.delete_faces([]) == 0


def test_people_are_named_by_name_id_or_person(ada_and_bob: Gallery) -> None:
    gallery = ada_and_bob
    ada = gallery["ada"]
    assert ada in gallery
    assert list(gallery) == gallery.people()
    assert 5 not in gallery
    for who in ("ada", ada.id, ada):
        assert len(gallery.faces(where=Where(people=[who]))) == 3  # type: ignore[list-item]
    assert gallery.faces("ada", where=Where(source="nowhere")) == []
    assert {hit.who for hit in gallery.search(painted.vector(9, 9), where=Where(people=["bob"]))[0].hits} == {"bob"}
    with pytest.raises(UnknownPerson, match="nobody here is called 'carl'"):
        gallery.faces(where=Where(people=["carl"]))
    for wrong in (5, None, b"ada", ["ada"]):
        for verb in (gallery.person, gallery.template, gallery.delete, lambda who: gallery.enroll(who, "a.png")):
            with pytest.raises(UsageError, match="got"):
                verb(wrong)
        with pytest.raises(UsageError):
            gallery.rename("ada", wrong)
    one_by_one = (face.id for face in gallery.faces("bob"))
    assert len(gallery.faces(where=Where(ids=one_by_one))) == 2
    odd: list[dict[str, Any]] = [
        {"ids": 5},
        {"people": 5},
        {"people": [5]},
        {"words": [1]},
        {"taken": 5},
        {"source": 5},
    ]
    for where in odd:
        with pytest.raises(UsageError):
            gallery.faces(where=Where(**where))
    with pytest.raises(UsageError, match="where is a Where"):
        gallery.faces(where="ada")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("postgresql://u:pa@ss@host/db?x=1", "postgresql://host/db"),
        ("postgresql://host/db?user=u&password=pa@ss", "postgresql://..."),
        ("postgresql://u:pa?ss@host/db", "postgresql://..."),
        ("people.mien", "people.mien"),
    ],
)
def test_its_name_holds_no_password(gallery: Gallery, place: str, name: str) -> None:
    gallery._place = place
    assert gallery.name == name


def test_a_merge_keeps_the_only_name(ada_and_bob: Gallery, tmp_path: Path) -> None:
    gallery = ada_and_bob
    gallery.add(painted.save(tmp_path, "x.png", (ADA, 77)))
    nameless = gallery._new_person(None)
    gallery.store.apply(Change(people=[nameless]))
    assert gallery.merge(nameless, "ada").name == "ada"


def test_a_face_that_was_taken_from_somebody_is_not_given_back(gallery: Gallery, tmp_path: Path) -> None:
    for variant in range(3):
        painted.save(tmp_path, f"{variant}.png", (ADA, variant))
    gallery.add(tmp_path)
    gallery.cluster()
    (person,) = gallery.people()
    face = gallery.faces(person)[0]
    gallery.move(face, None)
    gallery.cluster()
    (again,) = gallery.faces(where=Where(ids=[face.id]))
    assert again.person is None
    gallery.move(face, person)
    assert len(gallery.faces(person)) == 3
    assert gallery.store.links() == []
    everybody = gallery.faces(person)
    assert gallery.move(everybody, None)[2].person is None


def test_answers_about_two_faces(ada_and_bob: Gallery) -> None:
    one, two = ada_and_bob.faces("ada")[0], ada_and_bob.faces("bob")[0]
    link = ada_and_bob.link(two, one, same=False)
    assert (link.first, link.second) == (one.id, two.id)
    assert ada_and_bob.store.links() == [link]
    ada_and_bob.link(one, two, same=True)
    assert [known.same for known in ada_and_bob.store.links()] == [True]
    ada_and_bob.unlink(one, two)
    assert ada_and_bob.store.links() == []
    with pytest.raises(UsageError):
        ada_and_bob.link(one, one, same=True)


def test_crops_stay_when_a_face_changes_hands(tmp_path: Path) -> None:
    with painted.engine() as engine, Gallery(":memory:", engine=engine, crops=True) as gallery:
        gallery.enroll("ada", painted.picture((ADA, 0)))
        gallery.enroll("bob", painted.picture((BOB, 0)))
        gallery.move(gallery.faces("ada"), "bob")
        gallery.merge("bob", "ada")
        crops = [sample.crop for sample in gallery.faces("bob", crops=True)]
        assert [load_image(crop).shape for crop in crops if crop] == [(224, 224, 3)] * 2


# -- deleting ----------------------------------------------------------------------------------------------------------


def test_who_is_deleted_is_gone(ada_and_bob: Gallery) -> None:
    ada = ada_and_bob["ada"]
    assert ada_and_bob.delete("ada") == 3
    assert "ada" not in ada_and_bob
    (found,) = ada_and_bob.search(painted.picture((ADA, 7)))
    assert [hit.who for hit in found.hits] == ["bob"]
    with pytest.raises(UnknownPerson):
        ada_and_bob.delete("bob", "ada")
    assert "bob" in ada_and_bob
    assert ada_and_bob.delete() == 0
    entry = ada_and_bob.audit(ada.id)[0]
    assert (entry.action, entry.details) == ("delete", {"people": 1, "faces": 3})
    assert ada_and_bob.delete_faces(ada_and_bob.faces("bob")[:1]) == 1
    assert ada_and_bob.faces("bob")


# -- keeping -----------------------------------------------------------------------------------------------------------


def test_the_log_tells_what_was_done_and_names_nobody(ada_and_bob: Gallery) -> None:
    ada_and_bob.rename("ada", "Ada")
    entries = ada_and_bob.audit()
    assert [entry.action for entry in entries] == ["rename", "enroll", "enroll"]
    assert [entry.action for entry in ada_and_bob.audit("Ada")] == ["rename", "enroll"]
    assert "'ada'" not in str(entries).lower()
    assert len(ada_and_bob.audit(limit=1)) == 1
    assert ada_and_bob.audit(limit=0) == ada_and_bob.audit("p999") == []
    assert [entry.action for entry in ada_and_bob.audit(ada_and_bob.faces("bob")[0].face)] == ["enroll"]
    for wrong in ({"limit": -1}, {"who": "\udcff"}, {"who": 5}):
        with pytest.raises(UsageError):
            ada_and_bob.audit(**wrong)


def test_another_model_sees_the_same_people(ada_and_bob: Gallery, tmp_path: Path) -> None:
    gallery = ada_and_bob
    with pytest.raises(UsageError, match="already"):
        gallery.reembed("painted")
    (tmp_path / "a0.png").unlink()
    with pytest.raises(UsageError, match="1 faces have no crop, and their pictures are gone or changed, such as"):
        gallery.reembed("other")
    assert gallery.space == painted.SPACE
    assert gallery.search(painted.picture((BOB, 9)))[0].person == gallery["bob"]  # with the model that it was made with
    with pytest.raises(UsageError, match="missing is"):
        gallery.reembed("other", missing="del")
    with painted.engine(models={"embedding": "other"}) as other:
        done = gallery.reembed(engine=other, missing="delete")
        assert gallery.search(painted.picture((BOB, 9)), threshold=0.5)[0].person == gallery["bob"]
    assert (done.space, done.faces, len(done.lost), gallery.space) == (painted.OTHER, 4, 1, painted.OTHER)
    np.testing.assert_allclose(gallery.vectors(gallery.faces("bob")).values[0], painted.vector(BOB, 0, 1), atol=1e-3)
    assert {sample.model for sample in gallery.faces()} == {"other"}
    for wrong in ({}, {"model": "other", "engine": gallery.engine}):
        with pytest.raises(UsageError):
            gallery.reembed(**wrong)


def test_a_gallery_is_calibrated_by_its_own_people() -> None:
    with Gallery(":memory:") as gallery:
        for person in range(32):
            gallery.enroll(f"pet {person}", vectors=[painted.vector(person, n) for n in range(2)], space="pets/1")
        gallery.enroll("made", vectors=painted.vector(32, 0), words={"synthetic": 1.0})
        with pytest.raises(UsageError, match="33 people who exist, or more; there are 32"):
            gallery.calibrate()
        gallery.enroll("pet 33", vectors=painted.vector(33, 0))
        table = gallery.calibrate()
        assert (table.name, table.space, table.strata[0].people, table.strata[0].pairs) == ("own-33", "pets/1", 33, 528)
        known, stranger = gallery.search(np.stack([painted.vector(5, 9), painted.vector(200, 0)]), fpir=0.5)
        assert (str(known.person), stranger.person) == ("pet 5", None)
        assert known.hits[0].bar.calibration == "own-33"
        bars = [gallery.search(painted.vector(5, 9), fpir=fpir)[0].threshold or 9 for fpir in (0.9, 0.5, 0.1)]
        assert bars == sorted(bars)
        for person in range(40, 60):
            gallery.enroll(f"pet {person}", vectors=painted.vector(person, 0))
        assert (gallery.search(painted.vector(5, 9), fpir=0.5)[0].threshold or 0) > bars[1]


def test_a_table_that_is_filled_up_says_so(ada_and_bob: Gallery) -> None:
    stratum = painted.TABLE.strata[0]
    for name, told in (("anyone", "own-33"), ("pets", "own-33 and painted people")):
        own = replace(painted.TABLE, name="own-33", strata=(replace(stratum, name=name),))
        ada_and_bob.store.apply(Change(meta={"calibration": own.to_toml()}))
        (found,) = ada_and_bob.search(painted.picture((ADA, 9)))
        assert found.hits[0].bar.calibration == told


def test_crops_serve_where_pictures_are_gone(tmp_path: Path) -> None:
    with painted.engine() as engine, Gallery(":memory:", engine=engine, crops=True) as gallery:
        gallery.enroll("ada", painted.picture((ADA, 0)))
        assert gallery.reembed("other").faces == 1
        (found,) = gallery.search(painted.picture((ADA, 0)), threshold=0.5)
        assert found.hits[0].who == "ada"


def test_no_copy_lies_in_the_gallery_itself(tmp_path: Path) -> None:
    with Gallery(tmp_path / "g") as gallery:
        for verb in (gallery.backup, gallery.export):
            with pytest.raises(UsageError, match="own folder"):
                verb(tmp_path / "g" / "copy")
        gallery.backup(tmp_path / "copy")


def test_a_gallery_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        Gallery(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()


def test_dates_of_pictures_are_kept(gallery: Gallery, tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x8769] = {0x9003: "2019:07:01 12:00:00"}
    stream = BytesIO()
    Pillow.fromarray(painted.picture((ADA, 0))).save(stream, "PNG", exif=exif)
    gallery.enroll("ada", stream.getvalue())
    assert gallery.faces("ada")[0].taken == 1561982400.0
    assert gallery.faces(where=Where(taken=(1561900000.0, None)))
    assert not gallery.faces(where=Where(taken=(None, 1561900000.0)))
