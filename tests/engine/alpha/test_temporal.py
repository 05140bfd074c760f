"""Temporal smoothing: calm where the picture stands still, nothing drawn behind what moves, nothing beyond a cut."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fscs_engine.alpha.temporal import RADIUS, REACH, is_cut, temporal_mean, window
from fscs_engine.errors import UsageError
from fscs_engine.exact.exact import exact_colors, recompose
from fscs_engine.files.reading import read_image

COFFEE = Path(__file__).resolve().parents[3] / "examples" / "coffee.png"
CLIPS = {"intel_asl_book.mkv": 109, "intel_car_detection.mp4": 377}
GRAIN = 2 / 255
NAN = float("nan")


def picture(file: Path = COFFEE) -> Tensor:
    return torch.from_numpy(read_image(file).pixels).permute(2, 0, 1).contiguous()


def random_window(
    frames: int, layers: int, height: int, width: int, change: float, seed: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Alphas that add to 1, some of them 0, and pictures that differ by ``change``."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    alphas, images = [], []
    still = uniform(3, height, width)
    for _ in range(frames):
        raw = uniform(layers, height, width) * (uniform(layers, height, width) > 0.4)
        raw[0] += 1e-3
        alphas.append(raw / raw.sum(dim=0))
        images.append((still + change * (uniform(3, height, width) - 0.5)).clamp(0, 1))
    return alphas, images


def two_colors(image: Tensor) -> Tensor:
    """Alphas of a black and a white entry, as hard as the network makes them: grain of 1/255 is one tenth of alpha."""
    white = ((image.mean(dim=0) - 0.5) * 25.5 + 0.5).clamp(0, 1)
    return torch.stack((1 - white, white))


def smoothed(images: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Every frame of a sequence, each from its own window."""
    alphas, mixed = [two_colors(image) for image in images], []
    for frame in range(len(images)):
        near = window(frame, range(len(images)))
        mixed.append(temporal_mean([alphas[i] for i in near], [images[i] for i in near], near.index(frame)))
    return alphas, mixed


Shape = tuple[int, int, int, int, float]
WINDOWS: st.SearchStrategy[Shape] = st.tuples(
    st.integers(1, 5), st.integers(1, 6), st.integers(1, 7), st.integers(1, 7), st.sampled_from([0.0, 0.03, 1.0])
)


@given(WINDOWS, st.integers(0, 4), st.floats(0, 1), st.integers(0, 1000))
def test_every_pixel_is_a_mix_of_its_alphas(shape: Shape, frame: int, strength: float, seed: int) -> None:
    alphas, images = random_window(*shape, seed)
    frame %= len(alphas)
    before = [alpha.clone() for alpha in alphas]
    mixed = temporal_mean(alphas, images, frame, strength)
    assert mixed.dtype == torch.float32
    lowest, highest = torch.stack(alphas).amin(dim=0), torch.stack(alphas).amax(dim=0)
    assert (mixed >= lowest * (1 - 1e-6)).all()
    assert (mixed <= highest * (1 + 1e-6)).all()
    torch.testing.assert_close(mixed.sum(dim=0), torch.ones_like(mixed[0]), atol=1e-6, rtol=0)
    assert all(torch.equal(alpha, kept) for alpha, kept in zip(alphas, before, strict=True))


@given(WINDOWS, st.integers(0, 1000))
def test_a_window_of_one_and_no_strength_change_nothing(shape: Shape, seed: int) -> None:
    alphas, images = random_window(*shape, seed)
    assert torch.equal(temporal_mean(alphas[:1], images[:1], 0), alphas[0])
    assert torch.equal(temporal_mean(alphas, images, len(alphas) - 1, 0.0), alphas[-1])


@given(WINDOWS, st.integers(0, 1000))
def test_layers_may_come_in_any_order(shape: Shape, seed: int) -> None:
    alphas, images = random_window(*shape, seed)
    order = torch.randperm(shape[1], generator=torch.Generator().manual_seed(seed))
    there = temporal_mean([alpha[order] for alpha in alphas], images, 0)
    assert torch.equal(there, temporal_mean(alphas, images, 0)[order])


