"""Faces in millimetres: how steady their size is, how true their shape, what textures and motions lose, what they cost.

    python -m benchmarks.shape

- size: pictures of one person (LFW, and dlib's, by whom the errors of reading irises were set), and people by age
  (UTKFace), by the irises, by the average head and by both. Nothing was fitted to LFW and UTKFace, but both were looked
  at while it was decided how irises are read and that both rulers are heard: they are no clean hold-out;
- shape: faces drawn before a known camera. Each is a shipped person's mesh, bent in width, depth and smoothly all over,
  and painted with her own texture: so only the bending is unknown to the network that made the mesh;
- AFLW2000-3D: agreement with its fits, which are no truth either;
- textures there and back, relief of drawn bumps, faces out of several pictures, motions of clips; time.

Intervals are over people, or over pictures where there is one of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.core.image import Image, load_image
from mien.core.mesh import Topology, warp_mesh
from mien.engine import Engine
from mien.evaluation.intervals import bootstrap
from mien.location.morphs import MorphsName
from mien.location.reconstruction import Reconstruction, fuse
from mien.location.relief import relief
from mien.location.shape3d import IrisShape, iris_diameters
from mien.location.stabilization import similarities
from mien.location.unwrapping import Texture, over_texture, unwrap
from mien.media.video import open_video

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
WANT = {"landmarks", "stabilized", "shape", "pose"}
Doubles = NDArray[np.float64]


def told(name: str, parts: Sequence[Any], statistic: Callable[[Sequence[Any]], float], unit: str = "") -> None:
    """Print a statistic of independent parts, with its interval."""
    low, high = bootstrap(statistic, parts)
    print(f"  {name:34} {statistic(parts):8.3f} {unit:3} ({low:.3f} to {high:.3f})")


def central(faces: Faces) -> Faces:
    """The face nearest to the middle of its picture."""
    middle = np.array(faces.image_size) / 2
    return faces[[int(np.linalg.norm(faces.centers - middle, axis=1).argmin())]] if len(faces) else faces


# --- size -------------------------------------------------------------------------------------------------------------


def pupils(engine: Engine, files: Sequence[Path]) -> Doubles:
    """Distances of the pupils in mm by the average head, the irises, and both: (N, 3), of pictures with a mesh."""
    runner = engine.runner("shape")
    assert isinstance(runner, IrisShape)
    rows = []
    for file in files:
        face = central(engine.analyze(file, want=WANT))
        if not len(face) or face.shape.abstained[0]:
            continue
        laid, points = face.stabilized.values.astype(float), face.landmarks.values
        apart = 10 * np.linalg.norm(laid[0, 468] - laid[0, 473])
        pixels = np.linalg.norm(points[0, 33] - points[0, 263]) / (10 * np.linalg.norm(laid[0, 33] - laid[0, 263]))
        iris = runner.ruler.iris / (iris_diameters(points).mean() / pixels)
        shape = face.shape.values[0]
        rows.append([apart * runner.ruler.average, apart * iris, np.linalg.norm(shape[468] - shape[473])])
    return np.array(rows).reshape(-1, 3)


def sizes(engine: Engine) -> None:
    """Print how steady the distance of the pupils is, and whether it is that of people."""
    for title, folder in (("LFW", "identities"), ("dlib's photos (the errors were set here)", "identities_johns")):
        people = [pupils(engine, sorted(one.glob("*.jpg"))) for one in sorted((DATA / folder).iterdir())]
        print(f"\nDistance of the pupils, {title}: {len(people)} people, {sum(map(len, people))} pictures")
        for place, name in enumerate(("average head", "irises", "both")):
            cells = [one[:, place] for one in people]
            told(
                f"{name}: variation within a person",
                cells,
                lambda some: float(np.mean([100 * c.std(ddof=1) / c.mean() for c in some])),
                "%",
            )
            told(f"{name}: mean", cells, lambda some: float(np.mean([c.mean() for c in some])), "mm")
    print("\nDistance of the pupils by age, UTKFace: mean in mm by average head, irises, both (adults have 63.4)")
    files = sorted((DATA / "age_gender").glob("*.jpg"))
    ages = np.array([int(file.name.split("_")[0]) for file in files])
    for low, high in ((1, 3), (3, 6), (6, 10), (10, 14), (14, 18), (18, 40), (40, 120)):
        some = pupils(engine, [file for file, age in zip(files, ages, strict=True) if low <= age < high])
        ends = bootstrap(lambda rows: float(np.mean(rows)), some[:, 2].tolist())
        means = " ".join(f"{value:6.1f}" for value in some.mean(axis=0))
        print(f"  {low:3} to {high - 1:3} years, {len(some):3} people: {means} ({ends[0]:.1f} to {ends[1]:.1f})")


# --- shape ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Camera:
    """Where a drawn face stands: cm away, turned by degrees."""

    distance: float
    yaw: float
    pitch: float


CAMERAS = [
    *(Camera(100, yaw, 0) for yaw in (0, 20, 40, 60)),
    *(Camera(100, 0, pitch) for pitch in (-20, 20)),
    *(Camera(distance, 0, 0) for distance in (30, 50, 200)),
]


def bent(vertices: Doubles, seed: int) -> Doubles:
    """A face in mm made wider or narrower, deeper or flatter, and smoothly uneven: another one."""
    rng = np.random.default_rng(seed)
    face = vertices * (1 + rng.uniform(-0.1, 0.1), 1, 1 + rng.uniform(-0.2, 0.2))
    centers, waves = vertices[rng.integers(len(vertices), size=8)], rng.normal(scale=4, size=(8, 3))
    near = np.exp(-((vertices[:, None] - centers) ** 2).sum(axis=2) / (2 * 25**2))
    return np.asarray(face + near @ waves)


def drawn(face: Doubles, made: Reconstruction, camera: Camera) -> Image:
    """The face as a pinhole camera sees it, 640 pixels a side, before grey."""
    placed = face @ rotation_matrix((camera.yaw, camera.pitch, 0)).T.astype(float) + (0, 0, 10 * camera.distance)
    focal = 300 / 170 * 10 * camera.distance  # the face is 300 pixels high
    points = np.column_stack(
        [focal * placed[:, :2] / placed[:, 2:] + 320, focal * placed[:, 2] / (10 * camera.distance)]
    )
    uv = made.uv * np.float32(len(made.texture)) - np.float32(0.5)
    picture, mask = warp_mesh(made.texture, uv, points, made.triangles, (640, 640))
    return np.where(mask[..., None], picture, np.uint8(150))


def laid(points: Doubles, target: Doubles, *, scaled: bool = True) -> Doubles:
    """Points turned, shifted and, if wanted, scaled onto a target."""
    fit = similarities(points, target[None], np.ones((1, len(points))))
    scale = fit.scale[0] if scaled else 1.0
    return np.asarray(scale * (points - points.mean(axis=0)) @ fit.rotation[0].T + target.mean(axis=0))


def rms(points: Doubles, target: Doubles) -> float:
    return float(np.sqrt(((points - target) ** 2).sum(axis=-1).mean()))


def shapes(engine: Engine) -> None:
    """Print how far found faces are from those that were drawn."""
    people = [mien.reconstruct(path, size=512, engine=engine)[0] for path in assets.PEOPLE]
    truths = [bent(one.vertices.astype(float), seed) for seed, one in enumerate(people)]
    average = people[0].topology.vertices.astype(float) * 10
    print(f"\nShape: {len(people)} drawn faces; mm (root mean square over 468 points) after turn, shift and scale")
    told("the average face itself", truths, lambda some: float(np.mean([rms(laid(average, t), t) for t in some])), "mm")
    own = list(zip(people, truths, strict=True))
    told(
        "the shipped person, not bent",
        own,
        lambda some: float(np.mean([rms(laid(p.vertices, t), t) for p, t in some])),
        "mm",
    )
    for camera in CAMERAS:
        found = []
        for one, truth in own:
            face = central(engine.analyze(drawn(truth, one, camera), want=WANT))
            if len(face) and not face.shape.abstained[0]:
                found.append((face.shape.values[0, : len(truth)].astype(float), truth, face.pose.values[0]))
        where = f"{camera.distance:.0f} cm, yaw {camera.yaw:.0f}, pitch {camera.pitch:.0f} ({len(found)} found)"
        told(where, found, lambda some: float(np.mean([rms(laid(f, t), t) for f, t, _ in some])), "mm")
        rest = np.stack([laid(f, t) - t for f, t, _ in found])
        x, y, z = np.sqrt((rest**2).mean(axis=(0, 1)))
        turn = np.mean([np.abs(pose[:2] - (camera.yaw, camera.pitch)) for *_, pose in found], axis=0)
        print(
            f"  {'':34} x {x:.2f}, y {y:.2f}, z {z:.2f} mm; yaw and pitch off by {turn[0]:.1f}, {turn[1]:.1f} degrees"
        )


def agreement(engine: Engine) -> None:
    """Print how far the 68 points are from the fits of AFLW2000-3D."""
    from scipy.io import loadmat

    errors = []
    for file in sorted((DATA / "pose").glob("*.jpg")):
        face = engine.analyze(file, want={"landmarks68"})
        marks = loadmat(file.with_suffix(".mat"))["pt3d_68"].T.astype(float) * (1, 1, -1)
        if not len(face):
            continue
        face = face[[int(np.linalg.norm(face.centers - marks[:, :2].mean(axis=0), axis=1).argmin())]]
        points = face.landmarks68.values[0].astype(float)
        side = np.sqrt(np.ptp(marks[:, :2], axis=0).prod())
        off = points - marks
        off[:, 2] -= off[:, 2].mean()  # where z begins is open
        errors.append([np.linalg.norm(off[:, :2], axis=1).mean() / side, np.linalg.norm(off, axis=1).mean() / side])
    print(f"\nAgreement with AFLW2000-3D's fits: {len(errors)} of 8 pictures; parts of the face's extent")
    told("68 points, x and y", errors, lambda some: float(np.mean(some, axis=0)[0]))
    told("68 points, x, y and z", errors, lambda some: float(np.mean(some, axis=0)[1]))


# --- the rest ---------------------------------------------------------------------------------------------------------


def textures(engine: Engine) -> None:
    """Print what a texture loses there and back."""
    losses = []
    for path in assets.PEOPLE:
        image = load_image(path)
        (face,) = mien.reconstruct(image, engine=engine)
        points = face.view.points
        again, mask = warp_mesh(
            face.texture, face.uv * len(face.texture) - np.float32(0.5), points, face.triangles, image.shape[:2]
        )
        inside = cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        losses.append(float(((again.astype(float) - image)[inside] ** 2).mean()))
    print(f"\nTexture of 1024 pixels and back into the picture: {len(losses)} people")
    told("PSNR over the face", losses, lambda some: float(10 * np.log10(255**2 / np.mean(some))), "dB")


LIGHTS = {
    "from a side": (0.5, 0.35, -0.1, -0.2),
    "from above": (0.5, 0, -0.35, -0.2),
    "from the camera": (0.4, 0, 0, -0.35),
}


def reliefs(engine: Engine) -> None:
    """Print how well drawn bumps are found."""
    from mien.location.topology import face_topology

    topology, size = face_topology(engine=engine), 512
    mesh = topology.vertices.astype(float) * 20
    normals = over_texture(topology, topology.normals(mesh), size)
    inside = np.isfinite(normals).all(axis=2)
    normals = np.nan_to_num(normals)
    right, down = along(mesh, topology, size)
    print("\nRelief of drawn bumps: correlation of tilts towards the light, and across to it; 10 draws")
    for name, light in LIGHTS.items():
        rows = []
        for seed in range(10):
            rng = np.random.default_rng(seed)
            height = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 3.0)
            dy, dx = np.gradient(height * (0.25 / np.gradient(height)[0].std()))
            bumped = normals - right * dx[..., None] - down * dy[..., None]
            bumped /= np.linalg.norm(bumped, axis=2, keepdims=True) + 1e-9
            shade = (light[0] + bumped @ np.array(light[1:])).clip(0.02, 1) + rng.normal(scale=0.01, size=(size, size))
            image = (255 * shade.clip(0, 1)[..., None].repeat(3, axis=2) ** (1 / 2.2)).astype(np.uint8)
            found = relief(Texture(image, np.asarray(inside, np.float32)), mesh, topology)
            toward = np.stack([(right * light[1:]).sum(axis=2), (down * light[1:]).sum(axis=2)], axis=-1)
            toward /= np.linalg.norm(toward, axis=2, keepdims=True) + 1e-9
            across = np.stack([-toward[..., 1], toward[..., 0]], axis=-1)
            sure, true = found.seen > 0.3, np.stack([-dx, -dy], axis=-1)
            rows.append(
                [
                    np.corrcoef((true * w).sum(axis=2)[sure], (found.tilts * w).sum(axis=2)[sure])[0, 1]
                    for w in (toward, across)
                ]
            )
        told(f"{name}: towards", rows, lambda some: float(np.mean(some, axis=0)[0]))
        told(f"{name}: across", rows, lambda some: float(np.mean(some, axis=0)[1]))


def along(mesh: Doubles, topology: Topology, size: int) -> tuple[Doubles, Doubles]:
    """Which way the texture's right and down go in space, by differences between texels."""
    places = np.nan_to_num(over_texture(topology, mesh, size)).astype(float)
    right, down = np.gradient(places, axis=1), np.gradient(places, axis=0)
    unit = [v / (np.linalg.norm(v, axis=2, keepdims=True) + 1e-9) for v in (right, down)]
    return unit[0], unit[1]


