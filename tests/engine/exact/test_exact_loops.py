"""The compiled exact step against the one in PyTorch, pixels of every kind side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.exact.exact import absorb_rounding, exact_colors
from fscs_engine.exact.exact_loops import layer_rows

HEIGHT, WIDTH = 3, 150  # more than one run of the loops, the last one short


def random_alphas(rng, colors, kind):
    """(K, H, W) adding to 1."""
    alphas = rng.random((colors, HEIGHT, WIDTH)) ** 4
    if kind == "sparse":
        alphas *= rng.random(alphas.shape) > 0.6
    if kind == "hard":
        alphas[:] = 0
    winner = rng.integers(colors, size=(HEIGHT, WIDTH))
    alphas += (np.arange(colors)[:, None, None] == winner) * (1e-6 if kind == "thin" else 0.5)
    alphas = alphas.astype(np.float32)
    return np.ascontiguousarray(alphas / alphas.sum(axis=0))


def random_opacity(rng, kind):
    """(H, W): the picture's own alpha."""
    values = {"none": [1.0], "soft": [0.0, 0.3, 1.0], "odd": [0.0, 1e-38, 1e-20, 1e-6, 0.5, 1.0, 3.0, 1000.0]}[kind]
    return rng.choice(np.array(values, np.float32), (HEIGHT, WIDTH))


def case(seed, colors, alphas="soft", target="inside", opacity="none", peak=1.0):
    """Arguments of layer_rows, as a picture gives them: brighter than 1 only where a gain is."""
    rng = np.random.default_rng(seed)
    color = rng.random((HEIGHT, WIDTH, 3)).astype(np.float32)
    base = rng.random((colors, 3)).astype(np.float32)
    if target == "corners":
        color, base = color.round(), base.round()
    gain = np.ones((HEIGHT, WIDTH), np.float32)
    if target == "outside":
        outside = rng.random((HEIGHT, WIDTH)) < 0.7
        gain[outside] = 1 + np.float32(peak) * rng.random(outside.sum(), np.float32)
        color[outside] *= gain[outside, None] * 2
        color[outside] -= np.float32(0.2)
    solid = random_opacity(rng, opacity)
    held = np.where(solid > 0, solid, np.float32(1))
    total = np.concatenate([color * held[..., None], solid[..., None]], axis=-1)
    return random_alphas(rng, colors, alphas), base, gain, color, total, held, solid


def compiled(alphas, base, gain, target, total, held, solid, in_gamut):
    out = np.full((len(alphas), HEIGHT, WIDTH, 4), np.nan, np.float32)
    return out, layer_rows(alphas, base, gain, target, total, held, solid, in_gamut, out)


def defined(alphas, base, gain, target, total, held, solid, in_gamut):
    """The same steps plane by plane, as for any other device."""
    a = torch.from_numpy(alphas)
    inside = torch.from_numpy(((target >= 0) & (target <= 1)).all(axis=-1)) if in_gamut else None
    u = torch.from_numpy(base)[:, :, None, None] * torch.from_numpy(gain)
    u = exact_colors(a, u, torch.from_numpy(np.ascontiguousarray(target.transpose(2, 0, 1))), inside)
    layers = torch.empty((len(a), HEIGHT, WIDTH, 4))
    layers[..., :3] = (u * a[:, None]).permute(0, 2, 3, 1) * torch.from_numpy(held)[..., None]
    layers[..., 3] = a * torch.from_numpy(solid)
    missing = absorb_rounding(layers, torch.from_numpy(total), a)
    return layers.numpy(), missing.numpy()


def sum_of(layers):
    """In float32, layer 1 first, as a compositor adds."""
    total = layers[0].copy()
    for layer in layers[1:]:
        total += layer
    return total


def scale_of(target, total):
    return np.maximum(np.maximum(1, np.abs(target).max(axis=-1)), np.abs(total).max(axis=-1))[..., None]


any_case = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "colors": st.integers(1, 16),
        "alphas": st.sampled_from(["soft", "sparse", "hard", "thin"]),
        "target": st.sampled_from(["inside", "corners", "outside"]),
        "opacity": st.sampled_from(["none", "soft", "odd"]),
        "peak": st.sampled_from([1.0, 50.0, 30000.0]),
    }
)


