"""Erode, dilate and blur of mattes: known answers, the invariants, and the neighbors that take up the difference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.alpha.edges import blurred, dilated, edit_edges, reach
from fscs_engine.alpha.processing import AlphaProcessing, LayerAdjustment, edit_alphas

edges = st.tuples(st.floats(-4, 4), st.floats(0, 2)).map(lambda edge: (round(edge[0], 2), round(edge[1], 2)))


def alphas_of(seed, colors, height=9, width=11, sparse=False):
    generator = torch.Generator().manual_seed(seed)
    alphas = torch.rand(colors, height, width, generator=generator)
    if sparse:
        alphas = torch.nn.functional.one_hot(alphas.argmax(dim=0), colors).permute(2, 0, 1).float()
    return alphas / alphas.sum(dim=0)


def dot(size=9):
    plane = torch.zeros(1, size, size)
    plane[0, size // 2, size // 2] = 1
    return plane


def test_a_dot_dilates_to_a_disc():
    picture = ["..###..", ".#####.", "#######", "#######", "#######", ".#####.", "..###.."]
    expected = torch.tensor([[float(sign == "#") for sign in row] for row in picture])
    assert torch.equal(dilated(dot(), 3)[0, 1:-1, 1:-1], expected)


def test_a_fraction_of_a_pixel_is_between_both_discs():
    assert torch.equal(dilated(dot(), 1.25), 0.75 * dilated(dot(), 1) + 0.25 * dilated(dot(), 2))


def test_a_disc_of_one_pixel_is_3_by_3():
    plane = alphas_of(1, 2)
    assert torch.equal(dilated(plane, 1), torch.nn.functional.max_pool2d(plane, 3, 1, 1))


def test_a_dot_is_blurred_to_a_gaussian():
    found = blurred(dot(15), 1.0)[0]
    away = torch.arange(15) - 7.0
    bell = torch.exp(-0.5 * away**2) * (away.abs() <= 3)
    bell /= bell.sum()
    torch.testing.assert_close(found, bell[:, None] * bell[None, :])


def test_a_step_eroded_and_blurred():
    """Left of column 10 one layer, right of it another."""
    left = (torch.arange(20) < 10).float().expand(3, 20)
    alphas = torch.stack([left, 1 - left])
    assert torch.equal(edit_edges(alphas, {0: (2.0, 0.0)})[0, 1], (torch.arange(20) < 8).float())
    assert torch.equal(edit_edges(alphas, {0: (-2.0, 0.0)})[0, 1], (torch.arange(20) < 12).float())
    soft = edit_edges(alphas, {0: (0.0, 2.0)})
    torch.testing.assert_close(soft[0], blurred(left[None], 2.0)[0])
    torch.testing.assert_close(soft[1], 1 - soft[0])
    assert (soft[0, 1].diff()[4:15] < 0).all()


def test_what_a_matte_loses_goes_to_the_layer_beside_it():
    """A square of the first layer on the second; the third is far away. No color is asked."""
    square = torch.zeros(12, 30)
    square[3:9, 3:9] = 1
    far = (torch.arange(30) >= 20).float().expand(12, 30)
    alphas = torch.stack([square, 1 - square - far, far])
    after = edit_edges(alphas, {0: (1.0, 0.0)})
    assert after[0].sum() == 16
    assert torch.equal(after[2], far)
    assert torch.equal(after[1], 1 - after[0] - far)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    colors=st.integers(1, 5),
    sparse=st.booleans(),
    edits=st.dictionaries(st.integers(0, 4), edges, min_size=1),
)
def test_alphas_stay_in_range_and_add_to_1(seed, colors, sparse, edits):
    edits = {layer: edge for layer, edge in edits.items() if layer < colors}
    after = edit_edges(alphas_of(seed, colors, sparse=sparse), edits)
    assert after.min() >= 0
    assert (after.double().sum(dim=0) - 1).abs().max() <= 1e-6


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), first=edges, second=edges)
def test_permuting_the_layers_permutes_the_result(seed, first, second):
    alphas, order = alphas_of(seed, 4), [2, 0, 3, 1]
    plain = edit_edges(alphas, {0: first, 3: second})
    permuted = edit_edges(alphas[order], {order.index(0): first, order.index(3): second})
    torch.testing.assert_close(permuted, plain[order])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), edge=edges)
def test_a_layer_alone_gets_the_matte_that_is_asked_for(seed, edge):
    alphas, (erode, blur) = alphas_of(seed, 3), edge
    matte = -dilated(-alphas[:1], erode) if erode > 0 else dilated(alphas[:1], -erode)
    torch.testing.assert_close(edit_edges(alphas, {0: edge})[0], blurred(matte, blur)[0], atol=3e-6, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), edge=edges, cut=st.integers(10, 30))
def test_rows_beyond_the_reach_change_nothing(seed, edge, cut):
    alphas = alphas_of(seed, 3, height=40)
    far = reach(*edge)
    part = edit_edges(alphas[:, : cut + far], {1: edge})[:, :cut]
    torch.testing.assert_close(part, edit_edges(alphas, {1: edge})[:, :cut], atol=1e-6, rtol=0)


@pytest.mark.parametrize("edge", [(0.0, 0.0), (-0.0, 0.0)])
def test_at_rest_nothing_changes_bit_for_bit(edge):
    raw, image, palette = alphas_of(3, 3), torch.rand(3, 9, 11), torch.rand(3, 3)
    alone = [[0], [1], [2]]
    rest = AlphaProcessing(adjustments={2: LayerAdjustment(gain=1.5, erode=edge[0], blur=edge[1])})
    plain = AlphaProcessing(adjustments={2: LayerAdjustment(gain=1.5)})
    assert torch.equal(
        edit_alphas(raw.clone(), image, palette, alone, rest), edit_alphas(raw.clone(), image, palette, alone, plain)
    )
    assert rest.edge_reach == 0


def test_duplicates_share_what_they_get():
    raw, image, palette = alphas_of(4, 2), torch.rand(3, 9, 11), torch.rand(2, 3)
    edit = AlphaProcessing(adjustments={1: LayerAdjustment(erode=1.5, blur=0.5)})
    plain = edit_alphas(raw.clone(), image, palette, [[0], [1]], edit)
    doubled = edit_alphas(raw.clone(), image, palette, [[0], [1, 2]], edit)
    torch.testing.assert_close(doubled[1], doubled[2])
    torch.testing.assert_close(doubled[1] + doubled[2], plain[1])
