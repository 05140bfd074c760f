"""Where pip takes packages from, how large they are, and what its words mean when it can't."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .client import clean_environment

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch without CUDA is; the one on PyPI for Linux brings several gigabytes of CUDA libraries."""

KEPT_SETTINGS = frozenset(
    f"PIP_{name}"
    for name in (
        *("CONFIG_FILE", "INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "PROXY", "CERT", "CLIENT_CERT"),
        *("TRUSTED_HOST", "TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "RESUME_RETRIES", "KEYRING_PROVIDER"),
        *("CACHE_DIR", "NO_CACHE_DIR", "USE_DEPRECATED", "USE_FEATURE"),
    )
)
"""Variables of pip that say how packages are reached. The others, as PIP_TARGET, say what becomes of them elsewhere."""


class Sizes(NamedTuple):
    """Gigabytes."""

    download: float
    installed: float

    def __str__(self) -> str:
        return f"{self.download:g} GB to download, {self.installed:g} GB on disk"


def sizes(*, cpu_only: bool, platform: str = sys.platform) -> Sizes:
    """What an engine takes with the versions in ``constraints.txt``, by the sizes of their wheels for Python 3.11.

    Only for Linux are there builds with CUDA on PyPI. On disk was measured on Linux.
    """
    if not platform.startswith("linux"):
        return Sizes(0.3, 1.5)
    return Sizes(0.4, 1.5) if cpu_only else Sizes(3.0, 6.0)


def is_folder(source: str) -> bool:
    """Whether a package source is a folder, which needs no network."""
    return bool(source) and Path(source).is_dir()


def variables(environment: Mapping[str, str], source: str, folder: Path, constraints: Path) -> dict[str, str]:
    """The variables for pip: source and constraints are the only ones, whatever its own variables and files say.

    Args:
        environment: variables for the processes.
        source: address of a package index or a folder of wheels, empty for pip's own settings.
        folder: of the environment, where pip also keeps what it unpacks: the disk for temporary files may be small.
        constraints: the file with the versions that were tested.
    """
    found = {
        name: value
        for name, value in clean_environment(environment).items()
        if not name.upper().startswith("PIP_") or name.upper() in KEPT_SETTINGS
    }
    found.update(
        dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder)), PIP_USER="0", PIP_CONSTRAINT=constraints.as_uri()
    )
    if is_folder(source):
        found.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=Path(source).absolute().as_uri())
    elif source:
        # Empty ones would let pip's files have their way. In the environment's folder are no packages.
        found.update(PIP_NO_INDEX="0", PIP_INDEX_URL=source, PIP_EXTRA_INDEX_URL=source, PIP_FIND_LINKS=folder.as_uri())
    return found


def torch_arguments(settings: Iterable[str], source: str, constraints: str, *, cpu_only: bool) -> list[str]:
    """What pip is told to install PyTorch.

    Args:
        settings: lines of ``pip config list``.
        source: as above.
        constraints: the text of the file.
        cpu_only: without CUDA, where there is a choice.
    """
    names = {line.partition("=")[0].rpartition(".")[2] for line in settings}
    version = re.search(r"^torch==([^\s+]+)", constraints, re.MULTILINE)
    if not cpu_only or sys.platform != "linux" or is_folder(source) or version is None:
        return ["torch"]
    if source or "index-url" in names:
        return [f"torch=={version[1]}+cpu"]
    return ["torch"] if "no-index" in names else ["torch", "--index-url", CPU_INDEX]


_REASONS = (
    (r"No space left|not enough space", "the disk is full", "free some disk space, or choose another Engine Folder"),
    (
        r"failed: 407\b|\b407 Client Error",
        "the proxy asks for a name and a password",
        "set HTTPS_PROXY to http://NAME:PASSWORD@HOST:PORT and start again, or install from a folder of wheels",
    ),
    (
        r"\b401 Client Error",
        "the package index asks for a name and a password",
        "write them into its address, as in https://NAME:PASSWORD@HOST/simple, or into the file .netrc",
    ),
    (r"\b403 Client Error", "the package index refuses access", "use another package source"),
    (r"\b5\d\d Server Error|too many 50\d", "the package index is out of order", "try again later"),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "the certificate of the package index or the proxy is not known",
        "set PIP_CERT to the file with the certificates of your network and start again",
    ),
    (
        r"not a trusted or secure host",
        "the address of the package index begins with http",
        "use its https address, or set PIP_TRUSTED_HOST to its host and start again",
    ),
    (
        r"Connection|Temporary failure in name resolution|timed out|SSL|Max retries",
        "",
        "check the network, a firewall or a proxy, and try again",
    ),
    (
        r"(No matching distribution found for|Cannot install) torch==\S+\+cpu",
        "the package source has no PyTorch for the CPU",
        f"choose PyTorch for the GPU, or a package source that also has what is on {CPU_INDEX}",
    ),
    (
        r"No matching distribution",
        "",
        "choose another Python to install with (3.11 was tested), or another package source",
    ),
    (
        r"Permission denied|Access is denied|being used by another process|resource busy",
        "",
        "close every program that uses the engine and try again; a virus scanner may lock the files",
    ),
)


def reason_and_cure(said: list[str]) -> tuple[str, str]:
    """What went wrong, by the lines that pip said, and what to do about it."""
    errors = [line for line in said if line.startswith("ERROR:")]
    last = shortened((errors or [line for line in said if line.strip()] or ["it gave no answer"])[-1], 200)
    text = "\n".join(said)
    for pattern, reason, cure in _REASONS:
        if re.search(pattern, text):
            return reason or last, cure
    return last, "open the log; it has the full output of pip"


def shortened(line: str, length: int = 70) -> str:
    """A line of at most so many letters."""
    line = line.strip()
    return line if len(line) <= length else line[: length - 1] + "…"
