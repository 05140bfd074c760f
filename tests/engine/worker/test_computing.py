"""The real process and its client, computing."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import PyOpenColorIO as ocio
import pytest
from PIL import Image as PillowImage

from fscs_engine.alpha.processing import AlphaProcessing, LayerAdjustment, Mask
from fscs_engine.color import ColorSpaces, in_space
from fscs_engine.files.exr import read_layers, write_exr
from fscs_engine.files.reading import read_image
from fscs_engine.host import client, protocol
from fscs_engine.host.client import LayerMask, Pixels, Plate, Worker
from fscs_engine.host.key import cache_key, file_identity, pixels_identity, result_parameters, window_identity
from fscs_engine.host.protocol import WorkerError
from fscs_engine.image import Image
from fscs_engine.palette.image_palette import shot_palette
from fscs_engine.palette.palette import Palette
from fscs_engine.runtime import compiling
from fscs_engine.segmenter import Segmenter
from fscs_engine.worker import server

pytestmark = pytest.mark.timeout(120)

COLORS = ["#101010", "#c03020", "#e0e0c0"]
PALETTE: dict[str, Any] = Palette.from_hex(COLORS).to_dict()
LONG = 2048
"""Side of a picture that takes much longer than any test waits."""


def picture(height: int = 24, width: int = 40, channels: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.random((height, width, channels), np.float32)
    if channels == 4:
        pixels[..., :3] *= pixels[..., 3:]
    return pixels


def pixels_of(array: np.ndarray, color_space: str = "srgb", **options) -> Pixels:
    return Pixels(array, *array.shape, color_space, **options)


def long_picture() -> Pixels:
    return pixels_of(np.broadcast_to(np.float32(0.5), (LONG, LONG, 3)).copy())


@pytest.fixture(scope="module")
def worker(engine_python):
    with Worker(engine_python) as shared:
        yield shared


@pytest.fixture
def own_worker(engine_python, temporary):
    with Worker(engine_python) as worker:
        yield worker


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter()


def refused(call, code: str) -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        call()
    assert caught.value.code == code, caught.value
    assert caught.value.cure or code == "cancelled"
    return caught.value


class TestSegment:
    @pytest.mark.parametrize(("channels", "space"), [(3, "srgb"), (4, "acescg")])
    def test_gives_what_the_engine_gives(self, worker, segmenter, channels, space):
        array = picture(channels=channels) * (1.0 if space == "srgb" else 4.0)
        own = segmenter.segment(Image.from_pixels(array, space), Palette.from_dict(PALETTE))
        with worker.segment(pixels_of(array, space), PALETTE) as layers:
            found = np.asarray(layers.memory())
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, own.pixels, atol=1e-5)
            assert layers.shape == (3, 24, 40, 4)
            assert layers.palette == PALETTE
            assert layers.working_space == own.working_space
            assert layers.model == "any-palette"
            assert layers.weights_sha256 == segmenter.weights_sha256
            assert len(layers.key) == 64
            assert layers.coverage == pytest.approx(own.report.coverage, abs=1e-5)
            assert 0.0 <= layers.error_max <= 1e-6
            assert layers.seconds["total"] >= layers.seconds["alpha"] > 0.0
            assert layers.data_window == layers.display_window == [0, 0, 40, 24]

    def test_a_model_is_named(self, worker):
        array = picture()
        own = Segmenter("paper").segment(Image.from_pixels(array, "srgb"), Palette.from_dict(PALETTE))
        with worker.segment(pixels_of(array), PALETTE, model="paper") as layers:
            np.testing.assert_allclose(np.asarray(layers.memory()), own.pixels, atol=1e-5)
            assert layers.model == "paper"

    def test_sixteen_colors(self, worker):
        array, palette = picture(), Palette.from_hex([f"#{n * 15:02x}{255 - n * 13:02x}80" for n in range(16)])
        with worker.segment(pixels_of(array), palette.to_dict(), working_space="srgb") as layers:
            assert layers.shape == (16, 24, 40, 4)
            np.testing.assert_allclose(np.asarray(layers.memory()).sum(axis=0)[..., :3], array, atol=2e-6)

    def test_layers_add_up_to_the_picture(self, worker):
        array = picture(channels=4)
        with worker.segment(pixels_of(array), PALETTE, working_space="srgb") as layers:
            np.testing.assert_allclose(np.asarray(layers.memory()).sum(axis=0), array, atol=1e-6)

    def test_plate_by_path(self, worker, segmenter, tmp_path):
        path = tmp_path / "plate é 1.png"
        PillowImage.fromarray((picture() * 255).astype(np.uint8)).save(path)
        before = path.read_bytes(), path.stat().st_mtime_ns
        own = segmenter.segment(read_image(path), Palette.from_dict(PALETTE), working_space="srgb")
        with worker.segment(Plate(str(path)), PALETTE, working_space="srgb") as layers:
            np.testing.assert_allclose(np.asarray(layers.memory()), own.pixels, atol=1e-5)
        assert (path.read_bytes(), path.stat().st_mtime_ns) == before
        assert list(tmp_path.iterdir()) == [path]

    def test_alpha_processing_arrives(self, worker, segmenter, tmp_path):
        array = picture()
        mask = np.tile(np.linspace(0.0, 1.0, 40, dtype=np.float32), (24, 1))
        PillowImage.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / "mask.png")
        from_file = (mask * 255).astype(np.uint8).astype(np.float32) / 255
        processing = AlphaProcessing(
            smoothing=5,
            smoothing_strength=0.5,
            minimum_alpha=0.05,
            adjustments={
                1: LayerAdjustment(gain=0.5, gamma=2.0, erode=-1.5),
                2: LayerAdjustment(black=0.1, white=0.8, blur=1.0),
            },
            masks=(Mask(mask, "limit", (1,)), Mask(from_file, "split", (2, 3))),
        )
        own = segmenter.segment(Image.from_pixels(array, "srgb"), Palette.from_dict(PALETTE), processing)
        parameters = {
            "smoothing": 5,
            "smoothing_strength": 0.5,
            "minimum_alpha": 0.05,
            "layer_gain": {1: 0.5},
            "layer_erode": {1: -1.5},
            "layer_blur": {2: 1.0},
            "layer_gamma": {1: 2.0},
            "layer_black": {2: 0.1},
            "layer_white": {2: 0.8},
        }
        masks = [LayerMask("limit", [1], mask, 24, 40), LayerMask("split", [2, 3], path=str(tmp_path / "mask.png"))]
        with worker.segment(pixels_of(array), PALETTE, parameters, masks=masks) as layers:
            np.testing.assert_allclose(np.asarray(layers.memory()), own.pixels, atol=1e-5)
        plain = segmenter.segment(Image.from_pixels(array, "srgb"), Palette.from_dict(PALETTE))
        assert np.abs(plain.pixels - own.pixels).max() > 0.05

    def test_the_frames_around_calm_it_as_in_a_shot(self, worker, segmenter):
        """Grain over one picture, then a cut: what comes before the cut does not count."""
        still, other = picture(seed=1), picture(seed=2)
        rng = np.random.default_rng(3)
        frames = [np.clip(still + rng.normal(0, 0.02, still.shape), 0, 1).astype(np.float32) for _ in range(4)]
        frames = [other, *frames]
        pictures = [pixels_of(frame) for frame in frames]
        processing = AlphaProcessing(smoothing=2, temporal=0.8)
        options = {"parameters": {"smoothing": 2, "temporal": 0.8}, "working_space": "srgb", "device": "cpu"}
        palette = Palette.from_hex(COLORS)
        images = [Image.from_pixels(frame, "srgb") for frame in frames[1:]]
        moments = [segmenter.moment(image, palette, processing) for image in images]
        keys = []
        for here in (1, 2):
            result = worker.segment(
                pictures[here], PALETTE, before=pictures[max(0, here - 2) : here], after=pictures[here + 1 : here + 3],
                **options,
            )  # fmt: skip
            strips = segmenter.strips(
                images[here - 1], palette, processing, working_spaces=["srgb"], moments=moments[: here + 2], at=here - 1
            )
            expected = np.concatenate([strip.layers["srgb"] for strip in strips], axis=1)
            np.testing.assert_array_equal(np.asarray(result.memory()), expected)
            identities = [pixels_identity(frame, *frame.shape, "srgb") for frame in frames[1:]]
            assert result.input == window_identity(identities[: here + 2], here - 1)
            keys.append(result.key)
        alone = worker.segment(pictures[2], PALETTE, **options)
        assert np.abs(np.asarray(alone.memory()) - np.asarray(result.memory())).max() > 1e-3
        assert len({*keys, alone.key}) == 3
        assert alone.input == pixels_identity(frames[2], *frames[2].shape, "srgb")

    def test_too_many_frames_around(self, worker):
        many = [pixels_of(picture())] * 3
        error = refused(lambda: worker.segment(many[0], PALETTE, {"temporal": 1}, before=many), "protocol")
        assert "at most 2 images" in error.message

    def test_progress(self, worker):
        seen = []
        worker.segment(
            pixels_of(picture(200, 200)), PALETTE, tile=32, progress=lambda *event: seen.append(event)
        ).close()
        fractions = [fraction for fraction, _ in seen]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
        assert all(eta is None or eta >= 0.0 for _, eta in seen)

    def test_key_tells_results_apart(self, worker):
        def key(array, **options) -> str:
            with worker.segment(pixels_of(array), PALETTE, **options) as layers:
                return layers.key

        first = key(picture())
        assert key(picture()) == first
        assert len({first, key(picture(seed=1)), key(picture(), parameters={"smoothing": 4})}) == 3


class TestOutput:
    def test_the_engine_writes_what_it_would_hand_over(self, worker, tmp_path):
        array = picture()
        with worker.segment(pixels_of(array, "lin_rec709"), PALETTE) as layers:
            pixels = np.array(layers.memory())
            key = layers.key
        path = tmp_path / "layers.exr"
        written = worker.segment(pixels_of(array, "lin_rec709"), PALETTE, output={"path": str(path)})
        assert written.outputs == [str(path)]
        layered = read_layers(path)
        np.testing.assert_array_equal(layered.layers, pixels)
        assert written.metadata.items() <= layered.metadata.items()
        assert written.metadata["softcolor:key"] == written.key == key
        with pytest.raises(WorkerError, match="closed"):
            written.memory()
        again = refused(
            lambda: worker.segment(pixels_of(array, "lin_rec709"), PALETTE, output={"path": str(path)}), "output"
        )
        assert "exists already" in again.message
        folder = {"path": f"{tmp_path}/layers/", "half": True, "overwrite": True}
        assert len(worker.segment(pixels_of(array), PALETTE, output=folder).outputs) == len(COLORS)

    def test_what_the_host_says_of_the_layers_stands_in_the_file(self, worker, tmp_path):
        path, output = tmp_path / "plate.exr", {"path": str(tmp_path / "layers.exr"), "overwrite": True}
        notes = {"softcolor:upstream": "a", "softcolor:key": "not this"}
        write_exr(path, Image.from_pixels(picture(), "lin_rec709"))
        plate = Plate(str(path), "lin_rec709", by_pixels=True)
        written = worker.segment(plate, PALETTE, output={**output, "notes": notes})
        said = read_layers(tmp_path / "layers.exr").metadata
        assert said == {**written.metadata, "softcolor:upstream": "a"}
        assert written.key == worker.segment(pixels_of(picture(), "lin_rec709"), PALETTE).key
        assert written.key != worker.segment(Plate(str(path), "lin_rec709"), PALETTE).key
        for wrong in ({"other:upstream": "a"}, {"softcolor:upstream": 1}):
            refused(lambda wrong=wrong: worker.segment(plate, PALETTE, output={**output, "notes": wrong}), "protocol")

    def test_the_input_is_never_replaced(self, worker, tmp_path):
        path = tmp_path / "plate.exr"
        write_exr(path, Image.from_pixels(picture(), "lin_rec709"))
        before = path.read_bytes()
        refused(
            lambda: worker.segment(Plate(str(path)), PALETTE, output={"path": str(path), "overwrite": True}), "usage"
        )
        assert path.read_bytes() == before


class TestRead:
    @pytest.mark.parametrize("channels", [3, 4])
    def test_a_picture_in_a_working_space(self, worker, channels):
        array = picture(channels=channels)
        with worker.read(pixels_of(array), "srgb") as same, worker.read(pixels_of(array), "lin_rec709") as linear:
            found = np.asarray(same.memory())
            assert found.shape == same.shape == (24, 40, 4)
            np.testing.assert_array_equal(found[..., :channels], array)
            if channels == 3:
                assert (found[..., 3] == 1).all()
            wanted = in_space(Image.from_pixels(array, "srgb"), "lin_rec709", ColorSpaces()).pixels
            np.testing.assert_array_equal(np.asarray(linear.memory())[..., :channels], wanted)
        with pytest.raises(WorkerError, match="closed"):
            same.memory()

    def test_how_a_plate_is_read_can_be_said(self, worker, tmp_path):
        pixels = picture(6, 7, 4)
        path = tmp_path / "a.exr"
        write_exr(path, Image.from_pixels(pixels, "lin_rec709"))
        with worker.segment(Plate(str(path), "srgb", alpha="straight"), PALETTE, working_space="srgb") as layers:
            whole = np.asarray(layers.memory()).sum(axis=0)
            assert (layers.read_as["space"], layers.read_as["alpha"]) == ("srgb", "straight")
            straight_key = layers.key
        np.testing.assert_allclose(whole[..., :3], pixels[..., :3] * pixels[..., 3:], atol=1e-5)
        with worker.segment(Plate(str(path), "srgb"), PALETTE, working_space="srgb") as layers:
            assert layers.read_as["alpha"] == "premultiplied"
            assert layers.key != straight_key

    def test_of_a_plate(self, worker, tmp_path):
        path = tmp_path / "plate.png"
        PillowImage.fromarray((picture() * 255).astype(np.uint8)).save(path)
        with worker.read(Plate(str(path)), "srgb") as result:
            np.testing.assert_array_equal(np.asarray(result.memory())[..., :3], read_image(path).pixels)
        refused(lambda: worker.read(Plate(str(tmp_path / "missing.png"))), "input")
        refused(lambda: worker.read(Plate(str(path)), "nowhere"), "color-space")


def test_what_is_done_before_the_first_fraction():
    told = []
    with Worker(sys.executable) as worker:
        palette = worker.palette(pixels_of(picture()), 3, doing=told.append)
        worker.segment(pixels_of(picture()), palette, doing=told.append).close()
    stages = [stage for stage in dict.fromkeys(told) if stage]
    assert stages[:2] == ["loading PyTorch", "loading the engine"]
    assert {"finding the colors", "loading the model"} <= set(stages)
    assert told[-1] == "", "the last event has the whole fraction"


def test_that_code_is_compiled_is_said():
    sent = []
    progress = server.Progress(sent.append, 3)
    handler = server.Overheard(lambda: progress)
    compiling._log.addHandler(handler)
    before = compiling._log.level
    compiling._log.setLevel(logging.INFO)
    try:
        compiling._log.info("compiling for this machine (once)")
        compiling._log.warning("something else")
    finally:
        compiling._log.removeHandler(handler)
        compiling._log.setLevel(before)
    assert compiling._log.name == server.COMPILING
    assert [event["stage"] for event in sent] == ["compiling for this machine (once)"]
    progress(0.5)
    progress.report()
    assert (sent[-1]["stage"], sent[-1]["fraction"]) == ("", 0.5)


class TestPalette:
    def test_gives_what_the_engine_gives(self, worker, segmenter):
        array = picture()
        own = segmenter.auto_palette(Image.from_pixels(array, "srgb"), 4, seed=3)
        assert worker.palette(pixels_of(array), 4, seed=3) == own.to_dict()
        salient = segmenter.auto_palette(Image.from_pixels(array, "srgb"), 4, seed=3, method="salient").to_dict()
        assert worker.palette(pixels_of(array), 4, seed=3, palette_method="salient") == salient != own.to_dict()

    def test_one_for_several_frames(self, worker):
        arrays = [picture(), picture()[::-1] * 0.5, picture()[:20, :30]]
        images = [Image.from_pixels(np.ascontiguousarray(array), "srgb") for array in arrays]
        first, *others = [pixels_of(np.ascontiguousarray(array)) for array in arrays]
        found = worker.palette(first, 4, others=others, seed=3)
        assert found == shot_palette(images, 3, 4, seed=3).to_dict() != worker.palette(first, 4, seed=3)
        error = refused(lambda: worker.palette(first, 4, others=[first] * 9), "protocol")
        assert "at most 8 images" in error.message

    def test_given_colors_stay(self, worker):
        found = worker.palette(pixels_of(picture()), 5, given=PALETTE)
        assert found["colors"][:3] == PALETTE["colors"]
        assert len(found["colors"]) == 5

    def test_of_a_plate(self, worker, tmp_path):
        PillowImage.new("RGB", (8, 8), "#ff0000").save(tmp_path / "red.png")
        found = worker.palette(Plate(str(tmp_path / "red.png")), 1)
        assert found["colors"][0]["rgb"] == [1.0, 0.0, 0.0]


class TestBadInput:
    def test_each_has_its_code_and_the_worker_lives_on(self, own_worker, tmp_path):
        folder = Path(own_worker.hello["folder"])
        good = pixels_of(picture())
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"\x89PNG nonsense")
        nan = picture()
        nan[3, 5, 1] = np.nan

        def segment(image=good, palette=PALETTE, **options):
            return lambda: own_worker.segment(image, palette, **options)

        assert "missing.png" in refused(segment(Plate(str(tmp_path / "missing.png"))), "input").message
        assert "broken.png" in refused(segment(Plate(str(broken))), "input").message
        refused(segment(Plate(str(tmp_path))), "input")
        refused(segment(pixels_of(nan)), "non-finite")
        refused(segment(palette={"version": 2}), "palette")
        refused(segment(palette={**PALETTE, "colors": PALETTE["colors"] * 6}), "palette")
        sixteen = Palette.from_hex([f"#{n:06x}" for n in range(16)]).to_dict()
        assert "takes 7" in refused(segment(palette=sixteen, model="paper"), "palette").message
        refused(segment(pixels_of(picture(), "no such space")), "color-space")
        refused(segment(working_space="no such space"), "color-space")
        refused(segment(ocio=str(broken)), "color-space")
        refused(segment(ocio=str(tmp_path / "no.ocio")), "color-space")
        refused(segment(masks=[LayerMask("limit", [1], bytes(4), 1, 1)]), "usage")
        refused(segment(masks=[LayerMask("limit", [9], bytes(24 * 40 * 4), 24, 40)]), "usage")
        refused(segment(masks=[LayerMask("limit", [1], np.full((24, 40), np.nan, np.float32), 24, 40)]), "non-finite")
        refused(segment(parameters={"layer_gain": {1: 0, 2: 0, 3: 0}}), "usage")
        refused(segment(parameters={"layer_black": {1: 0.5}, "layer_white": {1: 0.5}}), "usage")
        refused(lambda: own_worker.palette(good, 2, given=PALETTE), "palette")
        assert list(folder.iterdir()) == []
        with own_worker.segment(pixels_of(nan, clean_nonfinite=True), PALETTE) as layers:
            assert np.isfinite(np.asarray(layers.memory())).all()

    def test_a_file_of_pixels_that_is_not_what_was_said(self, start):
        worker = start()
        folder = worker.hello()
        image = {"file": "image.f32", "height": 2, "width": 3, "channels": 4, "color_space": "srgb"}

        def refusal() -> str:
            worker.send(request="segment", id=1, image=image, palette=PALETTE)
            reply = worker.reply()
            assert (reply["reply"], reply["code"]) == ("error", "protocol")
            return reply["message"]

        assert "can't be read" in refusal()
        (folder / "image.f32").write_bytes(bytes(95))
        assert "95 bytes" in refusal()
        (folder / "image.f32").write_bytes(bytes(97))
        assert "97 bytes" in refusal()
        if os.name == "posix":
            (folder / "image.f32").rename(folder / "other.f32")
            (folder / "image.f32").symlink_to("other.f32")
            assert "plain file" in refusal()


class Computation(threading.Thread):
    """A computation beside the test."""

    outcome: WorkerError | None = None


@pytest.mark.slow
class TestInTheMiddle:
    def begin(self, worker: Worker, **options) -> Computation:
        """Starts a long computation in a thread; ``.outcome`` is its error. Returns once it computes."""
        computing = threading.Event()

        def run() -> None:
            try:
                worker.segment(
                    long_picture(),
                    PALETTE,
                    tile=64,
                    progress=lambda fraction, eta: computing.set() if fraction > 0 else None,
                    **options,
                )
            except WorkerError as error:
                thread.outcome = error

        thread = Computation(target=run)
        thread.start()
        assert computing.wait(60)
        assert thread.outcome is None
        return thread

    def test_cancel_and_go_on_in_the_same_process(self, own_worker):
        process = own_worker._process.pid
        with own_worker.segment(pixels_of(picture()), PALETTE) as layers:
            first = np.array(layers.memory())
        thread = self.begin(own_worker)
        own_worker.cancel()
        thread.join(30)
        assert thread.outcome.code == "cancelled"
        assert list(Path(own_worker.hello["folder"]).iterdir()) == []
        assert own_worker.alive
        with own_worker.segment(pixels_of(picture()), PALETTE) as layers:
            np.testing.assert_array_equal(np.asarray(layers.memory()), first)
        assert own_worker._process.pid == process

    def test_cancel_by_callback(self, own_worker):
        seen = []
        refused(
            lambda: own_worker.segment(
                long_picture(),
                PALETTE,
                tile=64,
                progress=lambda fraction, eta: seen.append(fraction),
                cancelled=lambda: bool(seen) and seen[-1] > 0,
            ),
            "cancelled",
        )
        assert 0 < seen[-1] < 1

    @pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
    def test_kill(self, own_worker, temporary):
        thread = self.begin(own_worker)
        own_worker._process.send_signal(signal.SIGKILL)
        thread.join(10)
        assert thread.outcome.code == "worker"
        assert "signal 9" in thread.outcome.message
        assert list(temporary.iterdir()) == []

    @pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
    def test_stop(self, engine_python, temporary):
        """Stopped, as by a debugger or a full machine: no reply, no end, no sign of life."""
        with Worker(engine_python, timeout=4.0) as worker:
            thread = self.begin(worker)
            worker._process.send_signal(signal.SIGSTOP)
            thread.join(20)
            assert "did not answer for 4 seconds" in thread.outcome.message
        assert list(temporary.iterdir()) == []

    def test_close(self, own_worker, temporary):
        thread = self.begin(own_worker)
        own_worker.close()
        thread.join(10)
        assert thread.outcome.code == "worker"
        assert own_worker._process.returncode == 0, "ended by itself"
        assert list(temporary.iterdir()) == []

    def _start_long(self, worker, folder: Path, id: int = 1) -> None:
        (folder / "image.f32").write_bytes(long_picture().data.tobytes())
        image = {"file": "image.f32", "height": LONG, "width": LONG, "channels": 3, "color_space": "srgb"}
        worker.send(request="segment", id=id, image=image, palette=PALETTE, tile=64)
        while worker.receive()["fraction"] == 0.0:
            pass

    def test_end_of_input(self, start):
        worker = start()
        self._start_long(worker, worker.hello())
        worker.stdin.close()
        assert worker.process.wait(10) == 0
        assert not worker.cwd.exists()

    def test_garbage_and_other_requests(self, start):
        worker = start()
        folder = worker.hello()
        self._start_long(worker, folder, id=1)
        worker.send_line(b"\xff garbage")
        assert worker.reply()["code"] == "protocol"
        worker.send_line(b"a" * (protocol.MAXIMUM_LINE + 1))
        assert worker.reply()["code"] == "protocol"
        assert worker.hello_again() == folder
        worker.send(request="segment", id=1, image={"path": "/x.exr"}, palette=PALETTE)
        assert "in use" in worker.reply()["message"]
        worker.send(request="palette", id=2, image={"path": str(folder / "no.exr")}, colors=3)
        worker.send(request="cancel", id=3, target=2)
        waiting = worker.reply()
        assert (waiting["id"], waiting["code"]) == (2, "cancelled"), "at once, it did not even begin"
        assert worker.reply() == {"reply": "cancel", "id": 3, "pending": True}
        worker.send(request="cancel", id=4, target=1)
        replies = [worker.reply(), worker.reply()]
        assert {"reply": "cancel", "id": 4, "pending": True} in replies
        assert [reply["code"] for reply in replies if reply["id"] == 1] == ["cancelled"]
        worker.send(request="shutdown", id=5)
        assert worker.reply() == {"reply": "shutdown", "id": 5}
        assert worker.process.wait(10) == 0

    def test_too_many_requests(self, start):
        worker = start()
        folder = worker.hello()
        self._start_long(worker, folder, id=1)
        for number in range(2, server.PENDING_LIMIT + 2):
            worker.send(request="palette", id=number, image={"path": str(folder / "no.exr")}, colors=3)
        refusal = worker.reply()
        assert (refusal["id"], refusal["code"]) == (server.PENDING_LIMIT + 1, "protocol")

    @pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
    def test_a_host_that_is_killed_leaves_nothing(self, engine_python, temporary):
        code = (
            "import sys; from fscs_engine.host.client import Worker, Pixels\n"
            "def tell(fraction, eta):\n    if fraction > 0: print(worker._process.pid, flush=True)\n"
            f"worker = Worker(sys.argv[1])\nside = {LONG}\n"
            "image = Pixels(bytes(side * side * 12), side, side, 3, 'srgb')\n"
            f"worker.segment(image, {PALETTE!r}, tile=64, progress=tell)\n"
        )
        root = Path(client.__file__).parents[2]
        command = [sys.executable, "-S", "-c", code, engine_python]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as host:
            process = int(host.stdout.readline())
            host.kill()
        deadline = time.monotonic() + 10
        while list(temporary.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(temporary.iterdir()) == []
        deadline = time.monotonic() + 10
        while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not running(process)


def running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_models_stay_warm(monkeypatch):
    made = []

    class Fake:
        def __init__(self, model, **options) -> None:
            made.append((model, options))

    monkeypatch.setattr("fscs_engine.segmenter.Segmenter", Fake)
    serving = server.Server(0, 1, Path())
    first = serving._segmenter("paper", "cpu", "auto", 0, None)
    second = serving._segmenter("paper", "cpu", "bfloat16", 0, None)
    assert serving._segmenter("paper", "cpu", "auto", 0, None) is first
    assert serving._segmenter("paper", "cpu", "bfloat16", 0, None) is second
    assert serving._segmenter("paper", "cpu", "auto", 0, None) is first
    serving._segmenter("paper", "cuda", "auto", 0, None)
    assert len(serving._segmenters) == server.WARM_MODELS
    assert serving._segmenter("paper", "cpu", "auto", 0, None) is first, "the one least used has gone"
    assert len(made) == 3


def test_a_config_that_was_edited_is_loaded_anew(worker, tmp_path):
    def segment():
        with worker.segment(plate, PALETTE, ocio=str(config), working_space="lin_rec709") as layers:
            return layers.key, np.frombuffer(layers.memory(), np.float32).reshape(-1, 24, 40, 4).sum(axis=0)[..., :3]

    config = tmp_path / "show.ocio"
    plate = Plate(str(tmp_path / "a.png"), color_space="film")
    values = (picture() * 255).astype(np.uint8)
    PillowImage.fromarray(values).save(plate.path)
    studio = ocio.Config.CreateFromBuiltinConfig("studio-config-latest")
    layers = []
    for name in ("Gamma 2.2 Encoded Rec.709", "Linear Rec.709 (sRGB)"):
        film = studio.getColorSpace(name)
        film.setName("film")
        film.clearAliases()
        edited = ocio.Config.CreateFromBuiltinConfig("studio-config-latest")
        edited.addColorSpace(film)
        config.write_text(edited.serialize())
        layers.append(segment())
    (first, coded), (second, linear) = layers
    assert first != second
    np.testing.assert_allclose(coded, (values / 255) ** 2.2, atol=1e-5)
    np.testing.assert_allclose(linear, values / 255, atol=1e-5)


def test_a_file_is_known_by_its_bytes_and_pixels_by_themselves(worker, tmp_path):
    array = (picture() * 255).astype(np.uint8)
    PillowImage.fromarray(array).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    shared = pixels_of(array.astype(np.float32) / 255)
    keys = []
    for image in (Plate(str(tmp_path / "a.png")), Plate(str(tmp_path / "b.png")), shared):
        with worker.segment(image, PALETTE, working_space="srgb") as layers:
            keys.append(layers.key)
    assert keys[0] == keys[1] != keys[2]
    own = cache_key(
        weights_sha256=worker_weights(worker),
        palette=[color["rgb"] for color in PALETTE["colors"]],
        parameters=result_parameters({}, {}, working_space="srgb", input_space="srgb"),
        input_identity=file_identity(tmp_path / "a.png"),
    )
    assert keys[0] == own, "hosts know the key of a result before they ask for it"


def worker_weights(worker) -> str:
    with worker.segment(pixels_of(picture()), PALETTE) as layers:
        return layers.weights_sha256
