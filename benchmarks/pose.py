"""The face mesh and the head pose on pictures with ground truth.

    python -m benchmarks.pose

Tables: points against hand-made marks (43 faces, 51 of the iBUG 68 points), by detector; the five points that crops
are aligned by, of the mesh and of each detector; presence of faces and of a detector's mistakes; pose against
AFLW2000-3D (8 photos), by way of fitting; pose on mirrored and turned copies.

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
from scipy.io import loadmat
from scipy.optimize import least_squares

from mien.core.boxes import iou
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import angles, rotation_matrix
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.location.canonical import CanonicalFace
from mien.location.mesh478 import alignment_points

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
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


def published(path: Path) -> Floats:
    """Rotation of an AFLW2000-3D photo in our axes.

    Pose_Para begins with pitch, yaw and roll in radians; there R = Rx Ry Rz, each the transpose of the usual matrix,
    with y up and z towards the camera. Half a turn about x leads to our axes.
    """
    pitch, yaw, roll = np.rad2deg(loadmat(path.with_suffix(".mat"))["Pose_Para"][0, :3])
    x, y, z = (rotation_matrix(part) for part in ([0, pitch, 0], [-yaw, 0, 0], [0, 0, roll]))
    return np.asarray(x @ y @ z, np.float64)


def in_their_order(rotation: Floats) -> Floats:
    """Yaw, pitch and roll of R = Rx Ry Rz, in our signs."""
    return np.asarray(angles(np.swapaxes(rotation, -1, -2)) * [-1, -1, -1])


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
    truth = np.array([published(path) for path in files])
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
        their = np.abs(_wrap(in_their_order(found) - in_their_order(truth))).mean(axis=0)
        turn = np.rad2deg(np.arccos(np.clip((np.einsum("nij,nij->n", found, truth) - 1) / 2, -1, 1))).mean()
        row = f"{name:26}" + "".join(f"{value:7.2f}" for value in (*own, turn))
        print(row + "   |" + "".join(f"{value:7.2f}" for value in (*their, their.mean())))


def copies() -> None:
    files = sorted((DATA / "pose").glob("*.jpg"))
    mirrored, turned = [], []
    with Engine(threads=1) as engine:
        for path in files:
            image = load_image(path)
            face = _largest(engine, image)
            plain = face.pose.values[0]
            mirror = _largest(engine, np.ascontiguousarray(image[:, ::-1])).pose.values[0]
            mirrored.append(mirror * [-1, 1, -1] - plain)
            for degrees in range(-150, 181, 30):
                found = _turned_pose(engine, image, face, degrees)
                turned.append(_wrap(found - plain - [0, 0, degrees]))
    print("\nCopies: change of yaw, pitch and roll that should be 0, degrees: median, and 90th percentile")
    for label, rows in (("mirrored", mirrored), ("turned, box only", turned)):
        size = np.abs(rows)
        middle, tail = np.nanmedian(size, axis=0), np.nanpercentile(size, 90, axis=0)
        print(
            f"{label:18}{len(rows):4} copies, {int(np.isnan(size[:, 0]).sum())} abstained",
            middle.round(2),
            tail.round(2),
        )


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
    if not DATA.is_dir():
        print(f"skipped: no pictures in {DATA}")
        return
    points()
    presence()
    pose()
    copies()


if __name__ == "__main__":
    main()
