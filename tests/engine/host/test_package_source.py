from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fscs_engine.host import package_source
from fscs_engine.host.package_source import CPU_INDEX, reason_and_cure, sizes, torch_arguments, variables


@pytest.mark.parametrize(
    ("said", "reason", "cure"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "the disk is full",
            "free some",
        ),
        (
            "WARNING: Retrying … NewConnectionError …\nERROR: No matching distribution found for torch",
            "ERROR: No matching distribution found for torch",
            "network",
        ),
        ("WARNING: Retrying … Tunnel connection failed: 407 Proxy …", "the proxy asks", "HTTPS_PROXY"),
        ("… [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "the certificate", "PIP_CERT"),
        ("ERROR: No matching distribution found for torch==2.13.0+cpu", "no PyTorch for the CPU", CPU_INDEX),
        ("ERROR: No matching distribution found for torch==2.13.0", "ERROR: No matching", "another Python"),
        ("ERROR: [WinError 5] Access is denied", "ERROR: [WinError 5]", "close every program"),
        ("ERROR: something new", "ERROR: something new", "open the log"),
        ("", "it gave no answer", "open the log"),
    ],
)
def test_the_cure_fits_what_pip_said(said, reason, cure):
    found = reason_and_cure(said.splitlines())
    assert reason in found[0]
    assert cure in found[1]


def test_sizes_are_told_by_platform():
    assert str(sizes(cpu_only=True, platform="linux")) == "0.4 GB to download, 1.5 GB on disk"
    assert sizes(cpu_only=False, platform="linux").download > 5 * sizes(cpu_only=True, platform="linux").download
    for platform in ("win32", "darwin"):
        assert sizes(cpu_only=False, platform=platform) == sizes(cpu_only=True, platform=platform)


def test_the_source_is_the_only_one(tmp_path):
    set_before = {
        "PIP_EXTRA_INDEX_URL": "a",
        "PIP_PROXY": "http://proxy",
        "PIP_TARGET": "b",
        "PIP_CONSTRAINT": "e",
        "PYTHONPATH": "c",
        "X": "d",
    }
    constraints = (tmp_path / "constraints é.txt").as_uri()
    expected = {**set_before, "PIP_TARGET": None, "PYTHONPATH": None, "PIP_CONSTRAINT": constraints}
    found = variables(set_before, "", tmp_path, tmp_path / "constraints é.txt")
    assert {name: found.get(name) for name in set_before} == expected
    found = variables(set_before, "https://studio/simple", tmp_path, tmp_path / "constraints é.txt")
    assert found["PIP_INDEX_URL"] == found["PIP_EXTRA_INDEX_URL"] == "https://studio/simple"
    assert found["PIP_PROXY"] == "http://proxy"
    wheels = tmp_path / "wheels é"
    wheels.mkdir()
    found = variables(set_before, str(wheels), tmp_path, tmp_path / "constraints é.txt")
    assert (found["PIP_NO_INDEX"], " " in found["PIP_FIND_LINKS"]) == ("1", False)


@pytest.mark.parametrize(
    ("settings", "source", "cpu_only", "linux"),
    [
        ("", "", True, ["torch", "--index-url", CPU_INDEX]),
        ("", "", False, ["torch"]),
        ("", "https://studio/simple", True, ["torch==9.9+cpu"]),
        ("", "https://studio/simple", False, ["torch"]),
        ("", ".", True, ["torch"]),
        ("global.timeout='60'", "", True, ["torch", "--index-url", CPU_INDEX]),
        (":env:.index-url='https://studio'", "", True, ["torch==9.9+cpu"]),
        ("install.no-index='true'", "", True, ["torch"]),
    ],
)
def test_which_pytorch_is_asked_for(monkeypatch, settings, source, cpu_only, linux):
    for platform in ("linux", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        found = torch_arguments([settings], source, "# pinned\ntorch==9.9\n", cpu_only=cpu_only)
        assert found == (linux if platform == "linux" else ["torch"])


def test_the_constraints_that_are_carried_pin_pytorch(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    text = (Path(package_source.__file__).parents[2] / "constraints.txt").read_text(encoding="utf-8")
    (asked,) = torch_arguments([], "https://studio/simple", text, cpu_only=True)
    assert asked.startswith("torch==")
    assert asked.endswith("+cpu")