def off_centre(face: Reconstruction) -> float:
    """How far a face stands from the middle of its picture, in pixels."""
    middle = np.array(face.view.image.shape[1::-1]) / 2
    return float(np.linalg.norm(face.view.points[:, :2].mean(axis=0) - middle))


def several(engine: Engine) -> None:
    """Print how far faces of one person are apart, out of one picture each, and out of four."""
    cells: dict[int, list[list[float]]] = {1: [], 4: []}
    people = [*sorted((DATA / "identities").iterdir()), *sorted((DATA / "identities_johns").iterdir())]
    count = len(people)
    for person in people:
        parts = []
        for file in sorted(person.glob("*.jpg"))[:8]:
            found = mien.reconstruct(file, size=16, engine=engine)
            parts += sorted(found, key=off_centre)[:1]
        for number, row in cells.items():
            groups = [fuse(parts[start::2][:number]) for start in range(2)]
            one, other = (group.vertices.astype(float) for group in groups)
            row.append([rms(laid(one, other), other), rms(laid(one, other, scaled=False), other)])
    print(f"\nTwo faces of one person apart, from pictures that they do not share: {count} people")
    for number, rows in cells.items():
        told(f"out of {number}, after scale", rows, lambda some: float(np.mean(some, axis=0)[0]), "mm")
        told(f"out of {number}, in their own size", rows, lambda some: float(np.mean(some, axis=0)[1]), "mm")


