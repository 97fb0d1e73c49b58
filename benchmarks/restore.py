"""Damaged faces restored: how near they come to their originals in pixels, in structure and to a recogniser.

Portraits of people who do not exist, or of a folder, are made smaller, blurred, noisy or compressed, and restored by
each method. The recogniser that counts ("other") is one that the restoration does not look at.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image, load_image, save_image
from mien.engine import Engine
from mien.swaps.invented.generator import generate
from mien.swaps.nets.restorer import SCALES, restore

SIDE = 512
OTHER = "sface"
#: Name, times smaller, blur, noise, JPEG quality (0: none).
DAMAGES = (
    ("4 x smaller", 4, 0.0, 0.0, 0),
    ("4 x, noise 4, JPEG 60", 4, 0.0, 4.0, 60),
    ("2 x, noise 8", 2, 0.0, 8.0, 0),
    ("noise 15", 1, 0.0, 15.0, 0),
    ("JPEG 25", 1, 0.0, 0.0, 25),
    ("blur 3, noise 1", 1, 3.0, 1.0, 90),
    ("8 x smaller", 8, 0.0, 0.0, 0),
    ("8 x, noise 4, JPEG 80", 8, 0.0, 4.0, 80),
    ("none", 1, 0.0, 0.0, 0),
)

Method = Callable[[Image, int], Image]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restore", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="portraits; default: generated people")
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--slow", action="store_true", help="also the large network: it takes several times longer")
    parser.add_argument("--only", default="", help="damages with this in their name")
    parser.add_argument("--sheet", type=Path, help="write all as one picture")
    wanted = parser.parse_args()
    with Engine(threads=1) as engine:
        originals = list(portraits(wanted.folder, wanted.people, engine))
        rows = []
        for name, factor, *more in DAMAGES:
            if wanted.only not in name:
                continue
            damaged = [harmed(image, factor, more, seed=place) for place, image in enumerate(originals)]
            print(f"\n{name}")
            print(f"  {'':22} PSNR   SSIM   edgeface  {OTHER}   worse  s a face")
            row, known = [], None
            for method, make in methods(engine, slow=wanted.slow):
                start = time.process_time()
                made = [make(image, factor) for image in damaged]
                spent = (time.process_time() - start) / len(made)
                values = np.array([measured(a, b, engine) for a, b in zip(originals, made, strict=True)])
                known = values if known is None else known
                tell(method, values, float(np.mean(values[:, 3] < known[:, 3])), spent)
                row.append(made[0])
            rows.append(np.hstack([*row, originals[0]]))
        if wanted.sheet:
            save_image(np.vstack(rows), wanted.sheet)


def portraits(folder: Path | None, count: int, engine: Engine) -> Iterator[Image]:
    """Pictures of 512 x 512 pixels."""
    import cv2

    paths = sorted(folder.iterdir())[:count] if folder else []
    for place in range(count if folder is None else len(paths)):
        image = load_image(paths[place]) if folder else generate(seed=place, engine=engine).image[..., :3]
        yield np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def harmed(image: Image, factor: int, more: Sequence[float], *, seed: int) -> Image:
    """The picture, made smaller, blurred before, noisy and compressed after."""
    import cv2

    blur, noise, quality = more
    damaged = cv2.GaussianBlur(image, (0, 0), blur) if blur else image
    size = SIDE // factor, SIDE // factor
    damaged = cv2.resize(damaged, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    damaged += np.random.default_rng(seed).normal(0, noise, damaged.shape)
    levels = damaged.round().clip(0, 255).astype(np.uint8)
    if not quality:
        return levels
    _, data = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)  # type: ignore[arg-type] # it was encoded just now


def methods(engine: Engine, *, slow: bool) -> Iterator[tuple[str, Method]]:
    """What is compared, by name."""
    yield "drawn between pixels", lambda image, _: enlarged(image)
    yield "non-local means, sharp", lambda image, _: classical(image)
    yield "upconv7-photo, 0.7", lambda image, scale: as_large(image, scale, 0.7, None, engine)
    yield "upconv7-photo, 1.0", lambda image, scale: as_large(image, scale, 1.0, None, engine)
    if slow:
        yield "realesrgan-x4plus", lambda image, scale: as_large(image, scale, 1.0, "realesrgan-x4plus", engine)


def as_large(image: Image, scale: int, strength: float, model: str | None, engine: Engine) -> Image:
    """Restored, at the size of the original."""
    larger = restore(image, scale=min(scale, max(SCALES)), strength=strength, model=model, engine=engine).image
    return enlarged(np.asarray(larger, np.uint8))


def enlarged(image: Image, side: int = SIDE) -> Image:
    import cv2

    if image.shape[0] == side:
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def classical(image: Image) -> Image:
    """Without a network: noise away (Buades, Coll & Morel, 2005), then an unsharp mask."""
    import cv2

    calm = cv2.fastNlMeansDenoisingColored(image, None, 4, 4, 5, 15)
    large = enlarged(np.asarray(calm, np.uint8)).astype(np.float32)
    sharp = large + 0.5 * (large - cv2.GaussianBlur(large, (0, 0), 2))
    return np.asarray(sharp.clip(0, 255), np.uint8)


def tell(name: str, values: NDArray[np.float64], worse: float, spent: float) -> None:
    """One line: means over all people, on the faces; and of how many the recogniser knows less than before."""
    psnr, ssim, own, other = np.nanmean(values, axis=0)
    print(f"  {name:22} {psnr:5.2f}  {ssim:.3f}  {own:.3f}     {other:.3f}   {worse:4.0%}   {spent:.2f}", flush=True)


def measured(original: Image, made: Image, engine: Engine) -> tuple[float, float, float, float]:
    """PSNR and SSIM on the face's box, and cosines by the engine's recogniser and by another."""
    faces = engine.analyze(original, want={"alignment"}, max_faces=1)
    x1, y1, x2, y2 = faces.boxes[0].round().astype(int).clip(0, SIDE)
    one, two = (image[y1:y2, x1:x2].astype(np.float64) for image in (original, made))
    psnr = 10 * np.log10(255**2 / max(float(np.mean((one - two) ** 2)), 1e-3))
    cosines = []
    for model in ("edgeface-s", OTHER):
        judge = engine.with_models(embedding=model)
        a, b = (judge.analyze(image, want={"embedding"}, faces=faces).embedding for image in (original, made))
        cosines.append(float((a @ b)[0, 0]))
    return psnr, structure(one.mean(axis=2), two.mean(axis=2)), *cosines


def structure(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """SSIM: Wang, Bovik, Sheikh & Simoncelli, *Image quality assessment*, IEEE TIP 2004."""
    import cv2

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), 1.5))

    a, b = mean(one), mean(two)
    variances = mean(one * one) - a * a + mean(two * two) - b * b
    together = mean(one * two) - a * b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(np.mean((2 * a * b + c1) * (2 * together + c2) / ((a * a + b * b + c1) * (variances + c2))))


if __name__ == "__main__":
    main()
