"""The example script and the toolset: they are what the generator writes, load, and do what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from evaluator import Evaluator
from plug_in import CHANNELS, fill_cache, layers_of, node_over, write_plate

from nuke_plugin import generate_examples as generator

ROOT = Path(__file__).resolve().parents[2]


def test_they_are_what_the_generator_writes(package: Path) -> None:
    for file, text in ((generator.EXAMPLE, generator.example()), (generator.TOOLSET, generator.toolset())):
        assert file.read_text(encoding="utf-8") == text, "run: python nuke_plugin/generate_examples.py"
        assert (package / file.relative_to(ROOT / "nuke_plugin")).read_text(encoding="utf-8") == text
    assert not list(package.glob("generate_*"))


def test_the_example_opens(host, plugin: Path) -> None:
    import nuke

    nuke.scriptOpen(str(generator.EXAMPLE))
    node = nuke.toNode("SoftColorSegment1")
    assert node.input(0).name() == "Picture" and node["softcolor_version"].value()
    below = nuke.toNode("GradedLayer")
    assert below.input(0).input(0) is node and "Auto Palette" in nuke.toNode("ReadMe")["label"].value()
    assert host.messages == []


def test_the_toolset_grades_one_layer(host, plugin: Path, tmp_path: Path) -> None:
    import nuke

    host.frame_now = 1001
    nuke.pluginAddPath(str(plugin))
    Evaluator(host)
    write_plate(tmp_path / "plate.1001.exr")
    node = node_over(host, (tmp_path / "plate.%04d.exr").as_posix(), (tmp_path / "layers.exr").as_posix())
    fill_cache(node, tmp_path / "layers.exr")
    layers = layers_of(node._picture(), 3)
    last = nuke.nodePaste(str(generator.TOOLSET))
    nuke.toNode("SoftColorLayers").setInput(0, node)
    plate = np.stack([node._picture().channels[f"rgba.{one}"] for one in CHANNELS], -1)

    def shown() -> np.ndarray:
        return np.stack([last._picture().channels[f"rgba.{one}"] for one in CHANNELS], -1)

    np.testing.assert_allclose(shown(), plate, rtol=1e-5, atol=1e-5)
    nuke.toNode("GradeLayer")["multiply"].setValue(2.0)
    expected = plate[..., :3] + layers[0, ..., :3]
    np.testing.assert_allclose(shown()[..., :3], expected, rtol=1e-5, atol=1e-5)
