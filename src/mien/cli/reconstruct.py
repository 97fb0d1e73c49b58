"""``mien reconstruct``: textured faces in millimetres out of photos of one person, or of a clip."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.cli.naming import is_same_file
from mien.cli.options import print_json, takes_engine
from mien.core.errors import NoFace, UsageError

if TYPE_CHECKING:
    from mien.engine import Engine
    from mien.location.reconstruction import Reconstruction

Sources = Annotated[
    list[str], typer.Argument(help="A picture or a video; several pictures: of one person.", show_default=False)
]


@takes_engine
def reconstruct(
    sources: Sources,
    out: Annotated[Path, typer.Option(help="The mesh: .glb, .obj or .ply.", show_default=False)],
    frontal: Annotated[Path | None, typer.Option(help="Write the face turned to the camera: a picture.")] = None,
    texture: Annotated[Path | None, typer.Option(help="Write the unwrapped face: a picture.")] = None,
    size: Annotated[int, typer.Option(help="Side of the texture in pixels.", min=16, max=8192)] = 1024,
    relief: Annotated[bool, typer.Option("--relief", help="Add fine relief from shading; .glb only.")] = False,
    morphs: Annotated[
        Literal["principal", "blendshapes"], typer.Option(help="What a clip's motion is made of.")
    ] = "principal",
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a face, on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Make a textured mesh of each face, in its own axes and millimetres; every file is marked as synthetic in part.

    Several faces are written with their numbers: face.glb becomes face_1.glb, face_2.glb, ... It is an average face
    bent to the picture: no ears, no skull, and depth is a guess.
    """
    from mien.location.reconstructing import reconstruct as make

    plan = _Plan(out, frontal, texture)
    plan.check(sources, relief=relief)
    found = make(sources[0] if len(sources) == 1 else sources, size=size, morphs=morphs, engine=engine)
    if not found:
        raise NoFace(f"no face in {sources[0]} that a mesh can be laid over.")
    numbers = list(range(1, len(found) + 1)) if len(found) > 1 else [None]
    for number in numbers:
        plan.check_files(sources, number)
    prints = json or not sys.stdout.isatty()
    for number, face in zip(numbers, found, strict=True):
        files = plan.write(face, number, relief=relief)
        if prints:
            print_json(_record(face, number or 1, files))
        else:
            print(f"{face}: {', '.join(str(path) for path in files)}")


class _Plan:
    """Which files are written."""

    def __init__(self, out: Path, frontal: Path | None, texture: Path | None) -> None:
        self.out, self.frontal, self.texture = out, frontal, texture

    def check(self, sources: list[str], *, relief: bool) -> None:
        """Refuse, before the work begins, names that cannot be written.

        Raises
        ------
        UsageError
        """
        from mien.core.image import IMAGE_SUFFIXES
        from mien.media.meshes import MESH_SUFFIXES

        if self.out.suffix.lower() not in MESH_SUFFIXES:
            raise UsageError(f"--out must end in one of {', '.join(MESH_SUFFIXES)}.")
        if relief and self.out.suffix.lower() != ".glb":
            raise UsageError("--relief is kept by .glb alone.")
        suffixes = [suffix for suffix in IMAGE_SUFFIXES if suffix != ".bmp"]  # which carries no mark
        for option, path in (("--frontal", self.frontal), ("--texture", self.texture)):
            if path and path.suffix.lower() not in suffixes:
                raise UsageError(f"{option} must end in one of {', '.join(suffixes)}.")
        self.check_files(sources, None)

    def check_files(self, sources: list[str], number: int | None) -> None:
        """Refuse files of one face that cannot be written, or that are read.

        Raises
        ------
        UsageError
        StorageError
        """
        from mien.media.meshes import files_of
        from mien.media.sinks import begin

        out, *pictures = self.names(number)
        paths = [path.absolute() for path in (*files_of(out), *filter(None, pictures))]
        if len(set(paths)) < len(paths):
            raise UsageError("two outputs have one name.")
        for path in paths:
            if any(is_same_file(source, path) for source in sources):
                raise UsageError(f"{path} is what is read: give another name to write to.")
        for path in paths:
            begin(path).unlink()

    def names(self, number: int | None) -> tuple[Path, Path | None, Path | None]:
        """Of the mesh, the frontal picture and the texture; with a number, if the face is one of several."""

        def named(path: Path) -> Path:
            return path if number is None else path.with_name(f"{path.stem}_{number}{path.suffix}")

        return named(self.out), self.frontal and named(self.frontal), self.texture and named(self.texture)

    def write(self, face: Reconstruction, number: int | None, *, relief: bool) -> list[Path]:
        """Write one face's files."""
        out, frontal, texture = self.names(number)
        files = face.save(out, relief=relief)
        if frontal:
            files.append(face.frontal(size=512).save(frontal))
        if texture:
            files.append(face.save_texture(texture))
        return files


def _record(face: Reconstruction, number: int, files: list[Path]) -> dict[str, Any]:
    low, high = face.vertices.min(axis=0), face.vertices.max(axis=0)
    record: dict[str, Any] = {
        "face": number,
        "size_mm": [round(float(side)) for side in high - low],
        # Far from 0, half of the face is a mirror image, or its brow and chin are made up.
        "yaw": None if face.pose.abstained else round(float(face.pose.yaw), 1),
        "pitch": None if face.pose.abstained else round(float(face.pose.pitch), 1),
        "seen": round(float(face.seen.mean()), 3),
    }
    if face.motion is not None:
        record |= {
            "track": face.track,
            "frames": len(face.motion.times),
            "morphs": len(face.motion.names),
            "morph_error_mm": round(face.error, 3),
        }
    return {**record, "files": [str(path) for path in files]}
