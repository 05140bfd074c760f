"""What a host does, for every Python that hosts have: run alone, with nothing installed.

Arguments: the folder that holds the copied client as ``hostpackage``, the engine's Python, a folder for logs.
"""

import array
import importlib
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, sys.argv[1])
client = importlib.import_module("hostpackage.client")
protocol = importlib.import_module("hostpackage.protocol")

HEIGHT, WIDTH, LONG = 5, 7, 2048
PALETTE = {"version": 1, "space": "srgb", "colors": [{"rgb": [0.1, 0.1, 0.1]}, {"rgb": [0.9, 0.4, 0.2]}]}


def check(good, what):
    if not good:
        sys.exit(f"{sys.version.split()[0]}: {what}")


def refused(code, call):
    try:
        call()
    except client.WorkerError as error:
        check(error.code == code, f"{error} instead of {code}")
    else:
        check(False, "no error of code " + code)


numbers = array.array("f", [(n % 11) / 10 for n in range(HEIGHT * WIDTH * 3)])
picture = client.Pixels(numbers, HEIGHT, WIDTH, 3, "srgb")
long_picture = client.Pixels(bytes(LONG * LONG * 12), LONG, LONG, 3, "srgb")

with client.Worker(sys.argv[2], log=Path(sys.argv[3], "engine.log")) as worker:
    private = Path(worker.hello["folder"])
    palette = worker.palette(picture, 3, given=PALETTE)
    check(len(palette["colors"]) == 3, "palette")

    layers = worker.segment(picture, palette, {"layer_gain": {1: 2.0}}, working_space="srgb")
    view = layers.memory()
    check(view.shape == (3, HEIGHT, WIDTH, 4), "shape")
    for y in range(HEIGHT):
        for x in range(WIDTH):
            for channel in range(3):
                total = sum(view[k, y, x, channel] for k in range(3))
                check(abs(total - numbers[(y * WIDTH + x) * 3 + channel]) < 1e-6, "recomposition")
    del view
    layers.close()

    refused("protocol", lambda: worker.segment(picture, PALETTE, {"no such": 1}))
    refused("usage", lambda: worker.segment(picture, PALETTE, model="/tmp/model.safetensors"))
    refused("input", lambda: worker.segment(client.Plate("/no/such/plate.exr"), PALETTE))

    def stop_when_begun(fraction, eta):
        if fraction > 0:
            worker.cancel()

    refused("cancelled", lambda: worker.segment(long_picture, PALETTE, tile=64, progress=stop_when_begun))
    check(list(private.iterdir()) == [], "pixels left over")

    def kill_when_begun(fraction, eta):
        if fraction > 0:
            worker._process.send_signal(signal.SIGKILL)

    refused("worker", lambda: worker.segment(long_picture, PALETTE, tile=64, progress=kill_when_begun))
    check(not worker.alive, "alive")
    check(not private.parent.exists(), "private folder left over")

check(threading.active_count() == 1, "threads left over")
check(not [name for name in sys.modules if name.split(".")[0] in ("numpy", "torch", "fscs_engine")], "imports")
print("done")
