"""Clusters of unlabelled faces: how pure and how complete, against other algorithms; order, growth, likeness, answers.

    python -m benchmarks.clustering [--faces 100000] [DATA] [--only real algorithms order ...]

- ``real``: ten adults (LFW, dlib's examples; 105 pictures) among 393 strangers of all ages (UTKFace, one picture each),
  for each embedder; the strangers also made the calibrations, so that their precision is not held-out.
- ``algorithms``: made-up identities (`benchmarks.identities`), every algorithm at the threshold that a calibration on
  other made-up strangers gives; and at the best threshold of a sweep, which nobody knows beforehand.
- ``order``: the same faces all at once, in ten portions, in a hundred, in two orders; then looked at again.
- ``growing``: children whose vectors drift from year to year, dated and undated. No real pictures of children who grow
  were to be had: the drift is a guess.
- ``likeness``: pairs of people whose directions are alike, as of siblings. No real siblings were to be had.
- ``review``: a human who knows all answers: F after 0, 10, 50 and 100 of them, asked in order of gain and at random.
- ``scale``: many made-up faces through a gallery's store: minutes, memory, BCubed F.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.identities import KINDS, Identities
from benchmarks.people import pictures
from mien.embeddings.calibration import Calibration, Stratum, load_calibration
from mien.engine import Engine
from mien.evaluation.clustering import ClusteringReport, measure_groups
from mien.gallery.groups.clusters import cluster_store
from mien.gallery.groups.linkage import Linkage, nearest
from mien.gallery.groups.proposing import propose
from mien.gallery.groups.review import Review
from mien.gallery.groups.thresholds import FAR, FAR_MANY, Thresholds
from mien.gallery.intake import Origin, describe, sightings
from mien.gallery.records import Change, Sample
from mien.gallery.store import Store, open_store

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

EMBEDDERS = ("edgeface-s", "arcface-mbf", "sface", "mobilefacenet")
SPACE = "made-up/1"
HAZE = 1.5  # times the noise that was fitted to clear portraits: a library has worse pictures
YEAR = 365.25 * 86400
ALSO_KNOWN = "60_0_0_20170111205244694"  # of UTKFace: one of the ten people (looked at)


def show(name: str, report: ClusteringReport, more: str = "") -> None:
    values, ends = report.everything.values, report.everything.intervals
    low, high = ends["bcubed_f"]
    print(
        f"  {name:34} BCubed P {values['bcubed_precision']:.4f} R {values['bcubed_recall']:.4f} "
        f"F {values['bcubed_f']:.4f} ({low:.4f} to {high:.4f})  pairs F {values['pair_f']:.4f} {more}",
        flush=True,
    )


# -- real faces --------------------------------------------------------------------------------------------------------


def real(options: argparse.Namespace) -> None:
    """Ten people among strangers."""
    known = sorted(
        file for name in ("identities", "identities_johns") for file in (options.data / name).glob("*/*.jpg")
    )
    others = [file for file in pictures(options.data / "age_gender") if not file.name.startswith(ALSO_KNOWN)]
    for model in EMBEDDERS:
        samples: list[Sample] = []
        rows: list[Floats] = []
        people: list[str] = []
        with Engine(threads=1, models={"embedding": model}) as engine:
            for file in [*known, *others]:
                origin, source = Origin.of(file)
                faces = describe(source, engine).top(1)
                if len(faces) and not bool(faces[0].embedding.abstained):
                    seen = sightings(faces, origin)[0]
                    samples.append(replace(seen.sample, id=len(samples) + 1))
                    rows.append(seen.vector)
                    people.append(file.parent.name if file in set(known) else file.name)
        vectors = np.stack(rows)
        truly = [int(name.split("_")[0]) if name[0].isdigit() else 40 for name in people]
        strata = {
            "ten people": [not name[0].isdigit() for name in people],
            "minors": [age < 18 for age in truly],
            "under 8": [age < 8 for age in truly],
        }
        print(f"{model}: {len(samples)} faces of {len(set(people))} people")
        calibration = load_calibration(f"{model}/1")
        proposal = propose(samples, vectors, nearest(vectors, 32), Thresholds.of(samples, calibration))
        report = measure_groups(proposal.labels.tolist(), people, strata=strata)
        show("mien", report)
        for name, measures in report.strata.items():
            p, r = measures.values["bcubed_precision"], measures.values["bcubed_recall"]
            print(f"    {name:12} {measures.faces:4} faces  BCubed P {p:.4f} R {r:.4f}")
        adult = calibration.threshold(FAR, ["adult"])[0]
        flat = Thresholds.constant(len(samples), adult)
        found = propose(samples, vectors, nearest(vectors, 32), flat)
        report = measure_groups(found.labels.tolist(), people, strata=strata)
        show("one threshold for all, the adults'", report)
        p = report.strata["under 8"].values["bcubed_precision"]
        print(f"    under 8      {report.strata['under 8'].faces:4} faces  BCubed P {p:.4f}")


# -- made-up identities ------------------------------------------------------------------------------------------------


def made_up(
    count: int, *, kind: str = "edgeface-s", mean: float = 5.0, haze: float = HAZE, seed: int = 1
) -> tuple[Floats, Rows]:
    """Vectors of people who do not exist, and who they are."""
    chosen = replace(KINDS[kind], noise=KINDS[kind].noise * haze)
    identities = Identities(chosen, count, mean=mean, seed=seed)
    return np.concatenate([vectors for _, vectors in identities.rows()]), identities.persons


def curve(kind: str = "edgeface-s", haze: float = HAZE) -> Calibration:
    """A calibration on strangers of another seed."""
    vectors, who = made_up(6000, kind=kind, mean=1.0, haze=haze, seed=99)
    rates = (0.5, 0.1, 1e-2, 1e-3, FAR_MANY, FAR, 3e-5, 1e-5, 1e-6)
    scores = (vectors @ vectors.T)[np.triu_indices(len(who), 1)]
    values = np.sort(scores)[::-1]
    cut = tuple(float(values[int(rate * len(values))]) for rate in rates)
    everybody = ((0.0, 150.0), (0.0, 150.0))
    stratum = Stratum("all", everybody, (0, 1e9), len(who), len(values), rates, cut)
    return Calibration("made-up", SPACE, dt.date(2026, 1, 1), "nobody", "free", (stratum,))


def chinese_whispers(vectors: Floats, threshold: float, k: int = 32, rounds: int = 20) -> Rows:
    """Chinese whispers (Biemann, 2006) on the neighbours' graph."""
    graph = nearest(vectors, k)
    weights = (vectors[graph.first] * vectors[graph.second]).sum(axis=1)
    kept = weights >= threshold
    first, second, weights = graph.first[kept], graph.second[kept], weights[kept]
    ends, others, weights = np.append(first, second), np.append(second, first), np.append(weights, weights)
    order = np.argsort(ends, kind="stable")
    start = np.searchsorted(ends[order], np.arange(len(vectors) + 1))
    labels, draw = np.arange(len(vectors)), np.random.default_rng(0)
    for _ in range(rounds):
        for row in draw.permutation(len(vectors)).tolist():
            around = order[start[row] : start[row + 1]]
            if len(around):
                names, place = np.unique(labels[others[around]], return_inverse=True)
                labels[row] = names[np.argmax(np.bincount(place, weights=weights[around]))]
    return labels


