"""Masks in COCO's layout: one file of pictures, annotations and categories, as training tools read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from mien.media.sinks import Format

if TYPE_CHECKING:
    from mien.core.faces import Faces

__all__ = ["Coco"]


class Coco(Format):
    """Writes records of masks in the layout of Lin, Maire, Belongie, et al., *Microsoft COCO*, 2014.

    An annotation is one region of one face, as run lengths; a region that a face does not show has none. Beyond what
    COCO has, ``face`` is the face's number in its picture, or a person's in a video, and ``score`` the detector's.
    Annotations are written as they come; pictures and categories, of which few bytes are kept, at the end.

    Parameters
    ----------
    stream : text file
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._images: list[dict[str, Any]] = []
        self._categories: dict[str, int] = {}
        self._count = 0
        stream.write('{"annotations": [')

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:  # noqa: ARG002 - the record has them
        """Add a picture as `Cut.record` makes it, with its ``source``; one that failed is left out."""
        if "failure" in record:
            return
        own = {key: record[key] for key in ("width", "height", "frame", "time") if key in record}
        image = {"id": len(self._images) + 1, "file_name": record["source"], **own}
        self._images.append(image)
        for face in record["faces"]:
            for name, region in face["regions"].items():
                category = self._categories.setdefault(name, len(self._categories) + 1)
                if region["area"]:
                    self._annotate(image["id"], category, face, region)

    def _annotate(self, image: int, category: int, face: Mapping[str, Any], region: Mapping[str, Any]) -> None:
        x1, y1, x2, y2 = region["box"]
        self._count += 1
        annotation = {
            "id": self._count,
            "image_id": image,
            "category_id": category,
            "segmentation": region["rle"],
            "area": region["area"],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "iscrowd": 0,
            "face": face["face"],
            "score": face["score"],
        }
        self._stream.write(("\n" if self._count == 1 else ",\n") + json.dumps(annotation, ensure_ascii=False))

    def end(self) -> None:
        """Complete the file."""
        categories = [{"id": k, "name": name, "supercategory": "face"} for name, k in self._categories.items()]
        rest = {"images": self._images, "categories": categories}
        self._stream.write("\n], " + json.dumps(rest, ensure_ascii=False)[1:] + "\n")