def clips(engine: Engine) -> None:
    """Print what motions need and lose, and how steady a clip's size is."""
    for name in ("single_face", "cap12_edit"):
        morphs: MorphsName
        for morphs in ("principal", "blendshapes"):
            (face,) = mien.reconstruct(DATA / "video" / f"{name}.mp4", size=64, morphs=morphs, engine=engine)
            assert face.motion is not None
            frames, count = len(face.motion.times), len(face.motion.names)
            print(f"  {name}, {frames} frames: {count} {morphs} morphs leave {face.error:.3f} mm")
            print(
                f"  {'':34} seen from its camera again: off by {again(engine, name, face):.2f} % of the eyes' distance"
            )


def again(engine: Engine, name: str, face: Reconstruction) -> float:
    """How far a moving face, put before the camera that `head` assumes, is from the meshes of the clip."""
    motion, off = face.motion, []
    assert motion is not None
    with engine.track(open_video(DATA / "video" / f"{name}.mp4"), want={"landmarks", "head"}) as frames:
        for item in frames:
            if item.faces is None or item.time is None or not len(item.faces) or item.faces.head.abstained[0]:
                continue
            row = int(np.abs(motion.times - item.time).argmin())
            shape = face.vertices + np.tensordot(motion.weights[row], motion.targets, axes=1)
            x, y, z = (shape @ motion.rotations[row].T + motion.positions[row]).T
            middle = (np.array(item.faces.image_size) - 1) / 2
            seen = item.faces.landmarks.values[0, :, :2]
            placed = np.column_stack([x / z, y / z]) * item.faces.head.focal[0] + middle
            eyes = np.linalg.norm(seen[33] - seen[263])
            off.append(100 * rms(placed, seen[: len(placed)].astype(float)) / eyes)
    return float(np.mean(off))