def dbscan(vectors: Floats, threshold: float) -> Rows:
    from sklearn.cluster import DBSCAN

    labels = DBSCAN(eps=1 - threshold, min_samples=2, metric="cosine").fit_predict(vectors)
    return alone(labels)


def hdbscan(vectors: Floats, _: float) -> Rows:
    """HDBSCAN* with least clusters of two; it takes no threshold (with one, scikit-learn 1.9 fails)."""
    from sklearn.cluster import HDBSCAN

    return alone(HDBSCAN(min_cluster_size=2, min_samples=1, copy=True).fit(vectors).labels_)


def alone(labels: Rows) -> Rows:
    """Noise as groups of one."""
    return np.where(labels < 0, labels.max() + 1 + np.arange(len(labels)), labels)


def components(vectors: Floats, threshold: float) -> Rows:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = nearest(vectors, 32)
    kept = (vectors[graph.first] * vectors[graph.second]).sum(axis=1) >= threshold
    ends = (np.ones(int(kept.sum())), (graph.first[kept], graph.second[kept]))
    return np.asarray(connected_components(coo_array(ends, shape=(len(vectors),) * 2), directed=False)[1], np.intp)


def linkage(vectors: Floats, one: float, many: float | None = None) -> Rows:
    found = Linkage(vectors, nearest(vectors, 32), Thresholds.constant(len(vectors), one, many))
    found.settle()
    return found.labels


