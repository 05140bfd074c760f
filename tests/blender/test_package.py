from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDON = ROOT / "blender_addon"
TEXT_LIMIT = 64
"""Letters that Blender allows for the tagline and for the reason of a permission."""


@pytest.fixture
def build(tmp_path, monkeypatch):
    """The module build.py, with its outputs in the test's folder."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.delitem(sys.modules, "build", raising=False)
    import build as module

    monkeypatch.setattr(module, "DIST", tmp_path / "dist")
    module.DIST.mkdir()
    yield module
    sys.modules.pop("build", None)


@pytest.fixture
def wheel(tmp_path):
    """A file in place of the engine's wheel."""
    file = tmp_path / "fscs_engine-0.1.0-py3-none-any.whl"
    file.write_bytes(b"a wheel")
    return file


def manifest_of(files: dict[str, bytes]) -> dict:
    return tomllib.loads(files["blender_manifest.toml"].decode())


def test_the_version_comes_from_the_one_source(build, monkeypatch, tmp_path):
    from fscs_engine import __version__

    assert manifest_of(build.extension_files(None))["version"] == __version__
    source = tmp_path / "_version.py"
    source.write_text('"""The version."""\n\n__version__ = "7.8.9"\n', encoding="utf-8")
    monkeypatch.setattr(build, "PACKAGE_VERSION", source)
    assert manifest_of(build.extension_files(None))["version"] == "7.8.9"
    source.write_text("version = 3\n", encoding="utf-8")
    with pytest.raises(build.BuildError, match="has no version"):
        build.extension_files(None)


def test_the_manifest(build):
    manifest = manifest_of(build.extension_files(None))
    assert manifest["id"] == build.EXTENSION_ID
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert manifest["blender_version_min"] == "4.2.0"
    texts = [manifest["tagline"], *manifest["permissions"].values()]
    assert [text for text in texts if len(text) > TEXT_LIMIT or text.endswith(".")] == []


