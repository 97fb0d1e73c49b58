"""The invisible mark: how much of it is left after what happens to pictures and videos, and what it costs.

Marks pictures, does things to them, and reads them again: the part of pictures whose mark is found, and the part of the
128 signs that was read wrong before correction. Then looks for the mark in pictures that have none, in which any that
is found is a false alarm. Videos are written with their mark as `mien.VideoWriter` does, and encoded once more.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFilter

from mien import assets
from mien.core.errors import InputError
from mien.core.image import Image, encode_image, load_image
from mien.media.encoding import VideoWriter
from mien.media.looking import look_for_mark
from mien.media.manifests import sign
from mien.media.provenance import Provenance
from mien.media.video import open_video
from mien.media.watermark import CODES, embed, word
from mien.media.watermark_reading import find_mark

KIND = "compositeSynthetic"


def saved(image: Image, kind: str, **options: int) -> Image:
    file = BytesIO()
    Pillow.fromarray(image).save(file, kind, **options)
    return load_image(file.getvalue())


def sized(image: Image, scale: float) -> Image:
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BICUBIC))


def cut(image: Image, part: float) -> Image:
    height, width = image.shape[:2]
    top, left = round(height * (1 - part) * 0.37), round(width * (1 - part) * 0.61)
    return np.ascontiguousarray(image[top : top + round(height * part), left : left + round(width * part)])


def blurred(image: Image, radius: float) -> Image:
    return np.asarray(Pillow.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def noisy(image: Image, deviation: float) -> Image:
    noise = np.random.default_rng(0).normal(0, deviation, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def toned(image: Image) -> Image:
    return np.clip(255 * (image / 255.0) ** 0.8 * 1.05, 0, 255).astype(np.uint8)


def turned(image: Image, degrees: float) -> Image:
    return np.asarray(Pillow.fromarray(image).rotate(degrees, Pillow.Resampling.BICUBIC))


ATTACKS: dict[str, Callable[[Image], Image]] = {
    "nothing (PNG)": lambda image: image,
    "JPEG 95": lambda image: saved(image, "JPEG", quality=95),
    "JPEG 85": lambda image: saved(image, "JPEG", quality=85),
    "JPEG 75": lambda image: saved(image, "JPEG", quality=75),
    "JPEG 60": lambda image: saved(image, "JPEG", quality=60),
    "JPEG 30": lambda image: saved(image, "JPEG", quality=30),
    "WebP 75": lambda image: saved(image, "WEBP", quality=75),
    "75 % of the size": lambda image: sized(image, 0.75),
    "50 % of the size": lambda image: sized(image, 0.5),
    "200 % of the size": lambda image: sized(image, 2.0),
    "50 %, JPEG 75": lambda image: saved(sized(image, 0.5), "JPEG", quality=75),
    "33 %": lambda image: sized(image, 1 / 3),
    "cut to two thirds": lambda image: cut(image, 2 / 3),
    "cut to a third": lambda image: cut(image, 1 / 3),
    "screenshot: cut, 83 %, tones, PNG": lambda image: toned(sized(cut(image, 0.9), 0.83)),
    "screenshot, then JPEG 75": lambda image: saved(toned(sized(cut(image, 0.9), 0.83)), "JPEG", quality=75),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "grey": lambda image: np.asarray(Pillow.fromarray(image).convert("L").convert("RGB")),
    "blur, 1 px": lambda image: blurred(image, 1.0),
    "blur, 2 px": lambda image: blurred(image, 2.0),
    "blur, 3 px": lambda image: blurred(image, 3.0),
    "noise, deviation 8": lambda image: noisy(image, 8.0),
    "turned by 1 degree": lambda image: turned(image, 1.0),
    "turned by 5 degrees": lambda image: turned(image, 5.0),
}


CODECS = (
    ("H.264 CRF 18", 18, False),
    ("H.264 CRF 23", 23, False),
    ("H.264 CRF 28", 28, False),
    ("H.264 CRF 32", 32, False),
    ("50 %, CRF 23", 23, True),
)


def psnr(one: Image, other: Image) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(np.float64) - other) ** 2)))


def read_pictures(folders: Iterable[Path], count: int | None) -> list[tuple[Path, Image]]:
    """Pictures from all over the folders, with three channels."""
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in {".jpg", ".png"})
    chosen = paths if count is None else [paths[place] for place in np.linspace(0, len(paths) - 1, count).astype(int)]
    pictures = []
    for path in dict.fromkeys(chosen):
        try:
            pictures.append((path, load_image(path)))
        except InputError as error:
            print(f"  left out: {error}")
    return pictures


def attack(name: str, pictures: list[tuple[Path, Image]]) -> None:
    marked = [embed(image, KIND) for _, image in pictures]
    ratios = [psnr(image, other) for (_, image), other in zip(pictures, marked, strict=True)]
    sides = [min(image.shape[:2]) for _, image in pictures]
    span = f"{min(sides)} to {max(sides)} px, median {np.median(sides):.0f}"
    print(f"\n{name}: {len(pictures)} pictures, shorter side {span}")
    print(f"PSNR: mean {np.mean(ratios):.1f} dB, least {min(ratios):.1f} dB")
    print(f"{'after':36}  found  wrong word  wrong signs where found")
    for title, change in ATTACKS.items():
        read = [find_mark(change(image)) for image in marked]
        right = [mark for mark in read if mark.source_type == KIND]
        wrong = sum(1 for mark in read if mark and mark.source_type != KIND)
        errors = [mark.errors for mark in right if mark.errors is not None]
        bits = f"{np.mean(errors):.1%}" if errors else "-"
        print(f"{title:36}  {len(right) / len(read):5.0%}  {wrong:10}  {bits}", flush=True)


def again(name: str, pictures: list[tuple[Path, Image]], saves: int = 5) -> None:
    """Edits of edits: what a series of saves as JPEG 95 costs, with the mark of another word first, and without any."""
    lost, right = [], 0
    for _, image in pictures:
        marked = plain = saved(embed(image, CODES[0]), "JPEG", quality=95)
        for _ in range(saves - 1):
            marked = saved(embed(marked, KIND), "JPEG", quality=95)
            plain = saved(plain, "JPEG", quality=95)
        lost.append((psnr(image, marked), psnr(image, plain)))
        right += find_mark(marked).source_type == KIND
    with_marks, without = np.mean(lost, axis=0)
    print(f"{name}: after {saves} saves {with_marks:.1f} dB, where only the first is marked {without:.1f} dB; ", end="")
    print(f"the last word is read from {right} of {len(pictures)}", flush=True)


def alarms(pictures: list[tuple[Path, Image]]) -> None:
    found, times = 0, []
    for path, image in pictures:
        start = time.perf_counter()
        mark = find_mark(image)
        times.append(time.perf_counter() - start)
        if mark:
            found += 1
            print(f"  false alarm: {path}: {mark}")
    print(
        f"\nfalse alarms: {found} of {len(pictures)} unmarked pictures; {np.median(times) * 1e3:.0f} ms each, at most ",
        end="",
    )
    print(f"{max(times) * 1e3:.0f} ms")


def encode(source: Path, target: Path, crf: int, *, half: bool) -> None:
    with open_video(source) as video, av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        width, height = (side // (4 if half else 2) * 2 for side in (video.width, video.height))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in video:
            picture: NDArray[np.uint8] = np.asarray(Pillow.fromarray(frame.image).resize((width, height)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def videos(paths: list[Path], frames: int) -> None:
    print(f"\n{'video, written with the mark, then encoded':44}  found  wrong signs  chance")
    mark = Provenance(KIND)
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            first, second = Path(folder) / "a.mp4", Path(folder) / "b.mp4"
            with open_video(path) as video, VideoWriter(first, like=video, provenance=mark, audio=False) as writer:
                size = f"{video.width}x{video.height}"
                for _, frame in zip(range(frames), video, strict=False):
                    writer.write(frame.image, frame.time)
            for title, crf, half in CODECS:
                encode(first, second, crf, half=half)
                found = look_for_mark(second)
                errors = "-" if found.errors is None else f"{found.errors:.1%}"
                print(
                    f"{path.stem + ' ' + size + ', ' + title:44}  {bool(found)!s:5}  {errors:11}  {found.chance:.0e}",
                    flush=True,
                )
            unmarked = look_for_mark(path)
            print(f"{path.stem + ', unmarked':44}  {bool(unmarked)!s:5}", flush=True)


def costs(title: str, work: Callable[[], object], rounds: int) -> None:
    """CPU time: it says more than the clock where other work runs on the machine."""
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    print(f"{title:44}  median {np.median(times) * 1e3:6.1f} ms, least {min(times) * 1e3:6.1f} ms")


def speed() -> None:
    print("\ncost, CPU milliseconds")
    photo = load_image(assets.PEOPLE[0])
    large = np.asarray(Pillow.fromarray(photo).resize((1024, 1024), Pillow.Resampling.BICUBIC))
    frame = np.asarray(Pillow.fromarray(photo).resize((1920, 1080), Pillow.Resampling.BICUBIC))
    marked, half = embed(large, KIND), sized(embed(large, KIND), 0.5)
    costs("mark 1920x1080", lambda: embed(frame, KIND), 30)
    twice = embed(frame, KIND)
    costs("mark 1920x1080 that is marked", lambda: embed(twice, KIND), 30)
    costs("mark 512x512", lambda: embed(photo, KIND), 30)
    costs("read 1024x1024, marked", lambda: find_mark(marked), 5)
    costs("read 512x512, marked at 1024x1024", lambda: find_mark(half), 5)
    costs("read 1024x1024, unmarked", lambda: find_mark(large), 3)
    for name, kind in (("a.jpg", "image/jpeg"), ("a.png", "image/png")):
        data = encode_image(large, name)
        title = f"sign {name[2:].upper()}, {len(data) / 1e6:.1f} MB"
        costs(title, lambda data=data, kind=kind: sign(BytesIO(data), BytesIO(), kind, Provenance(KIND), name="it"), 20)  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders", nargs="*", type=Path, help="folders of pictures to mark and to attack, each by itself"
    )
    parser.add_argument("--unmarked", nargs="*", type=Path, default=[], help="folders in which no mark may be found")
    parser.add_argument("--videos", nargs="*", type=Path, default=[], help="videos to mark and to encode again")
    parser.add_argument("--count", type=int, default=40, help="pictures of each folder that are attacked")
    parser.add_argument("--frames", type=int, default=100, help="frames of each video")
    options = parser.parse_args()
    distances = [np.sum(word(one) != word(other)) for one in range(len(CODES)) for other in range(one)]
    print(f"{len(CODES)} words of 128 signs, {min(distances)} or more apart")
    speed()
    for folder in options.folders:
        pictures = read_pictures([folder], options.count)
        attack(str(folder.name), pictures)
        again(str(folder.name), pictures)
    if options.videos:
        videos(options.videos, options.frames)
    if options.unmarked:
        alarms(read_pictures(options.unmarked, None))


if __name__ == "__main__":
    main()