@settings(max_examples=150)
@given(arguments=any_case, in_gamut=st.booleans())
def test_layers_add_up_and_are_those_of_the_definition(arguments, in_gamut):
    given_case = case(**arguments)
    alphas, _, _, target, total, held, solid = given_case
    layers, error = compiled(*given_case, in_gamut)
    expected, _ = defined(*given_case, in_gamut)
    scale = scale_of(target, total)
    missing = np.abs(total - sum_of(layers)) / scale
    assert missing.max() <= 1e-6
    assert missing.max() * (1 - 1e-6) <= error <= 1e-6
    assert error <= missing.max() * (1 + 1e-6)  # of these pixels, and no others
    # What is shared out among layers is the same but for rounding, of which each layer has its own.
    assert (np.abs(layers - expected) / scale).max() <= 4e-6
    np.testing.assert_allclose(layers[..., 3], alphas * solid, rtol=1e-6, atol=1e-6 * max(1, solid.max()))
    hidden = alphas == 0
    assert (layers[hidden] == 0).all()
    if in_gamut:
        inside = ((target >= 0) & (target <= 1)).all(axis=-1) & (solid > 1e-30)
        colors = layers[:, inside, :3] / held[inside][:, None]
        assert colors.min() >= -1e-6
        assert (colors <= alphas[:, inside, None] + 1e-6).all()


@pytest.mark.parametrize("in_gamut", [True, False])
@pytest.mark.parametrize("colors", [1, 7, 16])
def test_rows_do_not_depend_on_each_other(colors, in_gamut):
    arguments = case(3, colors, "sparse", "outside", "odd", 50.0)
    whole, error = compiled(*arguments, in_gamut)
    errors = []
    for row in range(HEIGHT):
        alphas, base, *planes = arguments
        out = np.empty((colors, 1, WIDTH, 4), np.float32)
        parts = [plane[row : row + 1] for plane in planes]
        errors.append(layer_rows(alphas[:, row : row + 1], base, *parts, in_gamut, out))
        assert np.array_equal(out[:, 0], whole[:, row])
    assert max(errors) == error


def test_layers_may_be_written_into_a_part_of_an_array():
    arguments = case(4, 5)
    whole, _ = compiled(*arguments, True)
    out = np.full((5, HEIGHT + 4, WIDTH, 4), 7.0, np.float32)
    layer_rows(*arguments, True, out[:, 2 : HEIGHT + 2])
    assert np.array_equal(out[:, 2 : HEIGHT + 2], whole)
    assert (out[:, :2] == 7).all()
    assert (out[:, HEIGHT + 2 :] == 7).all()


def test_the_heaviest_layer_takes_the_rounding():
    alphas, base, gain, target, total, held, solid = case(5, 2, "hard")
    alphas[0], alphas[1] = 0, 1
    total[..., :3] += np.float32(1e-4)  # as if the conversion had left that much
    layers, error = compiled(alphas, base, gain, target, total, held, solid, True)
    assert error <= 1e-6
    assert np.abs(layers[0]).max() == 0
    np.testing.assert_allclose(layers[1], total, atol=1e-6)


@pytest.mark.parametrize("in_gamut", [True, False])
@pytest.mark.parametrize("where", [(0, 0), (2, WIDTH - 1)])
@pytest.mark.parametrize("kind", ["total", "target", "nan", "alpha", "colors"])
def test_what_overflows_is_not_called_exact(kind, where, in_gamut):
    alphas, base, gain, target, total, held, solid = case(6, 4)
    if kind == "total":
        total[where][1] = np.inf
    elif kind == "target":
        target[where] = 3e38
        held[where], total[where][:3] = 1000, np.inf
    elif kind == "nan":
        target[where][2] = np.nan
    elif kind == "alpha":
        alphas[(slice(None), *where)] = np.nan
    else:
        target[where], base[0], gain[where] = 2.0, 3e38, 100.0
        alphas[(slice(None), *where)] = 0.25
    _, error = compiled(alphas, base, gain, target, total, held, solid, in_gamut)
    assert not np.isfinite(error)
