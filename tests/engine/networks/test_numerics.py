"""cuDNN's switches: what convolutions compute in on CUDA, and nothing left behind. They exist without CUDA, too."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from fscs_engine import Image, Palette, Segmenter
from fscs_engine.networks.numerics import _exact_cudnn

cudnn = torch.backends.cudnn
BEFORE = True, False, True
"""``enabled``, ``deterministic``, ``allow_tf32``."""


def switches() -> tuple[bool, bool, bool]:
    return cudnn.enabled, cudnn.deterministic, cudnn.allow_tf32


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    with cudnn.flags(enabled=True, deterministic=False, allow_tf32=True):
        assert switches() == BEFORE
        yield


def test_cudnn_computes_exactly_and_is_not_switched_off() -> None:
    with _exact_cudnn():
        assert switches() == (True, True, False)
    assert switches() == BEFORE


def test_who_switched_cudnn_off_keeps_it_off() -> None:
    with cudnn.flags(enabled=False), _exact_cudnn():
        assert not cudnn.enabled


def test_overlapping_threads_leave_the_switches_as_they_were() -> None:
    both, first_left = threading.Barrier(2), threading.Event()
    seen = []

    def first() -> None:
        with _exact_cudnn():
            both.wait()
        first_left.set()

    def second() -> None:
        with _exact_cudnn():
            both.wait()
            first_left.wait()
            seen.append(switches())

    threads = [threading.Thread(target=one) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(True, True, False)]
    assert switches() == BEFORE


def test_a_picture_on_the_cpu_leaves_the_switches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, convolve = [], torch.nn.Conv2d.forward

    def looked_at(layer: torch.nn.Conv2d, planes: torch.Tensor) -> torch.Tensor:
        seen.append(switches())
        return convolve(layer, planes)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", looked_at)
    image = Image.from_pixels(np.random.default_rng(0).random((32, 32, 3)).astype(np.float32), "srgb")
    Segmenter("paper", device="cpu").segment(image, Palette.from_hex("#ff0000,#00ff00,#0000ff"))
    assert set(seen) == {BEFORE}
    assert switches() == BEFORE
