"""Files appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fscs_engine.errors import OutputError
from fscs_engine.files.atomic import PARTIAL, STALE_AGE, replaced_file, replaced_files


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a b é.exr"
    with replaced_file(target, overwrite=False) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".exr"
        assert temporary.name.startswith(".")
        assert PARTIAL in temporary.name
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert [file.name for file in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path: Path, raised: type[BaseException]) -> None:
    target = tmp_path / "a.exr"
    target.write_bytes(b"old")
    with pytest.raises(raised), replaced_file(target, overwrite=True) as temporary:
        temporary.write_bytes(b"half")
        raise raised
    assert [file.name for file in tmp_path.iterdir()] == ["a.exr"]
    assert target.read_bytes() == b"old"


def test_an_existing_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    target = tmp_path / "a.exr"
    target.write_bytes(b"old")
    with (
        pytest.raises(OutputError, match=r"a\.exr: exists already: .*--overwrite"),
        replaced_file(target, overwrite=False),
    ):
        pytest.fail("the block was entered")
    assert target.read_bytes() == b"old"
    with replaced_file(target, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.exr"
    with pytest.raises(OutputError, match="exists already"), replaced_file(target, overwrite=False) as temporary:
        temporary.write_bytes(b"ours")
        target.write_bytes(b"theirs")
    assert [file.name for file in tmp_path.iterdir()] == ["a.exr"]
    assert target.read_bytes() == b"theirs"


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "folder.exr").mkdir()
    for path, message in (
        (tmp_path / "folder.exr", "is a folder"),
        (tmp_path / "none" / "a.exr", "there is no folder"),
    ):
        with pytest.raises(OutputError, match=message), replaced_file(path, overwrite=True):
            pytest.fail("the block was entered")


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link.exr").symlink_to(tmp_path / "store" / "a.exr")
    with replaced_file(tmp_path / "link.exr", overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "link.exr").is_symlink()
    assert (tmp_path / "store" / "a.exr").read_bytes() == b"new"


def test_of_a_group_all_files_appear_or_none(tmp_path: Path) -> None:
    targets = [tmp_path / f"{n}.png" for n in range(3)]
    with pytest.raises(OutputError, match="can't be written"), replaced_files(targets, overwrite=False) as temporaries:
        for temporary in temporaries[:2]:  # the third is missing, so its rename fails
            temporary.write_bytes(b"new")
    assert not list(tmp_path.iterdir())
    with replaced_files(targets, overwrite=False) as temporaries:
        for temporary in temporaries:
            temporary.write_bytes(b"new")
    assert sorted(tmp_path.iterdir()) == targets


def test_errors_of_other_files_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replaced_file(tmp_path / "a.exr", overwrite=False):
        (tmp_path / "another").read_bytes()


KILLED = """
import os, sys, time
import numpy as np
from fscs_engine.files.exr import ExrLayerWriter
rng = np.random.default_rng(0)
size = {"height": 1024, "width": 256, "layers": 2}
with ExrLayerWriter(sys.argv[1], **size, metadata={}, color_space="srgb", overwrite=True) as w:
    for top in range(0, 512, 64):
        w.write(top, rng.random((2, 64, 256, 4), dtype=np.float32))
    print("half", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("old", [b"the old file", None])
def test_a_killed_process_leaves_the_old_file_or_none(tmp_path: Path, old: bytes | None) -> None:
    target = tmp_path / "a.exr"
    if old is not None:
        target.write_bytes(old)
    with subprocess.Popen([sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.kill()
        assert process.wait(30) != 0
    strays = [file for file in tmp_path.iterdir() if file != target]
    assert len(strays) == 1  # it was really killed in the middle of a write
    assert strays[0].name.startswith(".")
    assert PARTIAL in strays[0].name
    assert strays[0].stat().st_size > 100_000
    assert (target.read_bytes() if target.exists() else None) == old


BESIDE = """
import sys
from pathlib import Path
from fscs_engine.files.atomic import replaced_file
with replaced_file(Path(sys.argv[1]) / "beside.txt", overwrite=True) as temporary:
    temporary.write_bytes(b"another run")
"""

PARTS = """
import sys, time
from pathlib import Path
from fscs_engine.files.atomic import partial_folder
with partial_folder(Path(sys.argv[1]).parent) as folder:
    (folder / "layer1.png").write_bytes(b"half")
    print("half", flush=True)
    time.sleep(60)
"""


def write_beside(folder: Path) -> None:
    """A later run, which writes a file into the folder."""
    subprocess.run([sys.executable, "-c", BESIDE, str(folder)], check=True, timeout=60)


def strays_in(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if PARTIAL in file.name]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere only age tells")
@pytest.mark.parametrize("script", [KILLED, PARTS], ids=["file", "folder"])
def test_what_a_killed_process_left_goes_with_the_next_run_and_no_sooner(tmp_path: Path, script: str) -> None:
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a.exr")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        alive = strays_in(tmp_path)
        assert len(alive) == 1
        write_beside(tmp_path)
        assert strays_in(tmp_path) == alive
        process.kill()
        process.wait(30)
    assert strays_in(tmp_path) == alive
    write_beside(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["beside.txt"]


@pytest.mark.parametrize(
    "name", [".fscs-0123abcd-1999999999-5a6b7c8d-1.partial.exr", ".fscs-00000000-1999999999-5a6b7c8d-1.partial.png"]
)
def test_what_another_computer_writes_is_left_alone_until_it_is_old(tmp_path: Path, name: str) -> None:
    """No process has that number here; there it may have."""
    stray, mine = tmp_path / name, tmp_path / "a.partial.exr"
    for file in (stray, mine):
        file.write_bytes(b"half")
    for age, left in ((STALE_AGE - 600, True), (STALE_AGE + 600, False)):
        then = tmp_path.stat().st_mtime - age
        for file in (stray, mine):
            os.utime(file, (then, then))
        write_beside(tmp_path)
        assert stray.exists() == left
    assert mine.exists()


FULL = """
import resource, signal, sys
import numpy as np
from fscs_engine.errors import FscsError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
from fscs_engine.files.exr import ExrLayerWriter, write_exr
from fscs_engine.files.ora import OraLayerWriter
from fscs_engine.files.png import PngLayerWriter, write_png
from fscs_engine.files.psd import PsdLayerWriter
from fscs_engine.files.sheet import ContactSheet
from fscs_engine.files.tiff import TiffLayerWriter
from fscs_engine.image import Image
from fscs_engine.palette.palette import Palette
rng = np.random.default_rng(0)
layers = rng.random((2, 128, 128, 4), dtype=np.float32) / 2
layers[..., :3] *= layers[..., 3:]
folder = sys.argv[1]
image = np.ascontiguousarray(layers[0])
palette = Palette.from_hex("#000000,#ffffff")
size = {"height": 128, "width": 128}
exr = {"layers": 2, "metadata": {}, "color_space": "srgb", **size}
def written(make):
    with make() as writer:
        writer.write(0, layers)
for write in (
    lambda: written(lambda: ExrLayerWriter(folder + "/a.exr", **exr)),
    lambda: written(lambda: ExrLayerWriter(folder + "/b.exr", single_part=True, **exr)),
    lambda: written(lambda: ExrLayerWriter(folder + "/c.exr", compression="rle", **exr)),
    lambda: written(lambda: PngLayerWriter(folder + "/new", "a", palette_rgb=palette.array, **size)),
    lambda: written(lambda: TiffLayerWriter(folder + "/other", "a", palette_rgb=palette.array, **size)),
    lambda: written(lambda: OraLayerWriter(folder + "/a.ora", palette=palette, **size)),
    lambda: written(lambda: PsdLayerWriter(folder + "/a.psd", palette=palette, **size)),
    lambda: written(lambda: ContactSheet(folder + "/s.png", image=image[..., :3], palette=palette)),
    lambda: write_exr(folder + "/p.exr", Image.from_pixels(image, "srgb")),
    lambda: write_png(folder + "/w.png", image),
):
    try:
        write()
        print("written")
    except FscsError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("psd_tools")
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    for limit in (1000, 20_000):
        done = subprocess.run([*command, str(limit)], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.split() == ["OutputError"] * 10, done.stderr
        assert not list(tmp_path.iterdir())
    done = subprocess.run([*command, str(10**8)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["written"] * 10  # the limit was the only obstacle
    assert not done.stderr