def test_the_license_is_the_one_named(build):
    files = build.extension_files(None)
    assert b"GNU GENERAL PUBLIC LICENSE" in files["LICENSE"]
    assert files["fscs/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    without = [file.name for file in ADDON.glob("*.py") if "GPL-3.0-or-later" not in file.read_text().splitlines()[0]]
    assert without == []


def test_the_engines_files_are_copies_that_work_alone(build, addon):
    folder = addon / "soft_color_segment"
    for source in (*build.HOST_FOLDER.glob("*.py"), build.PACKAGE_VERSION):
        assert (folder / "fscs" / source.name).read_bytes() == source.read_bytes()
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import fscs.client, fscs.install, fscs.key, fscs.naming"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def imported(file: Path) -> set[str]:
    """First words of the modules that a file imports from outside the add-on."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("file", sorted(ADDON.rglob("*.py")), ids=lambda file: file.name)
def test_the_addon_imports_only_what_blender_has(file):
    assert imported(file) <= sys.stdlib_module_names | {"bpy", "bpy_extras", "mathutils", "numpy"}


def test_the_zip(build, wheel, monkeypatch):
    checked = []
    monkeypatch.setattr(build, "validate_extension", lambda path: checked.append(zipfile.is_zipfile(path)))
    first = build.build_extension(wheel)
    assert checked == [True]
    assert first == build.DIST / "soft_color_segment-0.1.0.zip"
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert archive.read(f"engine_wheel/{wheel.name}") == b"a wheel"
        assert archive.read("engine_wheel/constraints.txt") == (ROOT / "constraints.txt").read_bytes()
    assert {"__init__.py", "blender_manifest.toml", "fscs/client.py"} <= set(names)
    assert [name for name in names if "torch" in name or name.endswith(".pyc") or "__pycache__" in name] == []
    content = first.read_bytes()
    first.unlink()
    assert build.build_extension(wheel).read_bytes() == content
    assert list(build.DIST.iterdir()) == [first]


def test_a_zip_that_blender_refuses_is_not_kept(build, wheel, monkeypatch):
    def refuse(_path):
        raise build.BuildError("refused")

    monkeypatch.setattr(build, "validate_extension", refuse)
    with pytest.raises(build.BuildError, match="refused"):
        build.build_extension(wheel)
    assert list(build.DIST.iterdir()) == []


def test_without_a_blender_its_check_is_left_out_and_said(build, wheel, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(build.BPY_VARIABLE, str(tmp_path))
    assert build.build_extension(wheel).is_file()
    assert "left out" in capsys.readouterr().out


def test_blenders_own_tool_accepts_it(blender, build, wheel, monkeypatch, capfd):
    only = {blender.version: blender.python.parent.parent}
    monkeypatch.setattr(build, "bpy_environments", lambda: only)
    extension = build.build_extension(wheel)
    assert "Success parsing" in capfd.readouterr().out
    with zipfile.ZipFile(extension, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("blender_manifest.toml", 'schema_version = "1.0.0"\n')
    with pytest.raises(build.BuildError, match="ended with code"):
        build.validate_extension(extension)


INSTALL = """
import sys
import bpy

sys.modules["soft_color_segment"].unregister()  # the one that drive.py registered
bpy.ops.preferences.addon_enable(module="bl_pkg")
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
module = "bl_ext.user_default.soft_color_segment"
from importlib import import_module
engine = import_module(module + ".engine")
report({
    "enabled": module in bpy.context.preferences.addons,
    "prefs": bpy.context.preferences.addons[module].preferences.torch_build,
    "wheel": import_module(module + ".preferences").wheel_file().name,
    "engine": engine.connect().hello["engine"],
    "node": bpy.types.Node.bl_rna_get_subclass_py("CompositorNodeSoftColorSegment") is not None,
})
engine.disconnect()
"""


def test_blender_installs_it_as_an_extension(blender, build, wheel):
    extension = build.build_extension(wheel)
    found = blender.run(INSTALL, extension).result
    assert found == {"enabled": True, "prefs": "CPU", "wheel": wheel.name, "engine": "0.1.0", "node": True}


def test_missing_blenders_are_installed_once(build, monkeypatch, tmp_path):
    ran = []

    def record(command):
        ran.append([str(part) for part in command])
        if "venv" in ran[-1]:
            python = build.python_in(Path(ran[-1][-1]))
            python.parent.mkdir(parents=True)
            python.touch()

    monkeypatch.delenv(build.BPY_VARIABLE, raising=False)
    monkeypatch.setattr(build, "BPY_ENVIRONMENTS", tmp_path / "bpy")
    monkeypatch.setattr(build, "BPY_PYTHON", "{}.{}".format(*sys.version_info))
    monkeypatch.setattr(build, "run", record)
    assert build.bpy_environments() == {}
    build.install_bpy(build.BPY_VERSIONS)
    assert [command[-1] for command in ran if "pip" in command] == ["bpy==4.2.23", "bpy==4.5.15", "bpy==5.0.1"]
    assert list(build.bpy_environments()) == ["4.2", "4.5", "5.0"]
    ran.clear()
    build.install_bpy(build.BPY_VERSIONS)
    assert ran == []


def test_a_blender_that_broke_off_is_installed_again(build, monkeypatch, tmp_path):
    monkeypatch.delenv(build.BPY_VARIABLE, raising=False)
    monkeypatch.setattr(build, "BPY_ENVIRONMENTS", tmp_path / "bpy")
    monkeypatch.setattr(build, "BPY_PYTHON", "{}.{}".format(*sys.version_info))
    monkeypatch.setattr(build, "run", lambda command: None)

    def broken(*_arguments):
        raise build.BuildError("no network")

    monkeypatch.setattr(build, "pip", broken)
    with pytest.raises(build.BuildError, match="no network"):
        build.install_bpy(build.BPY_VERSIONS)
    assert build.bpy_environments() == {}


def test_a_named_folder_must_have_every_blender(build, monkeypatch, tmp_path):
    monkeypatch.setenv(build.BPY_VARIABLE, str(tmp_path))
    with pytest.raises(build.BuildError, match="has no 4.2 and no 4.5"):
        build.install_bpy(build.BPY_VERSIONS)


def test_another_python_skips_the_blenders_and_says_so(build, monkeypatch, tmp_path, capsys):
    monkeypatch.delenv(build.BPY_VARIABLE, raising=False)
    monkeypatch.setattr(build, "BPY_ENVIRONMENTS", tmp_path / "bpy")
    monkeypatch.setattr(build, "BPY_PYTHON", "2.7")
    build.install_bpy(build.BPY_VERSIONS)
    assert "Python 2.7" in capsys.readouterr().out
