"""The face mesh and the head pose on pictures with ground truth.

    python -m benchmarks.pose

Tables: points against hand-made marks (43 faces, 51 of the iBUG 68 points), by detector; the five points that crops
are aligned by, of the mesh and of each detector; presence of faces and of a detector's mistakes; pose against
AFLW2000-3D (8 photos), by way of fitting and by model; pose on mirrored and turned copies, by model.

The crops' scales and the ways of fitting were chosen on other pictures (or, the fits, for being simple); the limits of
presence on these. 8 photos order no methods whose errors differ by a degree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from benchmarks.pictures import shipped
from mien.core.boxes import iou
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import angles, rotation_matrix
from mien.core.image import Image, load_image
from mien.datasets.readers.w300lp import read_w300lp
from mien.engine import Engine
from mien.evaluation.pose import evaluate_pose, published_angles
from mien.location.canonical import CanonicalFace
from mien.location.mesh478 import alignment_points

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MODELS = ("pose-canonical", "intel-pose", "6drepnet360", "whenet")
DETECTORS = ("yunet", "scrfd-500m", "centerface", "blazeface-full")
Floats = NDArray[np.floating[Any]]

#: The mesh points nearest to the iBUG points 17 to 67.
INNER_POINTS = [
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
]


def marked_faces() -> Iterator[tuple[str, Floats, Floats]]:
    """File, box and 68 points (iBUG order) of each face that a person marked."""
    for part in ("training", "testing"):
        for image in ET.parse(DATA / "landmarks68_boxes" / f"{part}_with_face_landmarks.xml").iter("image"):
            for box in image.iter("box"):
                left, top, width, height = (float(box.attrib[k]) for k in ("left", "top", "width", "height"))
                marks = {int(p.attrib["name"]): (float(p.attrib["x"]), float(p.attrib["y"])) for p in box}
                corners = np.array([left, top, left + width, top + height], np.float32)
                yield image.attrib["file"], corners, np.array([marks[i] for i in range(68)])


def five_of(marks: Floats) -> Floats:
    """Eye centres, nose tip and mouth corners of 68 marks."""
    eyes = [marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)]
    return np.array([*eyes, marks[30], marks[48], marks[54]])


def points() -> None:
    rows = list(marked_faces())
    images = {file: load_image(DATA / "landmarks68_boxes" / file) for file, _, _ in rows}
    print(f"\nPoints: error in distances of the eyes' outer corners, {len(rows)} faces, 51 points; and the five points")
    print(f"{'detector':16}{'found':>6}{'mean':>9}{'median':>9}{'worst':>9}{'5 of mesh':>11}{'5 of detector':>15}")
    for name in DETECTORS:
        with Engine(threads=1, models={"detect": name}) as engine:
            found = {file: engine.detect(image) for file, image in images.items()}
            for eyes in (True, False):
                errors, ours, theirs = [], [], []
                for file, box, marks in rows:
                    overlaps = iou(box[None], found[file].boxes)[0]
                    if overlaps.max(initial=0) < 0.3:
                        continue
                    face = found[file][[int(overlaps.argmax())]]
                    given = face if eyes else Faces.from_boxes(face.boxes)
                    landmarks = engine.analyze(images[file], faces=given, want={"landmarks"}).landmarks.values
                    scale = np.linalg.norm(marks[36] - marks[45])
                    errors.append(np.linalg.norm(landmarks[0, INNER_POINTS, :2] - marks[17:], axis=1).mean() / scale)
                    ours.append(np.linalg.norm(alignment_points(landmarks)[0] - five_of(marks), axis=1).mean() / scale)
                    if eyes and set(ALIGNMENT_NAMES) <= set(face.keypoint_names):
                        five = face.keypoints[0, [face.keypoint_names.index(n) for n in ALIGNMENT_NAMES]]
                        theirs.append(np.linalg.norm(five - five_of(marks), axis=1).mean() / scale)
                label = name if eyes else "  its boxes only"
                row = f"{label:16}{len(errors):6}{np.mean(errors):9.4f}{np.median(errors):9.4f}{np.max(errors):9.4f}"
                print(row + f"{np.mean(ours):11.4f}" + (f"{np.mean(theirs):15.4f}" if theirs else f"{'-':>15}"))


def presence() -> None:
    marked = json.loads((DATA / "detect_noses" / "annotations.json").read_text())["noses"]
    faces, mistakes = [], []
    with Engine(threads=1) as engine:
        for path in sorted((DATA / "detect_noses").glob("*.jpg")):
            found = engine.analyze(load_image(path), want={"presence", "alignment"}, min_score=0.3)
            noses = np.array(marked.get(path.name, []), np.float32).reshape(-1, 2)
            gaps = np.linalg.norm(found.alignment.values[:, 2, None] - noses[None], axis=2).min(axis=1, initial=np.inf)
            right = gaps * 1000 < 45 * found.image_size[0]
            faces += found.presence.values[right].tolist()
            mistakes += found.presence.values[~right].tolist()
        dogs = engine.analyze(load_image(DATA / "landmarks68_boxes" / "dogs.jpg"), want={"presence"}, min_score=0.3)
    print(f"\nPresence: least of {len(faces)} faces {min(faces):.3f};", end=" ")
    print(f"of {len(mistakes)} mistakes (scores from 0.3): {', '.join(f'{p:.3f}' for p in sorted(mistakes))};", end=" ")
    print(f"of dogs {', '.join(f'{p:.3f}' for p in dogs.presence.values)}")


def orthographic(face: CanonicalFace, landmarks: Floats, weights: Floats) -> Floats:
    """Rotation that lays the face over the picture positions alone, seen from far away."""
    measured = landmarks[: len(face.vertices)].astype(np.float64)
    start = face.fit(landmarks[None])
    root = np.sqrt(weights / weights.sum())[:, None]

    def rotation(x: Floats) -> Floats:
        return np.asarray(cv2.Rodrigues(x[:3])[0] @ start.rotation[0])

    def rest(x: Floats) -> Floats:
        plane = (face.vertices @ rotation(x).T)[:, :2] * x[3] * start.scale[0]
        plane += x[4:6] * start.scale[0] + measured[:, :2].mean(axis=0)
        return np.asarray(((plane - measured[:, :2]) / start.scale[0] * root).ravel())

    return rotation(least_squares(rest, np.array([0, 0, 0, 1, 0, 0.0])).x)


def pose() -> None:
    files = sorted((DATA / "pose").glob("*.jpg"))
    truth = np.array([read_w300lp(path.with_suffix(".mat"), path).rotation for path in files])
    with Engine(threads=1) as engine:
        meshes = [_largest(engine, load_image(path)).landmarks.values[0] for path in files]
        face = CanonicalFace.read(engine.store.fetch(engine.catalogue["pose-canonical"].files["geometry"]))
    even = CanonicalFace(face.vertices, face.uv, face.triangles, np.ones_like(face.weights))
    fits: dict[str, Callable[[Floats], Floats]] = {
        "x, y, z, weighted (ours)": lambda mesh: face.fit(mesh[None]).rotation[0],
        "x, y, z, unweighted": lambda mesh: even.fit(mesh[None]).rotation[0],
        "x, y, weighted": lambda mesh: orthographic(face, mesh, face.weights),
        "x, y, unweighted": lambda mesh: orthographic(face, mesh, even.weights),
    }
    print(
        f"\nPose: mean absolute error in degrees, {len(files)} photos; in our order of axes, and in the one published"
    )
    print(f"{'fit':26}{'yaw':>7}{'pitch':>7}{'roll':>7}{'turn':>7}   |{'yaw':>7}{'pitch':>7}{'roll':>7}{'mean':>7}")
    for name, fit in fits.items():
        found = np.array([fit(mesh) for mesh in meshes])
        own = np.abs(_wrap(angles(found) - angles(truth))).mean(axis=0)
        their = np.abs(_wrap(published_angles(found) - published_angles(truth))).mean(axis=0)
        turn = np.rad2deg(np.arccos(np.clip((np.einsum("nij,nij->n", found, truth) - 1) / 2, -1, 1))).mean()
        row = f"{name:26}" + "".join(f"{value:7.2f}" for value in (*own, turn))
        print(row + "   |" + "".join(f"{value:7.2f}" for value in (*their, their.mean())))


def models() -> None:
    print("\nPose by model: mean absolute errors in degrees, and the one turn that is left with its 95 % interval")
    print("Copies: degrees that should be 0, median and 90th percentile: mirrored; turned all around, box only")
    print(f"{'model':16}{'yaw':>7}{'pitch':>7}{'roll':>7}{'published':>11}{'turn':>7}{'95 %':>13}", end="")
    print("   | mirrored         turned (abstained)")
    for model in MODELS:
        with Engine(threads=1, models={"pose": model}) as engine:
            found = evaluate_pose(DATA / "pose", engine=engine)
            own = "".join(f"{getattr(found, name).mean:7.2f}" for name in ("yaw", "pitch", "roll"))
            low, high = found.turn.interval
            mirrored, turned = copies(engine)
        ends = "  ".join(f"{np.nanmedian(part):5.2f} {np.nanpercentile(part, 90):6.2f} " for part in (mirrored, turned))
        row = f"{model:16}{own}{found.published_mean.mean:11.2f}{found.turn.mean:7.2f}{low:7.2f}{high:6.2f}"
        print(f"{row}   | {ends} ({np.isnan(turned).sum()} of {len(turned)})")


def attention() -> None:
    seen = []
    with Engine(threads=1) as engine:
        for path in shipped():
            seen += engine.analyze(path, want={"attention"}).attention.values.tolist()
    values = np.array(seen)
    print(f"\nAttention: above 0.5 in {(values > 0.5).sum()} of {len(values)} faces of the shipped pictures", end=" ")
    print(f"({np.isnan(values).sum()} abstained), whose people look into the camera or nearly so")


def copies(engine: Engine) -> tuple[Floats, Floats]:
    """Degrees between the pose of mirrored and of turned copies and what it should be; NaN where it abstained."""
    mirrored, turned = [], []
    for path in sorted((DATA / "pose").glob("*.jpg")):
        image = load_image(path)
        face = _largest(engine, image)
        plain = face.pose.values[0]
        mirror = _largest(engine, np.ascontiguousarray(image[:, ::-1])).pose.values[0]
        mirrored.append(_between(mirror * [-1, 1, -1], plain))
        for degrees in range(-150, 181, 30):
            found = _turned_pose(engine, image, face, degrees)
            expected = rotation_matrix([0, 0, degrees]) @ rotation_matrix(plain)
            turned.append(_between(found, angles(expected)))
    return np.array(mirrored), np.array(turned)


def _between(one: Floats, two: Floats) -> float:
    cosine = (np.trace(rotation_matrix(one) @ rotation_matrix(two).T) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def _largest(engine: Engine, image: Image) -> Faces:
    return engine.analyze(image, want={"landmarks", "pose"}).top(1)


def _turned_pose(engine: Engine, image: Image, face: Faces, degrees: float) -> Floats:
    """Pose in a copy turned clockwise, found from a box of the same size."""
    height, width = image.shape[:2]
    side = int(np.hypot(width, height))
    m = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    m[:, 2] += (side - width) / 2, (side - height) / 2
    center = m[:, :2] @ face.centers[0] + m[:, 2]
    half = (face.boxes[0, 2:] - face.boxes[0, :2]) / 2
    canvas = cv2.warpAffine(image, m, (side, side)).astype(np.uint8)
    boxes = Faces.from_boxes([[*(center - half), *(center + half)]])
    return np.asarray(engine.analyze(canvas, faces=boxes, want={"pose"}).pose.values[0])


def _wrap(degrees: Floats) -> Floats:
    return np.asarray((degrees + 180) % 360 - 180)


def main() -> None:
    attention()
    if not DATA.is_dir():
        print(f"skipped: no pictures in {DATA}")
        return
    points()
    presence()
    pose()
    models()


if __name__ == "__main__":
    main()
