"""The training loop of every model: seeded, resumable, with its curves.

Adam with a warm-up and a cosine; the weights that are kept are a moving average. What is trained on and for what is
the configuration's: `paper.py`, `any_palette.py`.
"""

from __future__ import annotations

import csv
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from ..errors import CancelledError, InputError, UsageError, WeightsError
from ..networks.weights import Weights, save_weights

CHECKPOINT = "checkpoint.pt"
CURVES = "losses.csv"
LOCK = "training.lock"


class Samples(Protocol):
    """Batches decided by the run's seed and the step alone, so that a resumed run sees what it would have seen.

    Attributes:
        identity: which photographs they come from.
    """

    identity: str

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The tensors of one step, on the CPU."""
        ...


@dataclass(frozen=True)
class TrainingConfig(ABC):
    """What decides a training run, and how one kind of model is trained: the part that all kinds have.

    ``initial`` is the sha256 of the weights that the run starts from, empty for random ones.
    """

    steps: int
    batch: int
    crop: int
    seed: int = 1
    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-5
    warm_up: int = 200
    average: float = 0.999
    beta1: float = 0.0
    initial: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.crop < 16:
            raise UsageError(
                f"steps {self.steps}, batch {self.batch}, crop {self.crop}",
                cure="--steps and --batch are at least 1, --crop at least 16 pixels",
            )

    @property
    @abstractmethod
    def terms(self) -> tuple[str, ...]:
        """Names of the losses, in the order of the curves' columns."""

    @abstractmethod
    def networks(self) -> nn.Module:
        """New networks with random weights."""

    @abstractmethod
    def samples(self, photographs: Path) -> Samples:
        """What is trained on."""

    @abstractmethod
    def loss(self, networks: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to go down, and every term unweighted and detached."""

    @abstractmethod
    def metadata(self) -> dict[str, str]:
        """What a weights file says so that a model can be made of it."""


@dataclass(frozen=True)
class TrainingProgress:
    """What a progress bar shows: ``step`` of ``steps`` and the mean losses since the last report."""

    step: int
    steps: int
    losses: dict[str, float]


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Linear warm-up, then a cosine from the first to the final learning rate."""
    if step < config.warm_up:
        return config.learning_rate * (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    span = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + span * (1 + math.cos(math.pi * min(1.0, done))) / 2


def train(
    photographs: Path,
    run: Path,
    config: TrainingConfig,
    *,
    initial: Weights | None = None,
    device: torch.device | str = "cpu",
    checkpoint_every: int = 200,
    progress: Callable[[TrainingProgress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> nn.Module:
    """Trains, or goes on with the run in ``run``; returns the averaged networks, in evaluation mode.

    A resumed run with the same config and thread count gives the weights of an uninterrupted one.

    Args:
        photographs: folder of photographs.
        run: folder for the checkpoint and the curves; a checkpoint in it is resumed.
        config: what to train; must equal the checkpoint's, but for ``steps``.
        initial: weights of the same networks to start from, instead of random ones.
        device: where to compute.
        checkpoint_every: steps between two checkpoints.
        progress: called about every tenth step.
        cancelled: asked before every step; a checkpoint is written first.

    Raises:
        InputError: no photographs, a checkpoint of another config, or another training that uses ``run``.
        WeightsError: ``initial`` is of other networks.
        CancelledError: ``cancelled`` said so.
    """
    run.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run / LOCK, blocking=False):
            return _train(photographs, run, config, initial, device, checkpoint_every, progress, cancelled)
    except Timeout as error:
        raise InputError(
            f"{run}: another training uses this folder", cure="wait until it ends, or use another run folder"
        ) from error


def _train(
    photographs: Path,
    run: Path,
    config: TrainingConfig,
    initial: Weights | None,
    device: torch.device | str,
    checkpoint_every: int,
    progress: Callable[[TrainingProgress], None],
    cancelled: Callable[[], bool],
) -> nn.Module:
    torch.manual_seed(config.seed)
    networks = config.networks()
    if initial is not None:
        config = replace(config, initial=initial.sha256)
        _start_from(networks, initial)
    networks.to(device)
    average = config.networks().to(device)
    average.load_state_dict(networks.state_dict())
    optimizer = torch.optim.Adam(networks.parameters(), lr=config.learning_rate, betas=(config.beta1, 0.99))
    samples = config.samples(photographs)
    first, pending = _resume(run, config, samples, networks, average, optimizer, device)
    curves = _Curves(run / CURVES, ("total", *config.terms), first, pending)
    networks.train()
    for step, batch in _batches(samples, config.steps, first):
        if cancelled():
            _save(run, config, step, networks, average, optimizer, curves, samples)
            raise CancelledError(f"training stopped at step {step}", cure=f"resume it from {run}")
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        loss, terms = config.loss(networks, tuple(tensor.to(device) for tensor in batch))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(networks.parameters(), 1.0)
        optimizer.step()
        _update_average(average, networks, min(config.average, (step + 1) / (step + 10)))
        curves.add(step, {"total": loss.detach(), **terms})
        if (step + 1) % 10 == 0 or step + 1 == config.steps:
            progress(TrainingProgress(step + 1, config.steps, curves.write()))
        if (step + 1) % checkpoint_every == 0 or step + 1 == config.steps:
            _save(run, config, step + 1, networks, average, optimizer, curves, samples)
    return average.eval()


def save_trained(networks: nn.Module, config: TrainingConfig, file: Path, *, overwrite: bool = False) -> str:
    """Writes the networks as a weights file that :func:`fscs_engine.networks.create.create_model` takes.

    Returns:
        The file's sha256.

    Raises:
        OutputError: the file exists and ``overwrite`` is false, or can't be written.
    """
    tensors = {name: t for name, t in networks.state_dict().items() if t.dtype.is_floating_point}
    metadata = {**config.metadata(), "training": json.dumps(asdict(config), sort_keys=True)}
    return save_weights(file, tensors, metadata, overwrite=overwrite)


def _start_from(networks: nn.Module, initial: Weights) -> None:
    own = networks.state_dict()
    shapes = {name: tensor.shape for name, tensor in own.items() if tensor.dtype.is_floating_point}
    if shapes != {name: tensor.shape for name, tensor in initial.tensors.items()}:
        raise WeightsError(
            f"{initial.name}: does not match the networks to train",
            cure="use the same --model, --colors, --no-skip and so on",
        )
    networks.load_state_dict({**own, **initial.tensors})


def _batches(samples: Samples, steps: int, first: int) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """Batch by batch from step ``first`` on, the next one read while this one is used."""
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(samples.batch, first)
        for step in range(first, steps):
            now = ahead.result()
            if step + 1 < steps:
                ahead = reader.submit(samples.batch, step + 1)
            yield step, now


@torch.no_grad()
def _update_average(average: nn.Module, networks: nn.Module, decay: float) -> None:
    for kept, new in zip(average.state_dict().values(), networks.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _save(
    run: Path,
    config: TrainingConfig,
    step: int,
    networks: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    curves: _Curves,
    samples: Samples,
) -> None:
    state = {
        "config": asdict(config),
        "photographs": samples.identity,
        "step": step,
        "networks": networks.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "pending_losses": curves.sums,
    }
    partial = run / (CHECKPOINT + ".partial")
    torch.save(state, partial)
    partial.replace(run / CHECKPOINT)


def _resume(
    run: Path,
    config: TrainingConfig,
    samples: Samples,
    networks: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device | str,
) -> tuple[int, dict[str, list[Tensor]]]:
    """The step to go on with, and the losses since the last row of the curves; loads the checkpoint's state."""
    file = run / CHECKPOINT
    if not file.exists():
        return 0, {}
    cure = "use the settings it was made with, or another run folder"
    try:
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        made_with, step = state["config"], int(state["step"])
    except Exception as error:  # torch raises anything from UnpicklingError to RuntimeError
        raise InputError(
            f"{file}: is no checkpoint ({type(error).__name__})", cure="delete it, or use another run folder"
        ) from error
    ours = asdict(config)
    changed = [k for k, v in ours.items() if k != "steps" and made_with.get(k) != v]
    if state.get("photographs", samples.identity) != samples.identity:
        changed.append("photographs")
    if changed:
        raise InputError(f"{file}: is from another run ({', '.join(changed)} differ)", cure=cure)
    if step > config.steps:
        raise InputError(f"{file}: is at step {step} already, but --steps is {config.steps}", cure=cure)
    networks.load_state_dict(state["networks"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return step, state.get("pending_losses", {})


class _Curves:
    """The losses as CSV, one row per ten steps (their mean); rows after a resumed checkpoint are dropped."""

    def __init__(self, file: Path, terms: tuple[str, ...], first: int, pending: dict[str, list[Tensor]]) -> None:
        self.file, self.started = file, time.monotonic()
        self.columns = ("step", "seconds", *terms)
        self.step = first
        self.sums = pending
        rows: list[dict[str, str]] = []
        if first and file.exists():
            with file.open(newline="") as opened:
                rows = [row for row in csv.DictReader(opened) if int(row["step"]) <= first]
        self.before = float(rows[-1]["seconds"]) if rows else 0.0
        with file.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, self.columns)
            writer.writeheader()
            writer.writerows(rows)

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        self.step = step + 1
        for name, term in terms.items():
            self.sums.setdefault(name, []).append(term)

    def write(self) -> dict[str, float]:
        means = {name: float(torch.stack(terms).mean()) for name, terms in self.sums.items()}
        seconds = self.before + time.monotonic() - self.started
        with self.file.open("a", newline="") as opened:
            row: dict[str, Any] = {"step": self.step, "seconds": f"{seconds:.1f}"}
            csv.DictWriter(opened, self.columns).writerow(row | {k: f"{v:.6f}" for k, v in means.items()})
        self.sums = {}
        return means
