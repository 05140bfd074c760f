"""The evaluator of node graphs, by pictures whose results are known without it."""

from __future__ import annotations

import numpy as np
import OpenImageIO as oiio
import pytest
from evaluator import Cat, Evaluator, Picture, PictureError, Size, read_exr, write_exr
from fake_nuke import NotInFake

FORMAT = Size(8, 6)
BOX = (-2, 0, 8, 8)  # overscan on the left and on top


def picture(*, box=BOX, names=("red", "green", "blue", "alpha"), seed=0):
    random = np.random.default_rng(seed)
    shape = box[3] - box[1], box[2] - box[0]
    return Picture(FORMAT, box, {f"rgba.{name}": random.normal(1, 3, shape).astype(np.float32) for name in names})


@pytest.fixture
def graph(host, tmp_path):
    """A function that loads text below a Read named Plate, whose file has overscan, negatives and highlights."""
    source = picture()
    write_exr(tmp_path / "plate.1001.exr", source, list(source.channels))
    Evaluator(host)
    host.frame_now = 1001

    def load(text):
        host.load(
            f'Read {{\n inputs 0\n file_type exr\n file "{tmp_path}/plate.%04d.exr"\n'
            " first 1001\n last 1009\n raw true\n name Plate\n}\nset Nplate [stack 0]\n" + text
        )
        return host.root.nodes()[0], source

    return load


def test_a_read_keeps_the_windows_and_the_values(graph):
    node, source = graph("")
    found = node._picture()
    assert (found.format, found.box) == (FORMAT, BOX)
    for name, plane in source.channels.items():
        assert np.array_equal(found.channels[name], plane)
    assert (node.bbox().x(), node.bbox().t(), node.width()) == (-2, 8, 8)


def test_sampling_counts_from_the_bottom(graph):
    node, source = graph("")
    assert node.sample("red", 0.5, 0.5) == source.channels["rgba.red"][-1, 2]
    assert node.sample("rgba.green", -1.5, 7.5) == source.channels["rgba.green"][0, 0]
    assert node.sample("red", 100.5, 0.5) == 0.0


def test_a_missing_frame_is_an_error_and_not_black(graph, host):
    node, _ = graph("")
    with host.at(1002), pytest.raises(PictureError, match=r"Plate: .*plate\.1002\.exr"):
        node._picture()
    assert not node.hasError()


def test_channels_are_kept_and_removed(graph):
    node, _ = graph("Remove {\n operation keep\n channels alpha\n channels2 {rgba.red none}\n}\n")
    assert sorted(node.channels()) == ["rgba.alpha", "rgba.red"]
    node["operation"].setValue("remove")
    assert sorted(node.channels()) == ["rgba.blue", "rgba.green"]


def test_channels_are_added_only_where_there_are_none(graph):
    node, source = graph("Remove {\n channels alpha\n}\nAddChannels {\n channels rgba\n color {0 0 0 1}\n}\n")
    found = node._picture().channels
    assert np.array_equal(found["rgba.red"], source.channels["rgba.red"])
    assert (found["rgba.alpha"] == 1).all()


def test_copy_takes_a_to_b_over_both_boxes(graph, host, tmp_path):
    other = picture(box=(2, 2, 12, 5), seed=1)
    write_exr(tmp_path / "other.exr", other, list(other.channels))
    host.load("add_layer {softcolor1 softcolor1.red softcolor1.green softcolor1.blue softcolor1.alpha}")
    node, source = graph(
        f'Read {{\n inputs 0\n file_type exr\n file "{tmp_path}/other.exr"\n raw true\n}}\npush $Nplate\n'
        "Copy {\n inputs 2\n from0 rgba.red\n to0 softcolor1.green\n}\n"
    )
    found = node._picture()
    assert found.box == (-2, 0, 12, 8)
    assert np.array_equal(found.channels["rgba.blue"][:, :10], source.channels["rgba.blue"])
    assert (found.channels["rgba.blue"][:, 10:] == 0).all()
    assert np.array_equal(found.channels["softcolor1.green"][3:6, 4:], other.channels["rgba.red"])
    assert found.channels["softcolor1.green"].astype(bool).sum() == 30


def test_plus_adds_channel_by_channel(graph):
    node, source = graph("push $Nplate\nMerge2 {\n inputs 2\n operation plus\n}\n")
    assert np.array_equal(node._picture().channels["rgba.red"], 2 * source.channels["rgba.red"])
    node["operation"].setValue("over")
    with pytest.raises(NotInFake, match="plus and from only"):
        node._picture()


def test_unpremult_leaves_what_has_no_alpha(graph):
    node, source = graph('Expression {\n expr3 "x<0?0:a"\n}\nUnpremult {\n}\n')
    found, alpha = node._picture().channels["rgba.red"], source.channels["rgba.alpha"]
    assert np.array_equal(found[:, :2], source.channels["rgba.red"][:, :2])
    assert np.array_equal(found[:, 2:], source.channels["rgba.red"][:, 2:] / alpha[:, 2:])