def algorithms(options: argparse.Namespace) -> None:
    """Every algorithm at the calibrated threshold and at its best one."""
    for haze in (1.0, HAZE, 2.5):
        vectors, who = made_up(options.some, haze=haze)
        table = curve(haze=haze)
        one, many = (table.threshold(rate)[0] for rate in (FAR, FAR_MANY))
        print(f"{len(who)} made-up faces of {who.max() + 1} people, noise x {haze:g}: thresholds {one:.3f}, {many:.3f}")
        show("mien", measure_groups(linkage(vectors, one, many).tolist(), who.tolist(), resamples=50))
        others: dict[str, Callable[[Floats, float], Rows]] = {
            "average linkage, one threshold": linkage,
            "Chinese whispers": chinese_whispers,
            "connected components": components,
            "DBSCAN": dbscan,
            "HDBSCAN": hdbscan,
        }
        for name, algorithm in others.items():
            reports = {
                cut: measure_groups(algorithm(vectors, cut).tolist(), who.tolist(), resamples=20)
                for cut in (one, *(np.arange(0.4, 0.85, 0.1).tolist()))
            }
            best = max(reports, key=lambda cut: reports[cut].everything.values["bcubed_f"])
            top = reports[best].everything.values["bcubed_f"]
            show(name, reports[one], f"  best of a sweep: F {top:.4f} at {best:.2f}")


# -- galleries ---------------------------------------------------------------------------------------------------------


def put(store: Store, vectors: Floats, names: list[str], **values: Any) -> None:
    for start in range(0, len(vectors), 5000):
        part = names[start : start + 5000]
        first = store.reserve(len(part))
        samples = [Sample(id=first + at, face=name, picture=name, **values) for at, name in enumerate(part)]
        ids = [one.id for one in samples]
        store.apply(Change(samples=samples, vectors=(ids, vectors[start : start + 5000]), space=SPACE))


def groups(store: Store) -> dict[str, str]:
    return {one.face: one.person or one.face for one in store.samples()}


def order(options: argparse.Namespace) -> None:
    """The same faces all at once and in portions."""
    vectors, who = made_up(options.few)
    table = curve()
    for name, portions, seed in (
        ("all at once", 1, None),
        ("10 portions", 10, 0),
        ("10 portions, another order", 10, 1),
        ("100 portions", 100, 0),
    ):
        rows = np.arange(len(who)) if seed is None else np.random.default_rng(seed).permutation(len(who))
        store, moved, before = open_store(":memory:"), 0, dict[str, str]()
        for portion in np.array_split(rows, portions):
            put(store, vectors[portion], [f"f{row}" for row in portion])
            cluster_store(store, calibration=table)
            now = groups(store)
            moved += sum(now[face] != person for face, person in before.items() if person != face)
            before = now
        true = [int(who[int(face[1:])]) for face in before]
        show(name, measure_groups(list(before.values()), true, resamples=20), f" {moved} faces of others moved")
        if portions > 1:
            cluster_store(store, calibration=table, again=True)
            show("  and looked at again", measure_groups(list(groups(store).values()), true, resamples=20))
        store.close()


def growing(_: argparse.Namespace) -> None:
    """Children from 1 to 17, as many pictures each year."""
    draw = np.random.default_rng(0)
    table = curve(haze=1.0)
    first, _who = made_up(120, mean=1.0, haze=0.01, seed=5)
    later = made_up(120, mean=1.0, haze=0.01, seed=6)[0]
    for drift, yearly in ((1.0, 3), (3.0, 3), (3.0, 1), (6.0, 3)):
        ages = np.tile(np.repeat(np.arange(1, 18), yearly), 60)
        who = np.repeat(np.arange(60), 17 * yearly)
        # What a face becomes is added year by year; the noise is that of clear pictures.
        means = first[who] + drift * ((ages - 1) / 16)[:, None] * later[who]
        noise = draw.standard_normal(means.shape) * np.sqrt(KINDS["edgeface-s"].noise / means.shape[1])
        vectors = means / np.linalg.norm(means, axis=1, keepdims=True) + noise
        vectors = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
        ends = (vectors[ages == 1] * vectors[ages == 17]).sum(axis=1).mean()
        print(f"drift {drift:g}, {yearly} a year: {len(who)} faces of 60 children; cosine of 1 and 17: {ends:.2f}")
        for name, dated in (("without dates", False), ("with dates", True)):
            samples = [
                Sample(id=row + 1, ages=(age, age + 1), taken=(20 + age) * YEAR if dated else None)
                for row, age in enumerate(ages.tolist())
            ]
            found = propose(samples, vectors, nearest(vectors, 32), Thresholds.of(samples, table))
            show(name, measure_groups(found.labels.tolist(), who.tolist(), resamples=50))


