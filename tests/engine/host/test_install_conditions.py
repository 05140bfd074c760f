"""Installations under the conditions of studios, each made for real: an index and a proxy on the loopback, file
systems that are full or forbid programs, files that are held."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from studio import environments, finished, serving

from fscs_engine.host import install, package_source

ROOT = Path(__file__).resolve().parents[3]
VERSION = "0.1.0"
BOTH = "import torch, fscs_engine; from importlib.metadata import version; print(version('torch'))"


def torch_of(installation: install.Installation) -> str:
    """The version of PyTorch in the environment that was made."""
    assert installation.error is None, installation.error
    command = [str(installation.python), "-I", "-c", BOTH]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def mount(*arguments: object) -> Iterator[Callable[[], None]]:
    """Something mounted. Gives what takes it away."""
    done: list[int] = []

    def end() -> None:
        if not done:
            done.append(1)
            subprocess.run(["umount", str(arguments[-1])], check=True)

    if os.name != "posix" or subprocess.run(["mount", *map(str, arguments)], capture_output=True).returncode:
        pytest.skip("only root may mount")
    try:
        yield end
    finally:
        end()


# Indexes and proxies


@pytest.mark.slow
@pytest.mark.parametrize(("cpu_only", "version"), [(True, "9.9+cpu"), (False, "9.9+cu130")])
def test_an_address_is_the_only_index(plan, write_wheel, tmp_path, cpu_only, version):
    """Whatever pip's own variables and files say; and its password stands in no log."""
    mirrored, others = tmp_path / "mirrored", tmp_path / "others é"
    for number in ("9.9", "9.9+cpu", "9.9+cu130"):
        write_wheel(mirrored, "torch", number, {"torch.py": ""})
    for number in ("9.9+cpu", "9.9+cu999"):
        write_wheel(others, "torch", number, {"torch.py": "raise SystemExit('from the wrong index')"})
    with serving(mirrored, login="artist:secret") as mirror, serving(others) as public:
        settings, old = tmp_path / "pip.conf", tmp_path / "old.txt"
        old.write_text("torch<9\n")
        settings.write_text(
            f"[global]\nno-index = true\nextra-index-url = {public.index}\nfind-links = {others.as_uri()}\n"
            f"constraint = {old.as_uri()}\nuser = true\n"
        )
        chosen = plan(source=mirror.index, cpu_only=cpu_only)
        more = {"PIP_CONFIG_FILE": str(settings), "PIP_EXTRA_INDEX_URL": public.index}
        installation = finished(plan(source=mirror.index, cpu_only=cpu_only, environment=chosen.environment | more))
        assert torch_of(installation) == version
        assert mirror.asked
        assert not public.asked
    assert "secret" not in installation.log.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["variable", "file"])
def test_where_nothing_is_chosen_the_index_that_pip_is_set_to_counts(plan, write_wheel, tmp_path, how):
    for number in ("9.9", "9.9+cpu", "9.9+cu130"):
        write_wheel(tmp_path / "mirrored", "torch", number, {"torch.py": ""})
    with serving(tmp_path / "mirrored") as mirror:
        settings = tmp_path / "pip.conf"
        settings.write_text(f"[install]\nindex-url = {mirror.index}\n")
        more = {"PIP_INDEX_URL": mirror.index} if how == "variable" else {"PIP_CONFIG_FILE": str(settings)}
        installation = finished(plan(source="", environment=plan().environment | more))
        assert torch_of(installation) == "9.9+cpu"
    assert package_source.CPU_INDEX not in installation.log.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one build")
def test_an_index_without_a_build_for_the_cpu(plan, write_wheel, tmp_path):
    write_wheel(tmp_path / "mirrored", "torch", "9.9", {"torch.py": ""})
    with serving(tmp_path / "mirrored") as mirror:
        error = finished(plan(source=mirror.index)).error
    assert error.message == "PyTorch can't be installed (the package source has no PyTorch for the CPU)"
    assert "choose PyTorch for the GPU" in error.cure


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_asks_for_a_password(plan, scheme):
    with serving(status=407) as proxy:
        more = {
            f"{scheme}_proxy": proxy.address,
            "no_proxy": "",
            "PIP_RETRIES": "0",
            "PIP_TRUSTED_HOST": "studio.invalid",
        }
        error = finished(plan(source=f"{scheme}://studio.invalid/simple", environment=plan().environment | more)).error
        assert proxy.asked
    assert error.message == "PyTorch can't be installed (the proxy asks for a name and a password)"
    assert "HTTPS_PROXY" in error.cure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "cause", "cure"),
    [
        (401, "asks for a name and a password", "NAME:PASSWORD"),
        (403, "refuses access", "another package source"),
        (503, "out of order", "later"),
    ],
)
def test_an_index_that_refuses(plan, status, cause, cure):
    with serving(status=status) as index:
        more = {"PIP_RETRIES": "0"}
        error = finished(plan(source=index.index, environment=plan().environment | more)).error
    assert cause in error.message
    assert cure in error.cure