def test_equal_frames_count_alike() -> None:
    alphas, images = random_window(5, 3, 6, 8, 0, 1)
    torch.testing.assert_close(temporal_mean(alphas, images, 2), torch.stack(alphas).mean(dim=0))
    half = temporal_mean(alphas, images, 2, 0.5)
    torch.testing.assert_close(half, (0.5 * torch.stack(alphas).sum(dim=0) + 0.5 * alphas[2]) / 3)


def test_weights_fall_smoothly_with_the_change_of_color() -> None:
    changes = torch.linspace(0, 20 / 255, 81).tolist()
    here = torch.full((3, 5, 5), 0.4)
    alphas = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
    alphas = [alpha[:, None, None].expand(-1, 5, 5) for alpha in alphas]
    shares = [temporal_mean(alphas, [here, here + change], 0)[1, 2, 2].item() for change in changes]
    assert shares[0] == 0.5
    assert shares == sorted(shares, reverse=True)
    assert max(abs(b - a) for a, b in pairwise(shares)) < 0.04
    assert shares[12] == pytest.approx(1 / (1 + np.exp(1 + 1 / 9)), abs=1e-4)  # 3/255
    assert shares[-1] < 1e-12


def test_the_channel_that_changes_most_decides() -> None:
    alphas, images = random_window(2, 3, 5, 5, 0, 2)
    images[1] = images[0] + torch.tensor([0.0, 0.2, 0.0])[:, None, None]
    torch.testing.assert_close(temporal_mean(alphas, images, 0), alphas[0], atol=1e-6, rtol=0)


def test_a_still_sequence_gets_calmer() -> None:
    generator = torch.Generator().manual_seed(3)
    still = picture()[:, 100:164, 200:296]
    frames = [(still + GRAIN * torch.randn(still.shape, generator=generator)).clamp(0, 1) for _ in range(8)]
    alone, mixed = smoothed(frames)

    def flicker(alphas: list[Tensor]) -> float:
        return torch.stack([0.5 * (b - a).abs().sum(dim=0).mean() for a, b in pairwise(alphas)]).mean().item()

    assert flicker(alone) > 0.01
    assert flicker(mixed) < 0.4 * flicker(alone)
    clean = two_colors(still)
    assert (mixed[4] - clean).abs().mean() < 0.7 * (alone[4] - clean).abs().mean()


@pytest.mark.parametrize("speed", [1, 3, 12])
@pytest.mark.parametrize("contrast", [0.15, 0.6])
def test_a_moving_edge_leaves_no_trail(speed: float, contrast: float) -> None:
    ground = 0.5 - contrast / 2 + 0.02 * picture()[:, 100:140, 200:280]
    frames = []
    for time in range(5):
        frame = ground.clone()
        frame[:, 10:30, 10 + speed * time : 20 + speed * time] += contrast
        frames.append(frame)
    alone, mixed = smoothed(frames)
    for own, result in zip(alone, mixed, strict=True):
        assert (result - own).abs().amax() < 0.01
    plain = torch.stack(alone).mean(dim=0)
    assert (plain - alone[2]).abs().amax() > 0.35  # what a mean that does not look at the colors draws


def test_what_enters_changes_nothing_beyond_its_neighbors() -> None:
    generator = torch.Generator().manual_seed(4)
    still = picture()[:, 100:140, 200:280]
    frames = [(still + GRAIN * torch.randn(still.shape, generator=generator)).clamp(0, 1) for _ in range(5)]
    entered = [frame.clone() for frame in frames]
    touched = torch.zeros(still.shape[1:])
    for frame in entered[3:]:
        frame[:, 8:24, 30:50] = torch.tensor([1.0, 0.0, 0.8])[:, None, None]
    touched[8:24, 30:50] = 1
    near = F.max_pool2d(touched[None], 2 * REACH + 1, 1, REACH)[0] > 0
    _, before = smoothed(frames)
    _, after = smoothed(entered)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[:, ~near], other[:, ~near])