def likeness(_: argparse.Namespace) -> None:
    """Pairs of people whose directions are alike."""
    draw = np.random.default_rng(0)
    table = curve()
    base = made_up(600, mean=1.0, haze=0.01, seed=7)[0]
    chosen = KINDS["edgeface-s"].noise * HAZE
    for cosine in (0.0, 0.3, 0.4, 0.5, 0.6, 0.7):
        one, other = base[:300], base[300:]
        other = np.asarray(other - (one * other).sum(axis=1, keepdims=True) * one, np.float32)
        other /= np.linalg.norm(other, axis=1, keepdims=True)
        means = np.concatenate([one, cosine * one + np.sqrt(1 - cosine**2) * other])
        who = np.arange(3600) // 6
        noise = draw.standard_normal((len(who), means.shape[1]))
        vectors = means[who] + np.sqrt(chosen) * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        vectors = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
        samples = [Sample(id=row + 1) for row in range(len(who))]
        found = propose(samples, vectors, nearest(vectors, 32), Thresholds.of(samples, table)).labels
        joined = np.mean([len(set(found[who == a]) & set(found[who == a + 300])) > 0 for a in range(300)])
        report = measure_groups(found.tolist(), who.tolist(), resamples=50)
        show(f"cosine {cosine:g} between two people", report, f" {joined:.0%} of 300 couples joined")


def review(options: argparse.Namespace) -> None:
    """F after answers of somebody who knows."""
    vectors, who = made_up(options.few, mean=8.0, haze=2.5)
    table = curve(haze=2.5)
    for name in ("by gain", "at random"):
        store, draw = open_store(":memory:"), np.random.default_rng(0)
        put(store, vectors, [f"f{row}" for row in range(len(who))])
        cluster_store(store, calibration=table)
        person = {one.id: int(who[int(one.face[1:])]) for one in store.samples()}
        queue = Review(store, calibration=table)
        unasked = yes = 0
        for number in range(101):
            if number in {0, 10, 50, 100}:
                found = [one.person or one.face for one in store.samples()]
                report = measure_groups(found, list(person.values()), resamples=20)
                show(f"{number:3} answers {name}", report, f" {yes} yes, {unasked} faces labelled unasked")
            questions = queue.questions(1 if name == "by gain" else None)
            question = questions[0 if name == "by gain" else int(draw.integers(len(questions)))]
            right = [one.person for one in question.candidates if person[one.sample.id] == person[question.first.id]]
            same = person[question.first.id] == person[question.second.id]
            done = queue.answer(question, right[0] if right else "yes" if same and not question.candidates else "no")
            unasked += done.unasked
            yes += bool(right) or (same and not question.candidates)
        store.close()


def scale(options: argparse.Namespace) -> None:
    """Many faces through a store."""
    vectors, who = made_up(options.faces, mean=4.0, haze=1.0)
    table = curve(haze=1.0)
    store = open_store(":memory:")
    start = time.perf_counter()
    put(store, vectors, [f"f{row}" for row in range(len(who))])
    stored, used = time.perf_counter(), time.process_time()
    report = cluster_store(store, calibration=table, far=options.far, far_many=3 * options.far)
    took, used = time.perf_counter() - stored, time.process_time() - used
    found = groups(store)
    true = [int(who[int(face[1:])]) for face in found]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(who):,} faces of {who.max() + 1:,} people: stored in {(stored - start) / 60:.1f} min; {report}")
    show("mien", measure_groups(list(found.values()), true, resamples=20), f" {took / 60:.1f} min, peak {peak:.1f} GiB")


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "real": real,
    "algorithms": algorithms,
    "order": order,
    "growing": growing,
    "likeness": likeness,
    "review": review,
    "scale": scale,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--faces", type=int, default=100_000, help="of scale")
    parser.add_argument("--far", type=float, default=1e-5, help="of scale; means of many have three times as much")
    parser.add_argument("--some", type=int, default=5000, help="faces of the comparison of algorithms")
    parser.add_argument("--few", type=int, default=2000, help="faces of the parts that group many times")
    options = parser.parse_args()
    for name in options.only:
        print(f"\n== {name}: {PARTS[name].__doc__}", flush=True)
        PARTS[name](options)


if __name__ == "__main__":
    main()
