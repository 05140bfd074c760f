"""Takes the place of the engine's worker and does what a broken one might do: MISBEHAVIOR says what."""

import json
import os
import signal
import struct
import sys
import tempfile
import time
from pathlib import Path

behavior = os.environ["MISBEHAVIOR"]
out = os.dup(1)


def send(**message):
    os.write(out, json.dumps(message).encode() + b"\n")


def layers(id, name, shape):
    send(
        reply="segment",
        id=id,
        layers=name,
        shape=shape,
        palette={},
        coverage=[],
        seconds={},
        error_max=0.0,
        working_space="srgb",
        model="paper",
        weights_sha256="",
        key="",
        input="",
        data_window=[],
        display_window=[],
    )


def pixels(name, numbers):
    (folder / name).write_bytes(struct.pack(f"<{len(numbers)}f", *numbers))


if behavior == "no hello":
    sys.exit("the engine is not in the mood")
if behavior == "silent":
    time.sleep(60)
folder = Path(tempfile.mkdtemp(prefix="pixels-", dir=Path.cwd()))
for line in sys.stdin.buffer:
    request = json.loads(line)
    id = request["id"]
    kind = request["request"]
    if kind == "hello":
        version = 99 if behavior == "version" else request["protocol"]
        said = folder.parent.parent if behavior == "elsewhere" else folder
        send(reply="hello", id=id, protocol=version, engine="0", models=[], folder=str(said))
        if behavior == "deaf":
            time.sleep(60)
    elif kind == "cancel":
        send(reply="cancel", id=id, pending=True)
    elif behavior == "dies":
        print("these were its last words", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGKILL)
    elif behavior == "hangs":
        time.sleep(60)
    elif behavior == "garbage":
        os.write(out, b"Traceback: \xff\n")
    elif behavior == "closes":
        os.close(out)
        os.close(1)
        time.sleep(60)
    elif behavior == "stubborn":
        while True:
            send(event="progress", id=id, fraction=0.5, eta=None)
            time.sleep(0.1)
    elif behavior == "chatter":
        for number in range(50_000):
            os.write(2, b"%07d chatter that nobody asked for, line after line after line after line\n" % number)
        send(reply="error", id=id, code="usage", message="done talking", cure="")
    elif behavior == "short":
        pixels("layers.f32", [0.0] * 7)
        layers(id, "layers.f32", [1, 1, 2, 4])
    elif behavior == "outside":
        layers(id, "../layers.f32", [1, 1, 2, 4])
    elif behavior == "huge":
        pixels("layers.f32", [0.0] * 8)
        layers(id, "layers.f32", [1, 1 << 40, 1 << 40, 4])
    elif behavior == "link":
        pixels("target.f32", [0.0] * 8)
        (folder / "layers.f32").symlink_to("target.f32")
        layers(id, "layers.f32", [1, 1, 2, 4])
    elif behavior == "incomplete":
        send(reply="segment", id=id)
    elif behavior == "good":  # reports the variables and pixels it was given
        image = request["image"]
        data = (folder / image["file"]).read_bytes() if "file" in image else b""
        numbers = struct.unpack(f"<{len(data) // 4}f", data)
        send(event="progress", id=id, fraction=0.25, eta=3.5)
        if kind == "palette":
            send(reply="palette", id=id, palette={"environment": dict(os.environ), "request": request})
        else:
            name = f"layers-{id}.f32"
            pixels(name, numbers)
            layers(id, name, [1, image["height"], image["width"], image["channels"]])
    elif behavior == "late":  # cancelled, but done all the same
        send(event="progress", id=id, fraction=0.5, eta=1.0)
        assert json.loads(sys.stdin.buffer.readline())["target"] == id
        pixels("layers.f32", [0.0] * 8)
        layers(id, "layers.f32", [1, 1, 2, 4])
