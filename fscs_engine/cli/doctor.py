"""``fscs doctor``: what this installation is made of and whether it works."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from .._version import __version__
from ..errors import FscsError, WeightsError
from . import options
from .printing import print_json
from .progress import Progress

PACKAGES = (
    "torch",
    "numpy",
    "openimageio",
    "openexr",
    "opencolorio",
    "scikit-image",
    "pillow",
    "imagecodecs",
    "safetensors",
    "typer",
    "rich",
)


@dataclass(frozen=True)
class ModelState:
    """A shipped model: its file, the sha256 it has and should have, and what is wrong with it, if anything."""

    name: str
    file: Path
    sha256: str
    problem: str


@dataclass(frozen=True)
class Installation:
    """Everything the doctor looks at."""

    version: str
    python: str
    executable: str
    platform: str
    packages: dict[str, str | None]
    devices: list[dict[str, str]]
    threads: int
    cores: int
    memory_bytes: int
    models: list[ModelState]
    loops: dict[str, object]
    ocio: dict[str, object]
    problems: list[str]


def doctor(
    ocio: options.Ocio = None,
    warm: Annotated[
        bool,
        typer.Option(
            "--warm",
            help="Compiles the loops for this processor now instead of with the first image, into the folder that "
            "the variable FSCS_CACHE names, else into the installation, else into the user's cache folder.",
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Reports what is installed, which devices and models it finds, and what is wrong.

    The exit code is 0 if everything works.
    """
    with Progress() as progress, progress.loading("checking the installation"):
        if warm:
            _loops()
            from ..runtime.compiling import prepare

            prepare()
        found = examine(ocio)
    if as_json:
        print_json(asdict(found) | {"models": [_model_row(model) for model in found.models]})
    else:
        _print(found)
    if found.problems:
        raise WeightsError(f"found wrong: {'; '.join(found.problems)}", cure="install fscs-engine again")


def examine(ocio: str | None) -> Installation:
    """Looks at this installation; what is wrong goes into ``problems``."""
    import psutil
    import torch

    problems: list[str] = []
    packages = _packages()
    problems += [f"the package {name} is not installed" for name, version in packages.items() if version is None]
    models = model_states()
    problems += [f"model {model.name}: {model.problem}" for model in models if model.problem]
    try:
        config = _ocio(ocio)
    except FscsError as error:
        problems.append(str(error))
        config = {"name": None, "file": ocio, "color_spaces": 0}
    return Installation(
        version=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        platform=platform.platform(),
        packages=packages,
        devices=_devices(),
        threads=torch.get_num_threads(),
        cores=os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        models=models,
        loops=_loops(),
        ocio=config,
        problems=problems,
    )


def model_states() -> list[ModelState]:
    """Every shipped model with the state of its file."""
    from ..networks.shipped import FOLDER, SHIPPED
    from ..networks.weights import sha256_of

    states = []
    for name, shipped in SHIPPED.items():
        file = FOLDER / shipped.file
        if not file.is_file():
            states.append(ModelState(name, file, "", f"{file} is missing"))
            continue
        digest = sha256_of(file)
        problem = "" if digest == shipped.sha256 else f"sha256 is {digest}, should be {shipped.sha256}"
        states.append(ModelState(name, file, digest, problem))
    return states


def _model_row(model: ModelState) -> dict[str, object]:
    return {"name": model.name, "file": str(model.file), "sha256": model.sha256, "ok": not model.problem}


def _packages() -> dict[str, str | None]:
    from importlib import metadata

    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _devices() -> list[dict[str, str]]:
    import torch

    devices = [{"device": "cpu", "name": platform.processor() or platform.machine()}]
    if torch.cuda.is_available():
        devices.insert(0, {"device": "cuda", "name": torch.cuda.get_device_name(0)})
    if torch.backends.mps.is_available():
        devices.insert(0, {"device": "mps", "name": "Apple GPU"})
    return devices


def _loops() -> dict[str, object]:
    from ..exact import exact_layers  # noqa: F401
    from ..files import exr_loops  # noqa: F401
    from ..networks import any_palette_model  # noqa: F401
    from ..runtime import compiling

    missing = compiling.missing()
    return {"folders": [str(folder) for folder in compiling.places()], "to_compile": len(missing)}


def _ocio(config: str | None) -> dict[str, object]:
    from ..color import ColorSpaces

    spaces = ColorSpaces(config)
    return {
        "name": spaces.config.getName() or None,
        "file": config,
        "color_spaces": len(spaces.names),
    }


def _print(found: Installation) -> None:
    print(f"fscs {found.version}")
    print(f"Python {found.python}: {found.executable}")
    print(f"system: {found.platform}, {found.cores} cores, {found.memory_bytes / 2**30:.1f} GiB of memory")
    print("packages: " + ", ".join(f"{name} {version or 'MISSING'}" for name, version in found.packages.items()))
    for device in found.devices:
        print(f"device {device['device']}: {device['name']}")
    if len(found.devices) == 1:
        print("PyTorch finds no GPU: the networks run on the CPU")
    print(f"threads: PyTorch computes with {found.threads}")
    for model in found.models:
        print(f"model {model.name}: {model.problem or 'good, sha256 ' + model.sha256}")
    left = found.loops["to_compile"]
    state = f"{left} to compile with the first image, or now with --warm" if left else "all there"
    print(f"compiled loops: {state}")
    where = found.ocio["file"] or "the one built into OpenColorIO"
    print(f"OpenColorIO config: {where}, {found.ocio['name']}, {found.ocio['color_spaces']} color spaces")
    print("everything works" if not found.problems else f"{len(found.problems)} thing(s) are wrong")
