"""Errors of mattes: numbers worked out by hand, sets that are read, and the shipped model on composed pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mien
from mien import assets
from mien.cli.app import app
from mien.core.errors import InputError, ShapeMismatch, SourceError
from mien.core.region import Region
from mien.datasets.readers.mattes import read_mattes
from mien.engine import Engine
from mien.evaluation.matting import ERRORS, compare_alphas, evaluate_matting, unknown_band


def edge(at: float, size: int = 40) -> Region:
    """People from column `at` on, the border pixel mixed."""
    return Region.from_mask(np.tile(np.clip(np.arange(size) - at + 1.0, 0, 1), (size, 1)), size=(size, size))


def test_equal_alphas_have_no_error() -> None:
    truth = edge(20.5)
    for errors in compare_alphas(truth, truth, unknown_band(truth)):
        assert errors == dict.fromkeys(ERRORS, 0.0)


def test_an_edge_two_pixels_off() -> None:
    truth, found = edge(20), edge(22)
    band = np.zeros((40, 40), bool)
    band[:, 18:28] = True
    whole, unknown = compare_alphas(found, truth, band)
    assert whole["sad"] == pytest.approx(unknown["sad"]) == pytest.approx(80 / 1000)
    assert whole["mad"] == pytest.approx(whole["mse"]) == pytest.approx(1000 * 80 / 1600)
    assert unknown["mad"] == pytest.approx(1000 * 80 / 400)
    # Only the true piece that the found one lacks is less connected: fully.
    assert whole["connectivity"] == pytest.approx(80 / 1000)
    assert whole["gradient"] > 0


def test_gradients_see_blur_that_the_sum_hardly_does() -> None:
    truth = edge(20)
    blurred, moved = truth.feather(4), edge(21)
    band = unknown_band(truth)
    soft, hard = (compare_alphas(found, truth, band)[0] for found in (blurred, moved))
    assert soft["gradient"] > hard["gradient"] / 2
    # A step of one has the slope of its filter: the sum of half of it, squared, along the edge.
    x = np.arange(-4, 5)
    bell = np.exp(-(x**2) / (2 * 1.4**2))
    slope = x * bell / np.linalg.norm(x * bell)
    wanted = (np.convolve(edge(20).to_array()[0], slope, "same") ** 2)[8:-8].sum() * (
        bell / np.linalg.norm(bell)
    ).sum() ** 2
    empty = compare_alphas(Region.empty((40, 40)), truth, band)[0]
    assert empty["gradient"] == pytest.approx(40 * wanted / 1000, rel=1e-3)


def test_a_lone_spot_is_an_error_of_connectivity() -> None:
    truth = edge(20)
    spot = truth | Region.from_box([2, 2, 5, 5], (40, 40))
    whole, _ = compare_alphas(spot, truth, unknown_band(truth))
    assert whole["connectivity"] == pytest.approx(9 / 1000)


def test_the_band_is_of_the_trimap_or_around_what_is_mixed() -> None:
    truth = edge(20.5)
    columns = np.flatnonzero(unknown_band(truth).all(axis=0))
    assert columns.tolist() == [19, 20, 21]
    trimap = Region.from_mask(np.tile(np.repeat(np.array([0, 128, 255], np.uint8), [10, 20, 10]), (40, 1)))
    assert unknown_band(truth, trimap).sum() == 40 * 20
    with pytest.raises(ShapeMismatch, match="a trimap"):
        unknown_band(truth, Region.full((3, 4)))
    with pytest.raises(ShapeMismatch, match="an alpha"):
        compare_alphas(edge(2, 30), truth, unknown_band(truth))
    assert not unknown_band(Region.empty((40, 40))).any()


def make_set(root: Path, pictures: str = "images", mattes: str = "alphas", count: int = 2) -> Path:
    for folder in (pictures, mattes):
        (root / folder).mkdir(parents=True)
    for place, path in enumerate(assets.PEOPLE[:count]):
        image = mien.load_image(path)
        mien.save_image(image, root / pictures / f"p{place}.png")
        Region.full(image.shape[1::-1]).to_png(root / mattes / f"p{place}.png")
    return root


@pytest.mark.parametrize(("pictures", "mattes"), [("images", "alphas"), ("image", "matte"), ("blurred_image", "mask")])
def test_sets_are_read_by_the_names_of_their_folders(tmp_path: Path, pictures: str, mattes: str) -> None:
    for folder in (pictures, mattes, "trimap"):
        (tmp_path / folder).mkdir()
    for name in ("b.png", "a.png", "lone.png", "notes.txt"):
        (tmp_path / pictures / name).touch()
    edge(3).to_png(tmp_path / mattes / "a.png")
    edge(3).to_png(tmp_path / mattes / "b.png")
    edge(5).to_png(tmp_path / "trimap" / "b.png")
    one, other = read_mattes(tmp_path)
    assert (one.path.name, other.path.name) == ("a.png", "b.png")
    assert one.read() == edge(3)
    assert one.read_trimap() is None
    assert other.read_trimap() == edge(5)


def test_folders_that_are_no_set(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder of pictures"):
        read_mattes(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    with pytest.raises(SourceError, match="no folder of mattes"):
        read_mattes(tmp_path)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "b.png").touch()
    with pytest.raises(SourceError, match="no picture has a matte"):
        read_mattes(str(tmp_path))
    with pytest.raises(SourceError):
        read_mattes("\0")


@pytest.mark.weights
def test_a_set_with_a_broken_picture(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set")
    Region.full((3, 3)).to_png(root / "alphas" / "p1.png")
    with Engine(threads=1) as engine:
        report = evaluate_matting(root, engine=engine)
        assert (report.model, report.pictures, len(report.failed)) == ("modnet", 1, 1)
        assert "does not fit" in report.failed[0].reason
        assert report.whole["mad"].mean > report.unknown["mad"].mean == 0  # all is people: nothing is unknown
        (root / "images" / "p0.png").write_bytes(b"broken")
        with pytest.raises(InputError, match="none of 2"):
            evaluate_matting(root, engine=engine)


@pytest.mark.weights
def test_the_command(tmp_path: Path) -> None:
    root = make_set(tmp_path / "set", count=1)
    result = CliRunner().invoke(
        app, ["evaluate", "matting", str(root), "--json", "--model", "matte=selfie", "--threads", "1"]
    )
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["model"], told["pictures"], told["refine"]) == ("selfie", 1, True)
    assert set(told["whole"]) == set(ERRORS)
    assert isinstance(CliRunner().invoke(app, ["evaluate", "matting", str(tmp_path)]).exception, SourceError)
