"""Tan, Echevarria and Gingold 2018, made after the paper.

*Efficient palette-based decomposition and recoloring of images via RGBXY-space geometry.* The palette are the vertices
of the colors' convex hull, made few by contracting edges outwards (Tan, Lien and Gingold 2016) until what lies outside
would be off by more than 2/255. The alphas are barycentric coordinates twice: of the pixels among the vertices of their
convex hull in RGBXY, and of those vertices among the palette. Only the second step depends on the palette. Each layer
has one color.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers import Peer, Pixels
from scipy.optimize import linprog, nnls
from scipy.sparse import csr_matrix
from scipy.spatial import ConvexHull, Delaunay, QhullError

from fscs_engine import Image, Palette
from fscs_engine.color import network_image, straight
from fscs_engine.palette.image_palette import DEFAULT_METHOD

Points = NDArray[np.float64]

LARGEST = 10
"""Colors of a palette at most, and those from which on its error is looked at."""

ERROR = 2 / 255
"""Root mean square of what lies outside the palette's hull, at most."""

_ON_THE_HULL = 1e3
"""Weight of "adds up to 1" in the least squares that project onto a hull."""


class Tan2018(Peer):
    """The method, with a palette of its own or a given one."""

    def auto_palette(
        self, image: Image, colors: int, given: Palette | None = None, seed: int = 0, method: str = DEFAULT_METHOD
    ) -> Palette:
        """Its own palette; it chooses K."""
        picture, _ = network_image(straight(image.pixels), image.color_space, self.spaces)
        return Palette.from_array(hull_palette(picture))

    def layers(self, picture: Pixels, palette: Pixels) -> tuple[Pixels, Pixels]:
        """See :class:`Peer`."""
        height, width = picture.shape[:2]
        mixing, vertices = rgbxy_weights(picture)
        alphas = np.asarray(mixing @ palette_weights(vertices, palette.astype(np.float64)))
        alphas = np.ascontiguousarray(alphas.T.reshape(len(palette), height, width), np.float32)
        return alphas, np.broadcast_to(palette[:, None, None], (*alphas.shape, 3))


def rgbxy_weights(picture: Pixels) -> tuple[csr_matrix, Points]:
    """What stays when the palette changes.

    Args:
        picture: (H, W, 3).

    Returns:
        Weights of each pixel (H·W, V), six a row at most, and the colors of the V vertices (V, 3).
    """
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width] / (max(height, width) - 1.0)
    levels = np.rint(picture.astype(np.float64) * 255) / 255  # as in its images; finer ones have hulls without end
    points = np.dstack((levels, x, y)).reshape(-1, 5)
    vertices = points[ConvexHull(points).vertices]
    return barycentric(Delaunay(vertices), points), vertices[:, :3]


def barycentric(mesh: Delaunay, points: Points) -> csr_matrix:
    """Weights of the mesh's vertices (N, V), each at least 0, adding to 1. A point outside gets its nearest vertex."""
    count, size = mesh.points.shape[1], len(points)
    simplex = mesh.find_simplex(points, tol=1e-9)
    transform = mesh.transform[simplex]
    inner = np.einsum("nij,nj->ni", transform[:, :count], points - transform[:, count])
    weights = np.clip(np.column_stack((inner, 1.0 - inner.sum(axis=1))), 0.0, None)
    corners = mesh.simplices[simplex].copy()
    lost = np.flatnonzero((simplex < 0) | ~np.isfinite(weights).all(axis=1))
    for point in lost:
        corners[point] = np.square(mesh.points - points[point]).sum(axis=1).argmin()
        weights[point] = 1.0
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(size), count + 1)
    return csr_matrix((weights.ravel(), (rows, corners.ravel())), (size, len(mesh.points)))


def palette_weights(colors: Points, palette: Points) -> Points:
    """Weights of the palette (N, K) that give the colors (N, 3), or the nearest point of its hull.

    By the star of tetrahedra from the color nearest to black, so that the dark one is in every mixture; where a palette
    has colors inside its hull, which its star would leave out, by its Delaunay tessellation.
    """
    count = len(palette)
    try:
        hull = ConvexHull(palette)
    except QhullError:  # flat: three colors, or all on a plane
        return np.stack([_projected(color, palette) for color in colors])
    inside = (hull.equations[:, :3] @ colors.T + hull.equations[:, 3:]).max(axis=0) <= 1e-9
    weights = np.zeros((len(colors), count))
    if len(hull.vertices) < count:
        weights[inside] = barycentric(Delaunay(palette), colors[inside]).toarray()
    else:
        star = int(np.square(palette).sum(axis=1).argmin())
        weights[inside] = _by_star(colors[inside], palette, star, [f for f in hull.simplices if star not in f])
    for outside in np.flatnonzero(~inside):
        weights[outside] = _projected(colors[outside], palette)
    return weights