def costs(engine: Engine) -> None:
    """Print what each part takes."""
    image = load_image(assets.PEOPLE[0])
    faces = engine.analyze(image, want=WANT)
    (face,) = mien.reconstruct(image, engine=engine)
    points, topology = faces.landmarks.values[0, :468], face.topology
    empty = {"landmarks": faces.landmarks, "stabilized": faces.stabilized}
    bare = Faces.from_boxes(faces.boxes).with_columns(empty)
    batch = mien.engine.steps.Batch([image], np.zeros(len(faces), np.intp), bare)
    jobs: dict[str, Callable[[], object]] = {
        "field shape, beyond stabilized": lambda: engine.runner("shape").describe(batch),
        "texture, 1024": lambda: unwrap(image, points, topology, 1024),
        "whole: picture to face, 1024": lambda: mien.reconstruct(image, engine=engine)[0].texture,
        "frontal, 512": face.frontal,
        "relief, 1024": lambda: relief(face.unwrapped, face.view.points, topology),
    }
    print("\nTime on one core")
    for name, job in jobs.items():
        spent = []
        for _ in range(7):
            start = time.perf_counter()
            job()
            spent.append(time.perf_counter() - start)
        print(f"  {name:34} {1000 * np.median(spent):8.1f} ms (median of 7)")


def main() -> None:
    """Measure, print."""
    with Engine(threads=1) as engine:
        sizes(engine)
        shapes(engine)
        agreement(engine)
        textures(engine)
        reliefs(engine)
        several(engine)
        print("\nMotions of clips (one each: no interval)")
        clips(engine)
        costs(engine)
    print("\nFewer than 200 independent people in every row: nothing here ranks anything.")


if __name__ == "__main__":
    main()
