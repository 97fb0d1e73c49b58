"""Topology, visibility and warps of meshes: shapes whose answers are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.mesh import Topology, triangle_visibility, visibility, warp_mesh

Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]


def sheet(rows: int = 6, columns: int = 7, step: float = 8.0) -> tuple[Doubles, Ints]:
    """A level sheet that faces the camera."""
    y, x = np.mgrid[:rows, :columns] * step + 4.0
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    a, b, c, d = corner, corner + 1, corner + columns, corner + columns + 1
    return points, np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)


def ball(step: int = 20) -> tuple[Doubles, Ints]:
    """A closed ball of radius 1: poles above and below, rings between."""
    tilt, turn = np.deg2rad(np.arange(step, 180, step)), np.deg2rad(np.arange(0, 360, step))
    rings = np.stack(
        [
            np.sin(tilt)[:, None] * np.sin(turn),
            np.broadcast_to(-np.cos(tilt)[:, None], (len(tilt), len(turn))),
            -np.sin(tilt)[:, None] * np.cos(turn),
        ],
        axis=-1,
    ).reshape(-1, 3)
    points = np.concatenate([[[0.0, -1, 0]], rings, [[0.0, 1, 0]]])
    n, triangles = len(turn), []
    for j in range(n):
        k, last = (j + 1) % n, 1 + (len(tilt) - 1) * n
        triangles += [[0, 1 + j, 1 + k], [len(points) - 1, last + k, last + j]]
        for i in range(len(tilt) - 1):
            a, b = 1 + i * n + j, 1 + i * n + k
            triangles += [[a, a + n, b], [b, a + n, b + n]]
    return points, np.array(triangles, np.int32)


def topology(points: Doubles, triangles: Ints) -> Topology:
    return Topology(points.astype(np.float32), triangles, np.zeros((len(points), 2), np.float32))


def picture(seed: int = 0, size: tuple[int, int] = (48, 60), channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), np.uint8)


# --- topology ---------------------------------------------------------------------------------------------------------


def test_edges_and_neighbours_of_a_sheet() -> None:
    mesh = topology(*sheet(3, 4))
    assert len(mesh.edges) == 2 * 4 + 3 * 3 + 2 * 3  # upright, level, across
    assert (mesh.edges[:, 0] < mesh.edges[:, 1]).all()
    assert [len(mesh.neighbours[vertex]) for vertex in (0, 3, 5)] == [2, 3, 6]
    for one, others in enumerate(mesh.neighbours):
        assert all(one in mesh.neighbours[other] for other in others)


def test_a_sheet_ends_in_one_loop_and_a_ball_nowhere() -> None:
    (loop,) = topology(*sheet(3, 4)).boundary_loops
    assert sorted(loop.tolist()) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    edges = {tuple(edge) for edge in topology(*sheet(3, 4)).edges.tolist()}
    assert all(tuple(sorted(side)) in edges for side in itertools.pairwise([*loop.tolist(), int(loop[0])]))
    assert topology(*ball()).boundary_loops == ()


def test_an_opening_is_another_loop() -> None:
    mesh = topology(*sheet(6, 7))
    hole = [16, 17, 23, 24]
    inner = mesh.without(hole)
    assert len(mesh.triangles) - len(inner.triangles) == 2
    assert [sorted(loop.tolist()) for loop in inner.boundary_loops[1:]] == [hole]
    np.testing.assert_array_equal(mesh.without().triangles, mesh.triangles)


def test_normals_point_out_of_a_ball() -> None:
    points, triangles = ball()
    mesh = topology(points, triangles)
    assert ((mesh.normals() * points).sum(axis=1) > 0.99).all()
    many = mesh.normals(np.stack([points, points * 2, points + 5]))
    np.testing.assert_allclose(many, np.broadcast_to(mesh.normals(), many.shape), atol=1e-5)
    assert mesh.normals(np.zeros((0, len(points), 3))).shape == (0, len(points), 3)
    assert np.isnan(mesh.normals(np.zeros_like(points))).all()


def test_topology_that_does_not_fit() -> None:
    with pytest.raises(ShapeMismatch, match="do not fit"):
        Topology(np.zeros((3, 2), np.float32), np.zeros((1, 3), np.int32), np.zeros((3, 2), np.float32))
    with pytest.raises(ShapeMismatch, match="none of 3"):
        Topology(np.zeros((3, 3), np.float32), np.array([[0, 1, 3]], np.int32), np.zeros((3, 2), np.float32))
    with pytest.raises(ShapeMismatch, match=r"shape \(..., 42, 3\)"):
        topology(*sheet()).normals(np.zeros((4, 3)))


# --- visibility -------------------------------------------------------------------------------------------------------


def test_half_of_a_ball_is_seen() -> None:
    points, triangles = ball()
    (seen,) = visibility(points[None], triangles)
    assert (seen[points[:, 2] < -0.6] > 0.99).all()
    assert (seen[points[:, 2] > 0.4] == 0).all()


def test_a_wall_hides_what_is_behind_it_whatever_its_normal() -> None:
    points, triangles = sheet()
    wall = points[[0, 3, 35, 38]] - [0, 0, 50]
    n = len(points)
    for corners in ([[n, n + 2, n + 1], [n + 1, n + 2, n + 3]], [[n, n + 1, n + 2], [n + 1, n + 3, n + 2]]):
        mesh = np.concatenate([points, wall])
        (seen,) = visibility(mesh[None], np.concatenate([triangles, corners]).astype(np.int32))
        grid = seen[:n].reshape(6, 7)
        assert (grid[:, :3] < 0.05).all()  # behind it
        assert (grid[:, 5:] == 1).all()  # beside it


@given(st.floats(0.01, 1000), st.floats(-500, 500), st.floats(-500, 500))
def test_visibility_does_not_depend_on_place_and_size(scale: float, x: float, y: float) -> None:
    points, triangles = ball(30)
    moved = visibility((points * scale + [x, y, x])[None], triangles)
    np.testing.assert_allclose(moved, visibility(points[None], triangles), atol=0.1)


def test_triangles_are_seen_by_parts() -> None:
    points, triangles = sheet(2, 2, step=40.0)  # two triangles; a wall stands before a third of them
    wall = points[[0, 1, 2, 3]] - [0, 0, 50]
    wall[[1, 3], 0] -= 40 * 2 / 3
    both = np.concatenate([triangles, triangles + 4])
    (seen,) = triangle_visibility(np.concatenate([points, wall])[None], both)
    np.testing.assert_allclose(seen, [1 - 5 / 9, 1 - 1 / 9, 1, 1], atol=0.02)
    assert np.isnan(triangle_visibility(np.full((1, 8, 3), np.nan), both)).all()
    assert triangle_visibility(np.zeros((0, 8, 3)), both).shape == (0, 4)


def test_visibility_of_none_of_many_and_of_nothing() -> None:
    points, triangles = sheet()
    assert visibility(np.zeros((0, len(points), 3)), triangles).shape == (0, len(points))
    many = visibility(np.stack([points, np.full_like(points, np.nan), np.zeros_like(points)]), triangles)
    assert (many[0] == 1).all()
    assert np.isnan(many[1]).all()
    assert (many[2] == 0).all()
    with pytest.raises(ShapeMismatch, match="meshes"):
        visibility(points, triangles)


# --- warps ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(1, 4))
def test_a_picture_over_its_own_mesh_is_itself(seed: int, channels: int) -> None:
    image, (points, triangles) = picture(seed, channels=channels), sheet()
    points[:, :2] += np.random.default_rng(seed).uniform(-2, 2, (len(points), 2))
    points[:, 2] = np.random.default_rng(seed).uniform(-1, 1, len(points))
    drawn, mask = warp_mesh(image, points, points, triangles, image.shape[:2])
    assert mask.sum() > 1500
    assert np.abs(drawn[mask].astype(int) - image[mask]).max() <= 8  # remap rounds places to 1/32 of a pixel
    assert (drawn[~mask] == 0).all()


def test_what_is_moved_is_found_where_it_went() -> None:
    image, (points, triangles) = picture(), sheet()
    drawn, mask = warp_mesh(image, points, points + np.array([7, 3, 0]), triangles, (60, 80))
    assert drawn.shape == (60, 80, 3)
    np.testing.assert_array_equal(drawn[8:40, 12:52], image[5:37, 5:45])
    assert mask[8:40, 12:52].all()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_nearer_part_is_drawn(order: list[int]) -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 20:] = 200
    square = np.array([[2.0, 2], [2, 16], [16, 2], [16, 16]])
    source = np.concatenate([square, square + np.array([20, 0])])  # a dark and a bright square ...
    target = np.column_stack([np.concatenate([square, square]), np.repeat([0, -5], 4)])  # ... the bright one in front
    triangles = np.array([[[0, 1, 2], [2, 1, 3]], [[4, 5, 6], [6, 5, 7]]], np.int32)[order].reshape(-1, 3)
    drawn, mask = warp_mesh(image, source, target, triangles, (20, 20))
    assert (drawn[mask] == 200).all()


def test_what_cannot_be_seen_is_left_out_on_demand() -> None:
    points, triangles = sheet()
    wall = points[[0, 3, 35, 38]] - [0, 0, 50]
    mesh = np.concatenate([points, wall])
    n = len(points)
    both = np.concatenate([triangles, [[n, n + 2, n + 1], [n + 1, n + 2, n + 3]]]).astype(np.int32)
    apart = np.concatenate([points, wall + np.array([100, 0, 0])])[:, :2]  # the texture: side by side
    image = picture()
    _, all_of_it = warp_mesh(image, mesh, apart, both, (48, 160))
    _, seen = warp_mesh(image, mesh, apart, both, (48, 160), visible_only=True)
    assert all_of_it[5:40, 5:50].all()
    assert not seen[6:40, 6:26].any()
    assert seen[6:40, 31:50].all()
    assert seen[6:40, 106:126].all()
    with pytest.raises(UsageError, match="have a z"):
        warp_mesh(image, mesh[:, :2], apart, both, (48, 160), visible_only=True)


def test_a_picture_drawn_small_is_averaged() -> None:
    image, (points, triangles) = picture(size=(480, 600)), sheet(step=80.0)
    drawn, mask = warp_mesh(image, points, points / 8, triangles, (60, 80))
    inner = drawn[10:40, 10:50].astype(float)
    assert mask[10:40, 10:50].all()
    assert inner.std() < 25  # noise of 74 levels, averaged over 64 pixels, is 9
    assert abs(inner.mean() - image.mean()) < 2


def test_unknown_points_and_places_outside_are_harmless() -> None:
    image, (points, triangles) = picture(), sheet()
    holes = points.copy()
    holes[10] = np.nan
    drawn, mask = warp_mesh(image, holes, points, triangles, image.shape[:2])
    assert not mask[12, 28]
    assert mask.any()
    np.testing.assert_array_equal(drawn[mask], image[mask])
    for nothing in (points * np.nan, points + 1e6, points * 0):
        assert not warp_mesh(image, points, nothing, triangles, image.shape[:2])[1].any()
    drawn, mask = warp_mesh(image, points + 1e5, points, triangles, image.shape[:2])  # its edge goes on for ever
    assert (drawn[mask] == image[-1, -1]).all()
    assert not warp_mesh(image, points, points, triangles[:0], image.shape[:2])[1].any()


def test_arguments_that_do_not_fit() -> None:
    points, triangles = sheet()
    with pytest.raises(ShapeMismatch, match="bytes"):
        warp_mesh(picture()[..., 0], points, points, triangles, (9, 9))
    with pytest.raises(ShapeMismatch, match="target points have"):
        warp_mesh(picture(), points, points[:, :1], triangles, (9, 9))
    with pytest.raises(ShapeMismatch, match="42 source and 41 target"):
        warp_mesh(picture(), points, points[:-1], triangles, (9, 9))
    for wrong in (triangles + 1, triangles - 1):
        with pytest.raises(ShapeMismatch, match="a corner that is none of 42 points"):
            warp_mesh(picture(), points, points, wrong, (9, 9))
    with pytest.raises(UsageError, match="no size of"):
        warp_mesh(picture(), points, points, triangles, (-1, 9))