def _by_star(colors: Points, palette: Points, star: int, faces: list[NDArray[np.int32]]) -> Points:
    """Barycentric coordinates in the tetrahedron, of a vertex and a face of the hull, that each color lies in."""
    weights, best = np.zeros((len(colors), len(palette))), np.full(len(colors), -np.inf)
    for face in faces:
        edges = (palette[face] - palette[star]).T
        if abs(np.linalg.det(edges)) < 1e-12:
            continue
        inner = np.linalg.solve(edges, (colors - palette[star]).T).T
        own = np.column_stack((inner, 1.0 - inner.sum(axis=1)))
        better = own.min(axis=1) > best  # rounding: the tetrahedron it is least outside of
        best[better] = own.min(axis=1)[better]
        weights[better] = 0.0
        weights[np.ix_(better, [*face, star])] = own[better]
    weights = np.clip(weights, 0.0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def _projected(color: Points, palette: Points) -> Points:
    """Weights (K,) of the nearest point of the palette's hull."""
    ones = np.full((1, len(palette)), _ON_THE_HULL)
    weights, _ = nnls(np.concatenate((palette.T, ones)), np.append(color, _ON_THE_HULL))
    return weights / weights.sum()


def hull_palette(picture: Pixels) -> Points:
    """The palette of a picture (H, W, 3): the vertices (K, 3) of its simplified hull, clipped to [0, 1]."""
    colors, counts = np.unique(np.rint(picture.reshape(-1, 3) * 255), axis=0, return_counts=True)
    colors = colors / 255.0
    known: dict[Any, Any] = {}
    points = colors[ConvexHull(colors).vertices]
    kept = points
    while len(points) > 4:
        found = _contracted(points, known)
        if found is None:
            break
        points = found
        if len(points) <= LARGEST:
            clipped = np.clip(points, 0.0, 1.0)
            if _outside(colors, counts, clipped) > ERROR:
                break
        kept = points
    return np.clip(kept, 0.0, 1.0)


def _outside(colors: Points, counts: NDArray[np.int64], palette: Points) -> float:
    """Root mean square distance of pixels to a hull, 0 inside it, over channels; colors come ``counts`` times."""
    hull = ConvexHull(palette)
    outside = (hull.equations[:, :3] @ colors.T + hull.equations[:, 3:]).max(axis=0) > 1e-9
    errors = [np.square(_projected(color, palette) @ palette - color).sum() for color in colors[outside]]
    return float(np.sqrt(np.dot(errors, counts[outside]) / (3 * counts.sum())))


def _contracted(points: Points, known: dict[Any, Any]) -> Points | None:
    """The hull with the edge contracted that adds the least volume; None where no edge can be."""
    hull = ConvexHull(points)
    triangles = points[hull.simplices]
    areas = 0.5 * np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    of_vertex = [np.flatnonzero((hull.simplices == vertex).any(axis=1)) for vertex in range(len(points))]
    best: tuple[float, int, int, Points] | None = None
    for first, second in {tuple(sorted(pair)) for face in hull.simplices for pair in combinations(face.tolist(), 2)}:
        faces = np.union1d(of_vertex[first], of_vertex[second])
        key = (points[[first, second]].tobytes(), np.sort(triangles[faces], axis=0).tobytes())
        if key not in known:
            known[key] = _new_vertex(hull.equations[faces], areas[faces])
        volume, vertex = known[key]
        if best is None or volume < best[0]:
            best = volume, first, second, vertex
    if best is None or not np.isfinite(best[0]):
        return None
    moved = np.concatenate((np.delete(points, best[1:3], axis=0), best[3][None]))
    return moved[ConvexHull(moved).vertices]


def _new_vertex(planes: Points, areas: Points) -> tuple[float, Points]:
    """The point outside all these planes that adds the least volume, and that volume."""
    found = linprog(areas @ planes[:, :3], A_ub=-planes[:, :3], b_ub=planes[:, 3], bounds=(None, None))
    if found.x is None:
        return np.inf, np.zeros(3)
    return float(areas @ (planes[:, :3] @ found.x + planes[:, 3])), found.x
