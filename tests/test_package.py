"""The package as a whole: its public names, its rooms, and that importing it does no work."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import mien

NAMES = """
CardError Challenge Check Clip Consent DeviceUnavailable Edit EditRefused EmbeddingSpaceMismatch Engine Event Events
Face Faces Failure FieldNotComputed ForgeryReport Gallery GalleryChanged GalleryError HashMismatch ImageError
ImageNotKept ImageTooLarge InputError Item LicenseRefused Liveness Masks Matte MienError ModelError Narration Narrator
NoFace NotCalibrated Person Portrait PortraitCheck Provenance Reconstruction Region ShapeMismatch SourceError
StorageError Track Tracking UnknownField UnknownModel UnknownPerson UnsafeFile UsageError Verification VideoWriter
WeightsUnavailable __version__ analyze anonymize background check default_engine describe detect edit forgery generate
liveness load_image mask matte open_video portrait provenance reconstruct reenact restore save_image scan
set_default_engine swap track verify
"""


def test_the_public_names_are_these() -> None:
    assert sorted(mien.__all__) == NAMES.split() == dir(mien)


@pytest.mark.parametrize("name", NAMES.split())
def test_each_name_is_there(name: str) -> None:
    value = getattr(mien, name)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__doc__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recognise'"):
        _ = mien.recognise


def test_every_error_is_public() -> None:
    errors = importlib.import_module("mien.core.errors")
    assert set(errors.__all__) <= set(mien.__all__)
    assert all(issubclass(getattr(errors, name), mien.MienError) for name in errors.__all__)


def test_no_room_or_module_has_the_name_of_a_function() -> None:
    root = Path(mien.__file__).parent
    rooms = {path.stem for path in root.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not rooms & set(mien.__all__)


HEAVY = ["openvino", "cv2", "onnxruntime", "unearth", "httpx2", "rich.progress", "PIL", "numpy"]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import mien", HEAVY),
        ("import mien.cli", [name for name in HEAVY if name != "numpy"]),
        ("import mien; mien.Engine, mien.Faces, mien.detect", ["openvino", "cv2", "unearth", "httpx2"]),
        ("import mien.core.geometry, mien.core.warping, mien.core.draw", ["openvino", "cv2"]),
    ],
)
def test_importing_does_no_work(statement: str, absent: list[str]) -> None:
    code = f"import sys; {statement}; print(*[name for name in {absent!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_the_types_are_shipped() -> None:
    assert (Path(mien.__file__).parent / "py.typed").is_file()