def test_slow_changes_of_light_are_followed() -> None:
    """An exposure that grows by 4/255 a frame: the mean must not lag behind or spread it over frames."""
    still = 0.4 + 0.2 * picture()[:, 100:140, 200:280]
    frames = [still + 4 / 255 * time for time in range(9)]
    alone, mixed = smoothed(frames)
    for time in range(RADIUS, len(frames) - RADIUS):
        assert (mixed[time] - alone[time]).abs().mean() < 0.015


def test_a_part_with_its_context_equals_the_whole() -> None:
    alphas, images = random_window(5, 4, 30, 23, 0.02, 5)
    whole = temporal_mean(alphas, images, 2)
    rows, columns = slice(8, 21), slice(5, 16)
    context = (slice(rows.start - REACH, rows.stop + REACH), slice(columns.start - REACH, columns.stop + REACH))
    part = temporal_mean([a[:, *context] for a in alphas], [i[:, *context] for i in images], 2)
    torch.testing.assert_close(part[:, REACH:-REACH, REACH:-REACH], whole[:, rows, columns], atol=1e-6, rtol=0)


def test_the_exact_step_keeps_the_frame_exact() -> None:
    generator = torch.Generator().manual_seed(6)
    still = picture()[:, 100:140, 200:280]
    frames = [(still + GRAIN * torch.randn(still.shape, generator=generator)).clamp(0, 1) for _ in range(5)]
    _, mixed = smoothed(frames)
    colors = torch.tensor([0.0, 1.0])[:, None, None, None].repeat(1, 3, *still.shape[1:])
    in_gamut = torch.ones(still.shape[1:], dtype=torch.bool)
    colors = exact_colors(mixed[2], colors, frames[2], in_gamut)
    assert (recompose(mixed[2], colors) - frames[2]).abs().amax() <= 1e-6


def test_nothing_waits_for_a_device() -> None:
    """The meta device has no values: whatever asked for one would fail."""
    alphas = [torch.empty((3, 8, 9), device="meta") for _ in range(3)]
    images = [torch.empty((3, 8, 9), device="meta") for _ in range(3)]
    assert temporal_mean(alphas, images, 1, 0.7).shape == (3, 8, 9)


@pytest.mark.parametrize(
    ("frames", "pictures", "frame", "strength"),
    [
        (3, 2, 1, 1.0),
        (3, 3, 3, 1.0),
        (3, 3, -1, 1.0),
        (0, 0, 0, 1.0),
        (2, 2, 0, 1.1),
        (2, 2, 0, -0.1),
        (2, 2, 0, NAN),
    ],
)
def test_refuses_what_has_no_answer(frames: int, pictures: int, frame: int, strength: float) -> None:
    alphas, images = random_window(3, 2, 4, 4, 0, 0)
    with pytest.raises(UsageError) as refused:
        temporal_mean(alphas[:frames], images[:pictures], frame, strength)
    assert refused.value.cure


@pytest.mark.parametrize(
    ("frame", "cuts", "expected"),
    [
        (50, set(), [48, 49, 50, 51, 52]),
        (1, set(), [1, 2, 3]),
        (2, set(), [1, 2, 3, 4]),
        (99, set(), [97, 98, 99]),
        (50, {50}, [50, 51, 52]),
        (50, {51}, [48, 49, 50]),
        (50, {49}, [49, 50, 51, 52]),
        (50, {50, 51}, [50]),
        (50, {47, 48, 53}, [48, 49, 50, 51, 52]),
    ],
)
def test_windows_end_at_cuts_and_at_the_ends(frame: int, cuts: set[int], expected: list[int]) -> None:
    near = window(frame, range(1, 100), cuts)
    assert list(near) == expected
    assert near[near.index(frame)] == frame