def test_expressions_see_pixels_and_knobs(graph):
    text = 'Expression {\n expr0 "max(r,0)*2**2-g"\n expr1 "b>1&&y<3?rgba.blue:-1"\n channel2 none\n expr3 frame\n}\n'
    node, source = graph(text)
    found = node._picture().channels
    red, green, blue = (source.channels[f"rgba.{name}"] for name in ("red", "green", "blue"))
    assert np.allclose(found["rgba.red"], np.maximum(red, 0) * 4 - green)
    low = np.arange(8)[:, None] > 4
    assert np.array_equal(found["rgba.green"], np.where((blue > 1) & low, blue, -1))
    assert np.array_equal(found["rgba.blue"], blue)
    assert (found["rgba.alpha"] == 1001).all()


def test_a_switch_computes_only_what_it_shows(graph, host):
    text = 'Assert {\n expression 0\n message "no \\[value name]"\n name Red\n}\npush $Nplate\nSwitch {\n inputs 2\n}\n'
    node, source = graph(text)
    assert np.array_equal(node._picture().channels["rgba.red"], source.channels["rgba.red"])
    node["which"].setValue(1)
    with pytest.raises(PictureError, match="Red: no Red"):
        node._picture()
    host.node_at(host.root, "Red")["disable"].setValue(True)
    assert node.channels()


def test_metadata_of_files_reaches_expressions(graph, host, tmp_path):
    spec = oiio.ImageSpec(8, 6, 1, oiio.FLOAT)
    spec.channelnames = ("softcolor3.R",)
    spec.attribute("softcolor:key", "abc")
    made = oiio.ImageOutput.create(str(tmp_path / "k.exr"))
    made.open(str(tmp_path / "k.exr"), spec)
    made.write_image(np.ones((6, 8, 1), np.float32))
    made.close()
    node, _ = graph(
        f'Read {{\n inputs 0\n file_type exr\n file "{tmp_path}/k.exr"\n raw true\n}}\n'
        'Assert {\n expression {{"\\[string equal \\[metadata exr/softcolor:key] abc]"}}\n}\n'
    )
    assert node.channels() == ["softcolor3.red"]
    assert node.metadata("exr/softcolor:key") == "abc"
    node["expression"].setExpression("[string equal [metadata exr/softcolor:key] other]")
    assert node.hasError()


def test_a_write_makes_a_file_with_the_windows(graph, host, tmp_path):
    text = (
        "Write {\n channels rgb\n file_type exr\n datatype {32 bit float}\n raw true\n create_directories true\n"
        f' file "{tmp_path}/a b é/%V.####.exr"\n}}\n'
    )
    node, source = graph(text)
    host.module.execute(node, 1001, 1001)
    assert host.written == [f"{tmp_path}/a b é/main.1001.exr"]
    found = read_exr(host.written[0], "test")
    assert (found.box, sorted(found.channels)) == (BOX, ["rgba.blue", "rgba.green", "rgba.red"])
    assert np.array_equal(found.channels["rgba.red"], source.channels["rgba.red"])
    node["datatype"].setValue("16 bit half")
    host.module.execute(node, 1001)
    half = read_exr(host.written[0], "test").channels["rgba.red"]
    assert np.array_equal(half, source.channels["rgba.red"].astype(np.float16))


def test_proxies_are_smaller_and_their_sums_stay(graph, host):
    node, source = graph("")
    host.root["proxy_type"].setValue("scale")
    host.root["proxy"].setValue(True)
    found = node._picture()
    assert (found.format, found.box) == (Size(4, 3), (-1, 0, 4, 4))
    assert np.allclose(found.channels["rgba.red"][0, 0], source.channels["rgba.red"][:2, :2].mean())


def test_inference_knows_channels_and_attributes(graph, host):
    node, source = graph("Inference {\n modelFile m.cat\n serialiseKnob {gain:2;frame:{frame};}\n}\n")
    with pytest.raises(PictureError, match=r"no model 'm\.cat'"):
        node._picture()

    def run(attributes, planes):
        return planes[:, :1] * attributes["gain"] + attributes["frame"]

    def cat(out, names=("gain", "frame")):
        host.evaluator.cats["m.cat"] = Cat(["rgba.green"], out, frozenset(names), run)

    cat(["forward.u"])
    assert np.allclose(node._picture().channels["forward.u"], source.channels["rgba.green"] * 2 + 1001)
    cat(["softcolor1.red"])
    with pytest.raises(PictureError, match=r"invalid map<K,T> key: softcolor1\.red"):
        node._picture()
    cat(["forward.u"], ["gain"])
    with pytest.raises(PictureError, match="the model has no frame"):
        node._picture()
    cat(["forward.u", "forward.v"])
    with pytest.raises(PictureError, match="the model gives"):
        node._picture()


def test_groups_hand_on_their_inputs(graph):
    node, source = graph(
        "push $Nplate\npush 0\nGroup {\n inputs 2\n name G\n addUserKnob {20 User}\n addUserKnob {7 gain}\n gain 3\n}\n"
        "Input {\n inputs 0\n name mask\n number 1\n}\nExpression {\n expr0 r*parent.gain\n}\nOutput {\n}\nend_group\n"
    )
    assert np.allclose(node._picture().channels["rgba.red"], 3 * source.channels["rgba.red"])


@pytest.mark.parametrize("cls", ["Blur", "Saturation", "Invert"])
def test_other_classes_are_refused(graph, cls):
    node, _ = graph(f"{cls} {{\n}}\n")
    with pytest.raises(NotInFake, match=f"the evaluator has no {cls}"):
        node._picture()
