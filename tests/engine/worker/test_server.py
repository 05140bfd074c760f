"""The real process over its pipes, as far as it goes without computing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fscs_engine import _version
from fscs_engine.errors import NonFiniteError
from fscs_engine.host import protocol
from fscs_engine.host.protocol import WorkerError
from fscs_engine.worker import server

pytestmark = pytest.mark.timeout(60)

IMAGE = {"path": "/no/such/plate.exr"} if os.name == "posix" else {"path": "C:\\no\\such\\plate.exr"}
PALETTE = {"version": 1, "space": "srgb", "colors": [{"rgb": [0.5, 0.5, 0.5]}]}
SHARED = {"file": "image.f32", "height": 2, "width": 3, "channels": 4, "color_space": "srgb"}


def ended(worker, status: int) -> None:
    assert worker.process.wait(10) == status
    assert worker.receive() == {}


def test_hello(start):
    worker = start()
    worker.send(request="hello", id=5, protocol=protocol.PROTOCOL_VERSION)
    hello = worker.receive()
    folder = Path(hello.pop("folder"))
    assert "paper" in [model["name"] for model in hello.pop("models")]
    assert hello == {
        "reply": "hello",
        "id": 5,
        "protocol": protocol.PROTOCOL_VERSION,
        "engine": _version.__version__,
    }
    assert folder.parent == worker.cwd
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
    assert worker.hello() == folder, "a second hello gives the same folder"
    worker.send(request="shutdown", id=6)
    assert worker.receive() == {"reply": "shutdown", "id": 6}
    ended(worker, 0)
    assert not worker.cwd.exists()


def test_end_of_input_is_the_end(start):
    worker = start()
    folder = worker.hello()
    (folder / "image.f32").write_bytes(bytes(24))
    worker.stdin.close()
    ended(worker, 0)
    assert not worker.cwd.exists()


def test_requests_before_the_end_of_input_are_answered(engine_python, tmp_path):
    tmp_path.chmod(0o700)
    lines = b'{"request":"hello","id":1,"protocol":%d}\nnonsense\n' % protocol.PROTOCOL_VERSION
    found = subprocess.run(
        [engine_python, "-I", "-m", "fscs_engine.worker"], input=lines, capture_output=True, cwd=tmp_path, check=True
    )
    assert [json.loads(line)["reply"] for line in found.stdout.splitlines()] == ["hello", "error"]
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.exists(), "only a folder with the client's name is removed"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
class TestSignals:
    @pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
    def test_terminate(self, start, number):
        worker = start()
        worker.hello()
        worker.process.send_signal(signal.Signals[number])
        ended(worker, 128 + signal.Signals[number])
        assert not worker.cwd.exists()

    def test_interrupt_is_for_the_host(self, start):
        worker = start()
        folder = worker.hello()
        worker.process.send_signal(signal.SIGINT)
        assert worker.hello() == folder

    def test_a_host_that_does_not_listen_any_more(self, engine_python, tmp_path):
        incoming, outgoing = os.pipe()
        command = [engine_python, "-I", "-m", "fscs_engine.worker"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=outgoing, cwd=tmp_path)
        os.close(outgoing)
        os.close(incoming)
        with process:
            process.stdin.write(b"nonsense\n")
            process.stdin.flush()
            assert process.wait(10) == 0, "the reply finds the pipe broken"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_others_can_read_is_refused(start):
    worker = start()
    worker.cwd.chmod(0o755)
    worker.send(request="hello", id=1, protocol=protocol.PROTOCOL_VERSION)
    error = worker.receive()
    assert error["code"] == "worker"
    assert "0700" in error["cure"]
    assert list(worker.cwd.iterdir()) == []


def test_another_protocol_is_refused(start):
    worker = start()
    worker.send(request="hello", id=1, protocol=protocol.PROTOCOL_VERSION + 1)
    error = worker.receive()
    assert error["code"] == "protocol"
    assert _version.__version__ in error["message"]
    assert list(worker.cwd.iterdir()) == []


BAD_LINES = [
    b"",
    b"nonsense",
    b"\x00\xff\xfe",
    b"[1, 2]",
    b"null",
    b"{" * 5000,
    b"[" * 500_000,
    b'{"request": "hello", "id": NaN, "protocol": 1}',
    b"a" * protocol.MAXIMUM_LINE,
    b"a" * (3 * protocol.MAXIMUM_LINE),
]

BAD_REQUESTS = [
    {},
    {"request": "hello"},
    {"request": "hello", "protocol": "1"},
    {"request": "hello", "protocol": 1, "models": []},
    {"request": "run", "command": "rm"},
    {"request": ["hello"]},
    {"request": "cancel"},
    {"request": "cancel", "target": "7"},
    {"request": "shutdown", "now": True},
    {"request": "palette", "image": IMAGE},
    {"request": "palette", "image": IMAGE, "colors": "7"},
    {"request": "palette", "image": IMAGE, "colors": 7, "seed": -1},
    {"request": "palette", "image": IMAGE, "colors": 7, "given": ["#fff"]},
    {"request": "palette", "image": IMAGE, "colors": 7, "palette_method": 1},
    {"request": "segment", "image": IMAGE},
    {"request": "segment", "palette": PALETTE},
    {"request": "segment", "image": "plate.exr", "palette": PALETTE},
    {"request": "segment", "image": {"path": "plate.exr"}, "palette": PALETTE},
    {"request": "segment", "image": {"path": 7}, "palette": PALETTE},
    {"request": "segment", "image": {**IMAGE, "file": "image.f32"}, "palette": PALETTE},
    {"request": "segment", "image": {}, "palette": PALETTE},
    {"request": "segment", "image": {**SHARED, "file": "../image.f32"}, "palette": PALETTE},
    {"request": "segment", "image": {**SHARED, "height": 0}, "palette": PALETTE},
    {"request": "segment", "image": {**SHARED, "width": 10**9}, "palette": PALETTE},
    {"request": "segment", "image": {**SHARED, "width": True}, "palette": PALETTE},
    {"request": "segment", "image": {**SHARED, "channels": 2}, "palette": PALETTE},
    {"request": "segment", "image": SHARED, "palette": [[1, 2, 3]]},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "model": 7},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "smoothing": 3},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "parameters": {"smooth": 3}},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "parameters": {"model": "paper"}},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "parameters": {"smoothing": "3"}},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "parameters": {"smoothing": True}},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "parameters": {"layer_gain": 2.0}},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "parameters": {"layer_gain": {"1": "2"}}},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "masks": {}},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "masks": ["limit"]},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "masks": [{"mode": "limit", "layers": "1"}]},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "masks": [{"mode": "limit", "layers": [1.5]}]},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "tile": "big"},
    {"request": "segment", "image": SHARED, "palette": PALETTE, "ocio": "config.ocio"},
]

USAGE = [
    {"parameters": {"smoothing": 1.5}},
    {"parameters": {"smoothing": -1}},
    {"parameters": {"smoothing_strength": 1.5}},
    {"parameters": {"layer_gain": {"0": 1.0}}},
    {"parameters": {"layer_gain": {"17": 1.0}}},
    {"parameters": {"layer_gain": {"one": 1.0}}},
    {"parameters": {"layer_gamma": {"1": 0}}},
    {"masks": [{"mode": "erase", "layers": [1], **IMAGE}]},
    {"model": "/home/me/model.safetensors"},
    {"model": "../weights/paper"},
    {"model": "model.safetensors"},
    {"model": ""},
    {"device": "tpu"},
    {"precision": "float64"},
    {"tile": -1},
    {"tile": 10**6},
]


def test_bad_lines_are_answered_and_survived(start):
    worker = start()
    folder = worker.hello()
    for line in BAD_LINES:
        worker.send_line(line)
        error = worker.receive()
        assert (error["reply"], error["id"], error["code"]) == ("error", None, "protocol"), line[:40]
        assert error["message"] and error["cure"]
    for number, request in enumerate(BAD_REQUESTS, 100):
        worker.send(id=number, **request)
        error = worker.receive()
        assert (error["reply"], error["id"], error["code"]) == ("error", number, "protocol"), request
        assert error["message"] and error["cure"]
    for number, fields in enumerate(USAGE, 200):
        worker.send(request="segment", id=number, image=SHARED, palette=PALETTE, **fields)
        error = worker.receive()
        assert (error["reply"], error["id"], error["code"]) == ("error", number, "usage"), fields
        assert error["message"] and error["cure"]
    assert worker.hello() == folder
    assert list(folder.iterdir()) == []
    assert worker.stderr() == "", "nothing of this is a fault of the engine"


@pytest.mark.parametrize("id", [None, -1, 1.5, "7", True, 2**60])
def test_ids_are_whole_numbers(start, id):
    worker = start()
    worker.send(request="hello", id=id, protocol=protocol.PROTOCOL_VERSION)
    error = worker.receive()
    assert (error["id"], error["code"]) == (None, "protocol")


def test_nothing_is_computed_before_hello(start):
    worker = start()
    worker.send(request="segment", id=1, image=SHARED, palette=PALETTE)
    assert "hello" in worker.receive()["cure"]


def test_cancel_of_what_does_not_run(start):
    worker = start()
    worker.hello()
    worker.send(request="cancel", id=1, target=99)
    assert worker.receive() == {"reply": "cancel", "id": 1, "pending": False}


def test_the_hello_loads_neither_torch_nor_numpy(engine_python, tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from fscs_engine.worker import server\n"
        "serving = server.Server(0, os.open(os.devnull, os.O_WRONLY), Path(sys.argv[1]))\n"
        f'serving._take(b\'{{"request":"hello","id":1,"protocol":{protocol.PROTOCOL_VERSION}}}\')\n'
        "print(serving._folder is not None, {'torch', 'numpy'} & set(sys.modules))"
    )
    tmp_path.chmod(0o700)
    command = [engine_python, "-I", "-c", code, tmp_path]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", "set()"]


def test_the_models_are_those_that_are_shipped():
    from fscs_engine.host.parameters import BY_NAME, MAXIMUM_COLORS
    from fscs_engine.networks.shipped import SHIPPED

    assert server.registered_models() == {"any-palette": MAXIMUM_COLORS, "paper": 7}
    assert list(SHIPPED) == ["any-palette", "paper"]
    assert next(iter(SHIPPED)) == BY_NAME["model"].default


def test_what_libraries_print_stays_out_of_the_pipe(engine_python, tmp_path):
    code = (
        "import os, sys; from fscs_engine.worker import server; incoming, outgoing = server.take_pipes();"
        "print('chatter', flush=True); os.write(1, b'native chatter'); os.system('echo child chatter');"
        "os.write(outgoing, b'reply'); os.write(outgoing, os.read(incoming, 99)); os.write(outgoing, os.read(0, 99))"
    )
    found = subprocess.run([engine_python, "-I", "-c", code], input=b" input", capture_output=True, check=True)
    assert found.stdout == b"reply input"
    assert b"chatter" in found.stderr and b"native" in found.stderr and b"child" in found.stderr


class TestProgress:
    def test_events(self, monkeypatch):
        now = [100.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        sent = []
        progress = server.Progress(sent.append, 7)
        progress.report()
        progress.report()
        assert sent == [{"event": "progress", "id": 7, "fraction": 0.0, "eta": None, "stage": ""}]
        now[0] += server.HEARTBEAT
        progress.report()
        assert len(sent) == 2, "a sign of life"
        progress(0.0)
        now[0] += 2.0
        progress(0.25)
        progress.report()
        assert sent[-1] == {"event": "progress", "id": 7, "fraction": 0.25, "eta": 6.0, "stage": ""}
        progress(0.1)
        progress.report()
        assert len(sent) == 3, "never backwards"
        progress(7.0)
        progress.report()
        assert sent[-1] == {"event": "progress", "id": 7, "fraction": 1.0, "eta": 0.0, "stage": ""}
        progress.end()
        now[0] += 100.0
        progress.report()
        assert len(sent) == 4


class TestErrors:
    def test_a_fault_of_the_engine_is_internal_and_logged(self, capsys):
        error = server.as_worker_error(ZeroDivisionError("by zero"))
        assert error.code == "internal"
        assert "by zero" in error.message
        assert "ZeroDivisionError" in capsys.readouterr().err

    def test_an_error_of_the_user_keeps_its_code(self, capsys):
        error = server.as_worker_error(NonFiniteError("NaN at x=1", cure="clean it"))
        assert (error.code, error.message, error.cure) == ("non-finite", "NaN at x=1", "clean it")
        assert server.as_worker_error(WorkerError("usage", "a", "b")).cure == "b"
        assert capsys.readouterr().err == ""

    def test_too_little_memory_has_a_cure(self):
        error = server.as_worker_error(MemoryError())
        assert error.code == "internal"
        assert "tile" in error.cure