@given(st.integers(1, 40), st.sets(st.integers(1, 40)), st.integers(0, 5), st.data())
def test_a_window_depends_on_nothing_outside_it(count: int, cuts: set[int], radius: int, data: st.DataObject) -> None:
    frames = range(1, count + 1)
    frame = data.draw(st.sampled_from(frames))
    near = window(frame, frames, cuts, radius)
    assert not any(number in cuts for number in near[1:])
    inside = range(max(1, frame - radius), min(count, frame + radius) + 1)
    assert list(near) == list(window(frame, inside, cuts & set(inside), radius))


def test_windows_of_sequences_with_holes() -> None:
    assert window(7, [1, 3, 5, 7, 20], {3}) == [3, 5, 7, 20]
    with pytest.raises(UsageError, match="frame 4 "):
        window(4, [1, 3, 5])


def test_the_frames_of_a_moving_camera_are_one_shot() -> None:
    whole = picture()
    generator = torch.Generator().manual_seed(7)
    frames = []
    for time in range(10):
        frame = whole[:, 20 : 20 + 360, 4 * time : 4 * time + 540] * (1 - 0.02 * time) + 0.01 * time
        frames.append((frame + GRAIN * torch.randn(frame.shape, generator=generator)).clamp(0, 1))
    assert not any(is_cut(a, b) for a, b in pairwise(frames))


def test_what_enters_the_frame_is_no_cut() -> None:
    whole = picture()
    entered = whole.clone()
    entered[:, :, :250] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    assert not is_cut(whole, entered)
    assert not is_cut(entered, whole)
    assert not is_cut(whole, (whole + 0.2).clamp(max=1))  # nor a lamp
    assert not is_cut(whole, whole)


@pytest.mark.parametrize("other", ["upside down", "another part"])
def test_another_picture_is_a_cut(other: str) -> None:
    whole = picture()
    first = whole[:, :200, :300]
    second = first.flip(1, 2) if other == "upside down" else whole[:, 200:, 300:]
    assert is_cut(first, second)
    assert is_cut(second, first)


def test_a_frame_of_another_size_is_of_another_shot() -> None:
    frame = torch.full((3, 20, 30), 0.5)
    assert is_cut(frame, frame[:, :-1])
    assert not is_cut(frame, frame.clone())


def test_photographs_are_shots_of_their_own(kodak_images: Path) -> None:
    photographs = [picture(file) for file in sorted(kodak_images.glob("*.png"))]
    assert len(photographs) == 24
    assert all(is_cut(a, b) for a, b in combinations(photographs, 2))


@pytest.fixture(scope="module")
def clips(shared: Path) -> list[list[Tensor]]:
    """Every frame of two clips, (3, H, W) at a quarter of their size: cuts are looked for at 16×16."""
    av = pytest.importorskip("av", reason="movies: pip install av")
    folder = shared / "data" / "eval" / "video"
    if not all((folder / name).is_file() for name in CLIPS):
        pytest.skip(f"two sample videos: put {' and '.join(CLIPS)} into $FSCS_SHARED/data/eval/video")
    clips = []
    for name, count in CLIPS.items():
        with av.open(str(folder / name)) as movie:
            pixels = (torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in movie.decode(video=0))
            frames = [F.avg_pool2d(frame.permute(2, 0, 1) / 255, 4) for frame in pixels]
        assert len(frames) == count
        clips.append(frames)
    return clips


def test_clips_are_one_shot_each(clips: list[list[Tensor]]) -> None:
    for frames in clips:
        assert not any(is_cut(a, b) for a, b in pairwise(frames))
        assert not any(is_cut(a, b) for a, b in zip(frames, frames[2:], strict=False))  # every other frame


def test_from_one_clip_to_another_is_a_cut(clips: list[list[Tensor]]) -> None:
    for first in clips[0][::10]:
        assert all(is_cut(first, second) and is_cut(second, first) for second in clips[1][::20])
