from __future__ import annotations

import array
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fscs_engine import _version
from fscs_engine.host import client, protocol
from fscs_engine.host.client import LayerMask, Pixels, Plate, Worker
from fscs_engine.host.protocol import WorkerError

pytestmark = [pytest.mark.timeout(60), pytest.mark.skipif(os.name != "posix", reason="signals and links of POSIX")]

PALETTE = {"version": 1, "space": "srgb", "colors": [{"rgb": [0.5, 0.5, 0.5]}]}
GRAY = Pixels(bytes(2 * 3 * 4 * 4), 2, 3, 4, "srgb")


@pytest.fixture
def misbehaving(bad_python, temporary, monkeypatch):
    """Starts a client whose worker misbehaves in the named way."""
    workers = []

    def start(behavior: str, **options) -> Worker:
        monkeypatch.setenv("MISBEHAVIOR", behavior)
        workers.append(Worker(bad_python, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def refused(call, code="worker") -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        call()
    assert caught.value.code == code
    return caught.value


class TestStart:
    def test_hello_of_the_real_engine(self, engine_python, temporary):
        with Worker(engine_python) as worker:
            assert worker.hello["engine"] == _version.__version__
            assert "paper" in [model["name"] for model in worker.hello["models"]]
            folder = Path(worker.hello["folder"])
            assert folder.stat().st_mode & 0o777 == 0o700
            assert folder.parent.stat().st_mode & 0o777 == 0o700
            assert worker.alive
        assert not worker.alive
        assert list(temporary.iterdir()) == []

    def test_python_that_is_not_there(self, tmp_path, temporary):
        error = refused(lambda: Worker(tmp_path / "no python", log=tmp_path / "engine.log"))
        gc.collect()  # a log that was left open warns now
        assert "no python" in error.message
        assert "FSCS_PYTHON" in error.cure
        assert list(temporary.iterdir()) == []

    @pytest.mark.parametrize("python", ["python3", "bin/python3", ""])
    def test_python_must_be_a_whole_path(self, temporary, python):
        assert "absolute path" in refused(lambda: Worker(python)).message
        assert list(temporary.iterdir()) == []

    def test_python_without_the_engine(self, temporary):
        error = refused(lambda: Worker(Path(sys.base_prefix) / "bin" / "python3"))
        assert "No module named" in error.message
        assert "install the engine" in error.cure
        assert list(temporary.iterdir()) == []

    def test_engine_that_fails_to_start(self, misbehaving, temporary):
        error = refused(lambda: misbehaving("no hello"))
        assert "status 1" in error.message
        assert "not in the mood" in error.message
        assert list(temporary.iterdir()) == []

    def test_engine_that_says_nothing(self, misbehaving, temporary):
        assert "did not answer for 0.5 seconds" in str(refused(lambda: misbehaving("silent", timeout=0.5)))
        assert list(temporary.iterdir()) == []

    @pytest.mark.parametrize("behavior", ["version", "elsewhere"])
    def test_engine_that_can_not_be_trusted(self, misbehaving, temporary, behavior):
        refused(lambda: misbehaving(behavior), "protocol")
        assert list(temporary.iterdir()) == []

    def test_environment_is_cleaned(self, misbehaving, monkeypatch):
        for name in ("PYTHONPATH", "PYTHONHOME", "NUKE_PATH", "LD_LIBRARY_PATH", "KEPT"):
            monkeypatch.setenv(name, "/host")
        worker = misbehaving("good")
        found = worker.palette(GRAY, 1)["environment"]
        assert found["KEPT"] == "/host"
        assert not [name for name in found if name.startswith(("PYTHON", "NUKE_", "LD_LIBRARY_PATH"))]

    def test_given_environment_is_cleaned_too(self):
        given = {"PythonPath": "1", "Nuke_Path": "2", "LD_LIBRARY_PATH": "3", "HOME": "4", "OCIO": "5"}
        assert client.clean_environment(given) == {"HOME": "4", "OCIO": "5"}

    def test_log_is_written_and_bounded(self, misbehaving, tmp_path):
        log = tmp_path / "engine.log"
        worker = misbehaving("chatter", log=log)
        error = refused(lambda: worker.palette(GRAY, 1), "usage")
        assert error.message == "done talking"
        worker.close()
        sizes = [log.stat().st_size, Path(f"{log}.1").stat().st_size]
        assert max(sizes) <= client.LOG_LIMIT
        assert log.read_bytes().endswith(
            b"0049999 chatter that nobody asked for, line after line after line after line\n"
        )

    def test_log_that_can_not_be_written_stops_nothing(self, misbehaving, tmp_path):
        worker = misbehaving("chatter", log=tmp_path / "missing" / "engine.log")
        refused(lambda: worker.palette(GRAY, 1), "usage")


class TestExchange:
    def test_pixels_go_and_come(self, misbehaving, temporary):
        worker = misbehaving("good")
        numbers = array.array("f", range(2 * 3 * 4))
        seen = []
        layers = worker.segment(
            Pixels(numbers, 2, 3, 4, "srgb"), PALETTE, progress=lambda fraction, eta: seen.append((fraction, eta))
        )
        assert seen == [(0.25, 3.5)]
        assert layers.shape == (1, 2, 3, 4)
        assert layers.memory().readonly
        assert layers.memory().shape == layers.shape
        assert layers.memory()[0, 1, 2, 3] == 23.0
        np.testing.assert_array_equal(np.asarray(layers.memory()).ravel(), numbers)
        np.testing.assert_array_equal(np.fromfile(layers.path, "<f4"), numbers)
        left = [path.name for path in Path(worker.hello["folder"]).iterdir()]
        assert left == [Path(layers.path).name]

    def test_buffers_of_every_kind(self, misbehaving):
        worker = misbehaving("good")
        pixels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        for data in (pixels, pixels.tobytes(), bytearray(pixels.tobytes()), memoryview(pixels), pixels.ravel()):
            with worker.segment(Pixels(data, 2, 3, 4, "srgb"), PALETTE) as layers:
                np.testing.assert_array_equal(np.asarray(layers.memory())[0], pixels)

    @pytest.mark.parametrize(
        "data",
        [
            np.zeros((2, 3, 4)),
            np.zeros((2, 3, 4), np.int32),
            np.zeros((2, 4, 3), np.float32).transpose(0, 2, 1),
            np.zeros((2, 3, 3), np.float32),
            bytes(7),
            "text",
            None,
        ],
    )
    def test_what_is_not_float32_pixels_is_refused(self, misbehaving, data):
        worker = misbehaving("good")
        refused(lambda: worker.segment(Pixels(data, 2, 3, 4, "srgb"), PALETTE), "usage")
        assert list(Path(worker.hello["folder"]).iterdir()) == []
        assert worker.alive

    def test_what_a_request_says(self, misbehaving, tmp_path):
        worker = misbehaving("good")
        plate = Plate(str(tmp_path / "plate é.exr"), layer="beauty", clean_nonfinite=True)
        request = worker.palette(plate, 5, given=PALETTE, seed=3, palette_method="salient", ocio="/c.ocio")["request"]
        assert request == {
            "request": "palette",
            "id": request["id"],
            "image": {
                "path": plate.path,
                "color_space": "auto",
                "layer": "beauty",
                "clean_nonfinite": True,
                "by_pixels": False,
            },
            "colors": 5,
            "given": PALETTE,
            "seed": 3,
            "palette_method": "salient",
            "ocio": "/c.ocio",
        }

    def test_what_is_not_asked_for_is_not_sent(self, misbehaving):
        request = misbehaving("good").palette(Plate("/plate.exr"), 5)["request"]
        assert set(request) == {"request", "id", "image", "colors", "seed"}

    def test_closing_layers_frees_the_disk_and_keeps_views(self, misbehaving):
        worker = misbehaving("good")
        layers = worker.segment(GRAY, PALETTE)
        view = np.asarray(layers.memory())
        layers.close()
        layers.close()
        assert not Path(layers.path).exists()
        assert view.sum() == 0.0
        refused(layers.memory)

    def test_forgotten_layers_free_the_disk(self, misbehaving):
        worker = misbehaving("good")
        path = Path(worker.segment(GRAY, PALETTE).path)
        gc.collect()
        assert not path.exists()

    def test_closing_the_worker_closes_its_layers(self, misbehaving, temporary):
        worker = misbehaving("good")
        layers = worker.segment(GRAY, PALETTE)
        worker.close()
        refused(layers.memory)
        assert list(temporary.iterdir()) == []

    def test_calls_after_the_end(self, misbehaving):
        worker = misbehaving("good")
        worker.close()
        worker.close()
        worker.cancel()
        refused(lambda: worker.palette(GRAY, 1))
        refused(lambda: worker.palette(Plate("/plate.exr"), 1))

    def test_calls_of_several_threads_keep_their_replies(self, misbehaving):
        worker = misbehaving("good")
        wrong = []

        def ask(value: float) -> None:
            for _ in range(5):
                with worker.segment(Pixels(array.array("f", [value] * 4), 1, 1, 4, "srgb"), PALETTE) as layers:
                    if layers.memory().tolist() != [[[[value] * 4]]]:
                        wrong.append(value)

        threads = [threading.Thread(target=ask, args=(float(number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_a_request_that_is_too_long_is_refused_here(self, misbehaving):
        worker = misbehaving("good")
        names = {"version": 1, "space": "srgb", "colors": [{"rgb": [0, 0, 0], "name": "a" * protocol.MAXIMUM_LINE}]}
        refused(lambda: worker.segment(GRAY, names), "protocol")
        assert worker.alive


class TestTrouble:
    def test_a_worker_that_dies_is_an_error_at_once(self, misbehaving, temporary):
        worker = misbehaving("dies")
        began = time.monotonic()
        error = refused(lambda: worker.segment(GRAY, PALETTE))
        assert time.monotonic() - began < 5.0  # the time-out is 120
        assert "signal 9" in error.message
        assert "last words" in error.message
        assert not worker.alive
        assert list(temporary.iterdir()) == []
        assert "signal 9" in refused(lambda: worker.segment(GRAY, PALETTE)).message

    def test_a_worker_that_closes_its_pipe_is_ended(self, misbehaving, temporary, monkeypatch):
        monkeypatch.setattr(client, "CLOSE_TIMEOUT", 0.3)
        worker = misbehaving("closes")
        refused(lambda: worker.palette(GRAY, 1))
        assert worker._process.returncode == -9
        assert list(temporary.iterdir()) == []

    def test_a_worker_that_hangs_is_ended(self, misbehaving, temporary):
        worker = misbehaving("hangs", timeout=1.0)
        assert "did not answer for 1 seconds" in refused(lambda: worker.palette(GRAY, 1)).message
        assert not worker.alive
        assert list(temporary.iterdir()) == []

    def test_a_worker_that_does_not_read_is_ended(self, misbehaving):
        worker = misbehaving("deaf", timeout=1.0)
        long = {"version": 1, "space": "srgb", "colors": [{"rgb": [0, 0, 0], "name": "a" * 900_000}]}
        assert "did not answer for 1 seconds" in refused(lambda: worker.segment(GRAY, long)).message

    def test_garbage_from_the_worker_ends_it(self, misbehaving, temporary):
        worker = misbehaving("garbage")
        assert "not JSON" in refused(lambda: worker.palette(GRAY, 1)).message
        assert not worker.alive
        assert list(temporary.iterdir()) == []

    @pytest.mark.parametrize("behavior", ["short", "outside", "link", "huge", "incomplete"])
    def test_layers_that_are_not_what_they_should_be(self, misbehaving, behavior):
        worker = misbehaving(behavior)
        refused(lambda: worker.segment(GRAY, PALETTE), "protocol")

    def test_a_cancelled_computation_that_goes_on_is_ended(self, misbehaving):
        worker = misbehaving("stubborn", cancel_timeout=0.5)
        refused(lambda: worker.palette(GRAY, 1, cancelled=lambda: True), "cancelled")
        assert not worker.alive

    def test_layers_that_come_after_the_cancel_are_removed(self, misbehaving):
        worker = misbehaving("late")
        refused(lambda: worker.segment(GRAY, PALETTE, cancelled=lambda: True), "cancelled")
        assert list(Path(worker.hello["folder"]).iterdir()) == []
        assert worker.alive

    def test_cancel_from_another_thread(self, misbehaving):
        worker = misbehaving("late")
        threading.Timer(0.3, worker.cancel).start()
        refused(lambda: worker.segment(GRAY, PALETTE), "cancelled")

    def test_an_error_of_a_callback_cancels_and_is_passed_on(self, misbehaving):
        worker = misbehaving("late")

        def fail(fraction, eta):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            worker.segment(GRAY, PALETTE, progress=fail)
        folder = Path(worker.hello["folder"])
        deadline = time.monotonic() + 10.0
        while list(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(folder.iterdir()) == []
        assert worker.alive

    def test_close_from_another_thread(self, misbehaving, monkeypatch):
        monkeypatch.setattr(client, "CLOSE_TIMEOUT", 0.3)
        worker = misbehaving("stubborn")
        threading.Timer(0.3, worker.close).start()
        assert "closed" in refused(lambda: worker.palette(GRAY, 1)).message

    def test_worker_that_dies_while_idle(self, misbehaving, temporary):
        worker = misbehaving("good")
        worker._process.kill()
        worker._threads[0].join(10.0)
        assert not worker.alive
        assert list(temporary.iterdir()) == []
        assert "signal 9" in refused(lambda: worker.palette(GRAY, 1)).message


class TestStaleFolders:
    def _old(self, folder: Path) -> None:
        past = time.time() - 2 * protocol.STALE_AGE
        os.utime(folder, (past, past))

    def test_only_what_nobody_holds_is_removed(self, misbehaving, temporary):
        worker = misbehaving("good")
        held = Path(worker.hello["folder"]).parent
        left = temporary / f"{protocol.FOLDER_PREFIX}left"
        (left / "pixels").mkdir(parents=True)
        (left / "pixels" / "layers.f32").write_bytes(b"12345678")
        young = temporary / f"{protocol.FOLDER_PREFIX}young"
        young.mkdir()
        other = temporary / "other"
        other.mkdir()
        for folder in (held, left, other):
            self._old(folder)
        protocol.remove_stale_folders()
        assert sorted(temporary.iterdir()) == sorted([held, young, other])

    def test_links_are_left_alone(self, temporary, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "precious").touch()
        self._old(tmp_path / "mine")
        (temporary / f"{protocol.FOLDER_PREFIX}link").symlink_to(tmp_path / "mine")
        protocol.remove_stale_folders()
        assert (tmp_path / "mine" / "precious").exists()

    def test_a_folder_is_held_by_the_worker_when_its_host_is_gone(self, bad_python, temporary, monkeypatch, tmp_path):
        """The worker inherits the lock, so that no other host takes the folder away while it still ends."""
        monkeypatch.setenv("MISBEHAVIOR", "good")
        worker = Worker(bad_python)
        held = Path(worker.hello["folder"]).parent
        self._old(held)
        os.close(worker._hold)
        worker._hold = None
        protocol.remove_stale_folders()
        assert held.exists()
        worker.close()


def test_masks_are_passed_on(misbehaving):
    worker = misbehaving("good")
    masks = [LayerMask("limit", (1, 3), bytes(24), 2, 3), LayerMask("split", [2, 1], path="/mask.exr")]
    request = worker._ask({"request": "palette"}, GRAY, masks, None, None)["palette"]["request"]
    assert request["masks"] == [
        {"mode": "limit", "layers": [1, 3], "file": request["masks"][0]["file"], "height": 2, "width": 3},
        {"mode": "split", "layers": [2, 1], "path": "/mask.exr"},
    ]


def test_layers_of_a_dictionary_become_texts():
    found = client._json_parameters({"smoothing": 3, "layer_gain": {1: 2.0, "2": 0.5}})
    assert found == {"smoothing": 3, "layer_gain": {"1": 2.0, "2": 0.5}}


def test_the_client_loads_nothing_but_the_standard_library():
    code = (
        "import sys; import fscs_engine.host.client; "
        "print(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    root = Path(client.__file__).parents[2]
    found = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['__main__', 'fscs_engine']"