@pytest.mark.slow
def test_an_index_that_is_not_there_or_not_trusted_or_none(plan):
    with serving(status=404) as server:
        gone = server.index
    quick = plan().environment | {"PIP_RETRIES": "0"}
    assert "check the network" in finished(plan(source=gone, environment=quick)).error.cure
    error = finished(plan(source="http://studio.invalid/simple", environment=quick)).error
    assert "begins with http" in error.message
    assert "PIP_TRUSTED_HOST" in error.cure
    for source in ("/no/such/folder", "https://", "studio"):
        error = finished(plan(source=source)).error
        assert error.message == f"the Package Source {source} is no folder and no address"


@pytest.mark.slow
def test_pip_installs_the_engine_from_one_index(write_wheel, tmp_path):
    """The engine itself, in a home with blanks and accents; what it needs is small."""
    mirrored, home = tmp_path / "mirrored", tmp_path / "Zoë Müller (2)"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    building = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", mirrored, ROOT]
    subprocess.run(building, check=True)
    (wheel,) = mirrored.glob("*.whl")
    for text in metadata.Distribution.at(_metadata(wheel, tmp_path)).requires or ():
        needed = Requirement(text)
        if needed.marker is None:
            (least,) = (each.version for each in needed.specifier if each.operator == ">=")
            write_wheel(mirrored, needed.name.replace("-", "_"), least, {})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    with serving(mirrored) as mirror:
        environment |= {"HOME": str(home), "LC_ALL": "C", "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": mirror.index}
        environment |= {"https_proxy": "http://127.0.0.1:9"}
        subprocess.run([sys.executable, "-m", "venv", home / "engine"], env=environment, check=True)
        python = install.environment_python(home / "engine")
        subprocess.run([python, "-I", "-m", "pip", "install", "-q", "fscs-engine"], env=environment, check=True)
        assert "/simple/torch/" in mirror.asked
    code = "import fscs_engine; print(fscs_engine.__version__)"
    run = subprocess.run([python, "-I", "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == VERSION


def _metadata(wheel: Path, folder: Path) -> Path:
    """The metadata of a wheel, unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
        return Path(archive.extract(name, folder)).parent


# The computer


@pytest.mark.slow
def test_a_home_with_blanks_and_accents_and_variables_for_another_python(plan, tmp_path, monkeypatch):
    home = tmp_path / "Zoë Müller (2)"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "torch.py").write_text("raise SystemExit('from PYTHONPATH')")
    (tmp_path / "other.txt").write_text("torch==10.0\n")
    wheels = shutil.copytree(plan().source, home / "wheels of the studio")
    foreign = {
        "HOME": str(home),
        "LC_ALL": "C",
        "PYTHONEXECUTABLE": "/nowhere/python",
        "PYTHONHOME": "/nowhere",
        "PYTHONPATH": str(tmp_path),
        "PIP_TARGET": str(tmp_path / "target"),
        "PIP_PREFIX": str(tmp_path / "prefix"),
        "PIP_USER": "1",
        "PIP_NO_DEPS": "1",
        "PIP_DRY_RUN": "1",
        "PIP_REQUIRE_HASHES": "1",
        "PIP_NO_BINARY": ":all:",
        "PIP_CONSTRAINT": str(tmp_path / "other.txt"),
    }
    folder = install.data_folder({}, "linux")
    assert folder.is_relative_to(home)
    environment = plan().environment | foreign
    installation = finished(plan(folder=folder, source=str(wheels), environment=environment))
    assert torch_of(installation) == "9.9"
    assert not (tmp_path / "target").exists()


def test_a_python_without_venv(plan, tmp_path):
    """A Python of its own whose library lacks the modules, as that of Debian does."""
    library = Path(sysconfig.get_paths()["stdlib"])
    copied = tmp_path / "lib" / library.name
    copied.mkdir(parents=True)
    for each in library.iterdir():
        if each.name not in ("ensurepip", "venv", "site-packages"):
            (copied / each.name).symlink_to(each)
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    shutil.copy(Path(sys.executable).resolve(), python)
    shared = str(Path(sys.base_prefix) / "lib")
    environment = plan().environment | {"LD_LIBRARY_PATH": shared}
    ran = subprocess.run([python, "-I", "-c", "import json"], env=environment, capture_output=True)
    if ran.returncode:
        pytest.skip("this Python can't be copied")
    assert install.unusable(str(python), environment) == "lacks the modules venv and ensurepip"


def test_too_little_space_is_said_before_anything_is_downloaded(plan, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    with mount("-t", "tmpfs", "-o", "size=10m", "tmpfs", small):
        error = finished(plan(folder=small)).error
        assert error.message == f"the disk of {small} has 0.0 GB free, {plan().space_needed / 1e9:.1f} GB are needed"
        assert "Engine Folder" in error.cure
        assert environments(small) == []
    assert plan(cpu_only=False).space_needed >= plan().space_needed


@pytest.mark.slow
def test_space_that_runs_out(plan, write_wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(install.Plan, "space_needed", 0)
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    write_wheel(large, "torch", "9.9", {"torch.py": "", "data": random.Random(1).randbytes(60_000_000)})
    with mount("-t", "tmpfs", "-o", "size=60m", "tmpfs", small):
        error = finished(plan(folder=small, source=str(large))).error
        assert error.message == "PyTorch can't be installed (the disk is full)"
        assert "free some disk space" in error.cure
        assert environments(small) == []


@pytest.mark.slow
def test_where_no_programs_may_run_another_folder_is_chosen(plan, tmp_path):
    home, place = tmp_path / "home", tmp_path / "fast disk"
    home.mkdir()
    with mount("-t", "tmpfs", "-o", "noexec", "tmpfs", home):
        data = home / "data"
        error = finished(plan(folder=data)).error
        assert error.message == f"no programs may run in {data} (its disk is mounted noexec)"
        assert "Engine Folder" in error.cure
        assert "not an absolute path" in finished(plan(folder=data, place="beside")).error.message
        first = finished(plan(folder=data, place=str(place)))
        assert torch_of(first) == "9.9"
        assert install.installed_python(data, VERSION) == first.python  # also for the other host
        assert [first.python] == [install.environment_python(path) for path in environments(place)]
        second = finished(plan(folder=data, place=str(place)))
        assert [second.python] == [install.environment_python(path) for path in environments(place)]
        install.remove(data, VERSION)
        assert environments(place) == []


# Files that are held


@pytest.mark.slow
def test_a_file_that_is_held_while_pip_writes_it(plan, monkeypatch):
    """As a virus scanner does on Windows; here by a mount, over which nothing can be written either."""
    monkeypatch.setattr(install, "_PAUSES", (1.0, 1.0, 1.0))
    chosen = plan()
    installation = install.Installation(chosen)
    with ExitStack() as stack:
        installation.start()
        while not (found := list(chosen.folder.glob("engine-*/lib/*/site-packages/pip/__init__.py"))):
            assert installation.running
            time.sleep(0.01)
        held = found[0].parents[1] / "torch.py"
        held.touch()
        end = stack.enter_context(mount("--bind", held, held))
        while "resource busy" not in installation.log.read_text(encoding="utf-8"):
            assert installation.running, installation.error
            time.sleep(0.05)
        end()
        installation.wait(240)
        assert torch_of(installation) == "9.9"


def test_a_record_and_a_python_that_are_held(tmp_path):
    environment = tmp_path / f"engine-{VERSION}-abc"
    environment.mkdir()
    record = install.record_file(tmp_path, VERSION)
    record.write_text(json.dumps({"environment": environment.name}))
    with mount("--bind", record, record) as end:
        with pytest.raises(OSError, match="busy"):
            record.unlink()
        released = threading.Timer(0.5, end)
        released.start()
        install.remove(tmp_path, VERSION)
        released.join()
    assert not environment.exists()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3.8\n")
    python.chmod(0o755)
    with python.open("a") as writing:
        with pytest.raises(OSError, match="busy"):
            subprocess.run([python], check=False)
        threading.Timer(0.5, writing.close).start()
        assert "too old" in install.unusable(str(python), os.environ)


# Interrupted


@pytest.mark.slow
def test_killed_and_run_again(plan, tmp_path):
    chosen = plan()
    asleep = plan(doctor="import time; time.sleep(60)")
    code = (
        "import sys, pathlib; from fscs_engine.host import install; "
        f"plan = install.Plan(pathlib.Path({str(asleep.wheel)!r}), pathlib.Path({str(chosen.constraints)!r}), "
        f"{VERSION!r}, pathlib.Path({str(chosen.folder)!r}), (sys.executable,), source={chosen.source!r}); "
        "it = install.Installation(plan); it.start(); it.wait()"
    )
    host = subprocess.Popen([sys.executable, "-c", code])
    while not list(chosen.folder.glob("engine-*/lib/*/site-packages/torch.py")):
        assert host.poll() is None
        time.sleep(0.05)
    host.send_signal(signal.SIGKILL)
    host.wait()
    assert install.installed_python(chosen.folder, VERSION) is None
    (left,) = environments(chosen.folder)
    assert torch_of(finished(plan())) == "9.9"
    long_ago = time.time() - 2 * install.LEFTOVER_AGE
    os.utime(left, (long_ago, long_ago))
    again = finished(plan())
    assert [again.python] == [install.environment_python(path) for path in environments(chosen.folder)]
