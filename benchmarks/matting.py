"""Mattes: frames per second on one core, what refinement and colours cost, and errors where alpha is known.

    python -m benchmarks.matting [--people N]

Speed: frames of 1280 x 720 with one person, `mien.matte` as a whole (network, witness, refinement) and the network
alone. Accuracy: composed pictures, see `benchmarks.composed_mattes` for how artificial they are; and the outlines that
people drew of three faces with their hair, where the folder of real pictures is there. Under 200 people nothing here
ranks models.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from tests.shared import DATA

import mien
from benchmarks.composed_mattes import Composed, compose
from benchmarks.timing import seconds
from mien import assets
from mien.core.image import Image
from mien.evaluation.intervals import bootstrap
from mien.evaluation.matting import compare_alphas, unknown_band
from mien.masks.refining import foreground, refine, shrink
from mien.models.store import Store

GOALS = {"modnet": 20, "modnet-fine": 10, "selfie": 100, "selfie-landscape": None}
PEER_SIZES = {"modnet": (288, 512), "modnet-fine": (384, 672)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=40, help="composed pictures (default 40)")
    people = parser.parse_args().people
    cv2.setNumThreads(1)
    with mien.Engine(threads=1) as engine:
        speed(engine)
        parts(engine)
        pictures = [compose(seed, engine=engine) for seed in range(people)]
        accuracy(engine, pictures)
        colors(engine, pictures)
        drawn(engine)
        nobody(engine)


def frame() -> Image:
    """A person before hills, 1280 x 720."""
    hills = np.asarray(cv2.resize(mien.load_image(assets.LANDSCAPE), (1280, 720)), np.uint8)
    person = np.asarray(cv2.resize(mien.load_image(assets.PEOPLE[0]), (720, 720)), np.uint8)
    hills[:, 280:1000] = person
    return hills


def speed(engine: mien.Engine) -> None:
    image = frame()
    print("frames of 1280 x 720 per second, one core")
    print(f"{'model':18}{'precision':>10}{'whole':>8}{'net':>8}{'ORT':>8}{'ratio':>7}   goal of the whole")
    for model, goal in GOALS.items():
        one = engine.with_models(matte=model)
        whole = seconds(partial(mien.matte, image, engine=one), at_least=2)
        net = one.runner("matte")._model  # noqa: SLF001 - the network without its witness
        spec = one.choose("matte").files["model"].input
        small = shrink(image, (spec.size or PEER_SIZES[model])[::-1])[None] if spec else image[None]
        alone = seconds(partial(net._session.run, small), at_least=1)  # noqa: SLF001
        peer = onnxruntime(one, small) if model.startswith("modnet") else float("nan")
        precision = net._session.precision  # noqa: SLF001
        told = f"{goal}" if goal else "-"
        print(f"{model:18}{precision:>10}{1 / whole:8.1f}{1 / alone:8.1f}{1 / peer:8.1f}{peer / alone:7.2f}   {told}")


def onnxruntime(engine: mien.Engine, small: Image) -> float:
    """Seconds of the same file in ONNX Runtime, in float32, on one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    file = Store().pull(engine.choose("matte"))["model"]
    network = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    values = np.ascontiguousarray(((small.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2))
    return seconds(lambda: network.run(None, {"input": values}), at_least=1)


def parts(engine: mien.Engine) -> None:
    print("\nmilliseconds on pictures of several sizes, and per megapixel")
    print(f"{'megapixels':>10}{'refine':>9}{'per MP':>8}{'colours':>9}{'per MP':>8}")
    for megapixels in (0.92, 12.0, 40.0):
        scale = float(np.sqrt(megapixels / 0.9216))
        image = np.asarray(cv2.resize(frame(), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        small = engine.runner("matte").matte([image])[0]
        region = refine(small, image)
        times = [1000 * seconds(call) for call in (partial(refine, small, image), partial(foreground, image, region))]
        print(f"{megapixels:10.1f}" + "".join(f"{time:9.0f}{time / megapixels:8.1f}" for time in times))


def accuracy(engine: mien.Engine, pictures: Sequence[Composed]) -> None:
    print(f"\n{len(pictures)} composed pictures of 1024 x 1024, mean errors (95 % interval of MAD by picture)")
    print(
        f"{'model':18}{'':15}{'SAD':>7}{'MAD':>7}{'':18}{'MSE':>7}{'grad':>7}{'conn':>7}"
        f"{'in the band: MAD':>22}{'MSE':>7}"
    )
    for model in GOALS:
        one = engine.with_models(matte=model)
        for kind, refined in (("refined", True), ("only enlarged", False)):
            row(model, kind, [score(mien.matte(p.image, refine=refined, engine=one).alpha, p) for p in pictures])
    with mien.Engine(threads=1, precision="f32") as exact:
        for model in ("modnet", "selfie"):
            one = exact.with_models(matte=model)
            row(model, "refined, f32", [score(mien.matte(p.image, engine=one).alpha, p) for p in pictures])


def score(found: mien.Region, picture: Composed) -> tuple[dict[str, float], dict[str, float]]:
    return compare_alphas(found, picture.alpha, unknown_band(picture.alpha))


def row(model: str, kind: str, errors: Sequence[tuple[dict[str, float], dict[str, float]]]) -> None:
    whole = {name: float(np.mean([one[name] for one, _ in errors])) for name in errors[0][0]}
    low, high = bootstrap(lambda some: float(np.mean(some)), [one["mad"] for one, _ in errors])
    band = [float(np.mean([one[name] for _, one in errors])) for name in ("mad", "mse")]
    print(
        f"{model:18}{kind:15}{whole['sad']:7.1f}{whole['mad']:7.1f}{f' ({low:.1f} to {high:.1f})':18}"
        f"{whole['mse']:7.2f}{whole['gradient']:7.2f}{whole['connectivity']:7.1f}{'':16}{band[0]:6.0f}{band[1]:7.1f}"
    )


def colors(engine: mien.Engine, pictures: Sequence[Composed]) -> None:
    print("\ncolours in front where alpha is mixed: mean difference from the true ones, of 255, weighted by alpha")
    kept: list[float] = []
    found: list[float] = []
    guessed: list[float] = []
    for picture in pictures:
        share = picture.alpha.to_array()
        mixed = (share > 0.02) & (share < 0.98)
        alpha = mien.matte(picture.image, engine=engine).alpha
        for errors, guess in (
            (kept, picture.image),
            (found, foreground(picture.image, picture.alpha)),
            (guessed, foreground(picture.image, alpha)),
        ):
            off = np.abs(guess[mixed].astype(np.float32) - picture.front[mixed]).mean(axis=1)
            errors.append(float((off * share[mixed]).sum() / share[mixed].sum()))
    print(f"the picture's own {np.mean(kept):.1f}; estimated from the true alpha {np.mean(found):.1f}, ", end="")
    print(f"from modnet's {np.mean(guessed):.1f}")


def drawn(engine: mien.Engine) -> None:
    folder = DATA / "parsing" / "maskgan"
    names = [path.stem for path in sorted(folder.glob("*.png"))]
    print(f"\nIoU with outlines that people drew, {len(names)} faces (no intervals: too few)")
    for model in GOALS:
        one, shares = engine.with_models(matte=model), []
        for name in names:
            truth = mien.Region.from_png(folder / f"{name}.png").to_levels() > 0
            seen = mien.matte(folder / f"{name}.jpg", engine=one).alpha.to_levels()
            inside = cv2.resize(seen, truth.shape[::-1], interpolation=cv2.INTER_AREA) > 127
            shares.append(float((inside & truth).sum() / (inside | truth).sum()))
        print(f"{model:18}" + "".join(f"{share:7.3f}" for share in shares))


def nobody(engine: mien.Engine) -> None:
    from benchmarks.composed_mattes import BACKGROUNDS

    images = [mien.load_image(assets.LANDSCAPE)]
    images += [make(np.random.default_rng(seed), 512) for make in BACKGROUNDS.values() for seed in range(5)]
    print(f"\nshare of {len(images)} drawn pictures of nobody that is taken for people, mean and worst, percent")
    for model in GOALS:
        one = engine.with_models(matte=model)
        shares = [100 * mien.matte(image, engine=one).alpha.area / image[..., 0].size for image in images]
        print(f"{model:18}{np.mean(shares):7.2f}{np.max(shares):7.2f}")


if __name__ == "__main__":
    main()
