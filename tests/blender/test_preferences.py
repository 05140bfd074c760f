from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

NOTHING_SET = {"FSCS_PYTHON": None}
NO_PIP_SETTINGS = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": None, "PIP_EXTRA_INDEX_URL": None}

CACHE = """
import sys
from soft_color_segment import preferences, settings

beside = preferences.cache_folder("/shots/010/comp_v001.blend")
unsaved = preferences.cache_folder("")
settings.get().cache_directory = "/fast/cache"
moved = preferences.cache_folder("/shots/010/comp_v001.blend")
report({
    "beside": str(beside),
    "unsaved": str(unsaved),
    "moved": str(moved.parent),
    "next version": preferences.cache_folder("/shots/010/comp_v002.blend") == moved,
    "other shot": preferences.cache_folder("/shots/020/comp_v001.blend") == moved,
    "other show": preferences.cache_folder("/other/010/comp_v001.blend") == moved,
})
"""


def test_the_place_of_the_cache(blender):
    found = blender.run(CACHE).result
    assert found["beside"] == "/shots/010/scs_cache"
    assert Path(found["unsaved"]).name == "scs_cache"
    assert found["moved"] == "/fast/cache"
    assert (found["next version"], found["other shot"], found["other show"]) == (True, False, False)


CONNECT = """
import bpy
from soft_color_segment import engine, settings
from soft_color_segment.fscs.protocol import WorkerError

first = engine.connect(bpy.context)
again = engine.connect() is first
first._process.kill()
first._process.wait()
while first.alive:
    pass
second = engine.connect()
new = second is not first and second.alive
log = engine.log_file().is_file()
import soft_color_segment
soft_color_segment.unregister()
ended = not second.alive
soft_color_segment.register()
third = engine.connect().alive
report([again, new, log, ended, third])
engine.disconnect()
"""


def test_one_engine_that_is_started_again_when_it_died(blender):
    assert blender.run(CONNECT).result == [True, True, True, True, True]


SETTINGS = """
import json
import sys
import warnings
from soft_color_segment import engine, settings
from soft_color_segment.fscs.protocol import WorkerError

warnings.simplefilter("ignore")  # newer Blenders warn of "//" themselves
found = []
for value in json.loads(sys.argv[1]):
    settings.get().engine_python = value
    try:
        found.append(str(engine.python_path()))
    except WorkerError as error:
        found.append([error.message, error.cure])
report(found)
"""


def test_where_the_engines_python_comes_from(blender, tmp_path):
    environment = tmp_path / "environment"
    python = environment / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    values = ["", str(python), str(environment), "//beside/python", "python3", str(tmp_path / "missing"), str(tmp_path)]
    nothing, file, folder, *refused = blender.run(SETTINGS, json.dumps(values), variables=NOTHING_SET).result
    assert nothing[0] == "the engine is not installed"
    assert "Install Engine" in nothing[1]
    assert (file, folder) == (str(python), str(python))
    texts = ["not an absolute path", "not an absolute path", "no Python", "no Python"]
    assert [text in message for text, (message, _cure) in zip(texts, refused, strict=True)] == [True] * 4

    # The environment variable wins, and is held to the same.
    other = tmp_path / "other"
    other.touch()
    set_to = blender.run(SETTINGS, json.dumps([str(python)]), variables={"FSCS_PYTHON": str(other)}).result
    assert set_to == [str(other)]
    ((message, _cure),) = blender.run(SETTINGS, '[""]', variables={"FSCS_PYTHON": "//here/python"}).result
    assert "FSCS_PYTHON" in message


NO_ENGINE = """
import sys
import bpy
from soft_color_segment import engine
from soft_color_segment.fscs.protocol import WorkerError

said = []
for attempt in (engine.connect, bpy.ops.soft_color_segment.check_engine, bpy.ops.soft_color_segment.install_engine):
    try:
        attempt()
        said.append("")
    except (WorkerError, RuntimeError) as error:
        said.append(str(error))
report(said)
"""


def test_without_an_engine_everything_says_what_to_do(blender):
    connect, check, install = blender.run(NO_ENGINE, variables=NOTHING_SET).result
    assert "not installed" in connect
    assert "press Install Engine" in connect
    assert "press Install Engine" in check
    assert "comes without the engine" in install


CHECK = """
import bpy
from soft_color_segment import preferences
try:
    ended = list(bpy.ops.soft_color_segment.check_engine())
except RuntimeError as error:
    ended = str(error)
report([ended, list(preferences._background.report.lines), list(preferences._background.report.wrong)])
"""


def test_check_asks_the_real_engine(blender):
    ended, lines, wrong = blender.run(CHECK).result
    assert (ended, wrong) == (["FINISHED"], [])
    assert lines[0].startswith("Engine 0.1.0")


def test_check_of_a_python_without_the_engine(blender):
    ended, lines, wrong = blender.run(CHECK, variables={"FSCS_PYTHON": str(blender.python)}).result
    assert "has no engine" in ended
    assert "Install Engine" in ended
    assert lines == []


INSTALL = """
import sys
import bpy
from soft_color_segment import engine, preferences, settings
from soft_color_segment.fscs import install

chosen = settings.get()
said = []
try:
    bpy.ops.soft_color_segment.install_engine()
except RuntimeError as error:
    said.append(str(error))
bpy.context.preferences.system.use_online_access = True
said.append(bpy.app.online_access)
bpy.context.preferences.system.use_online_access = False
chosen.package_source = sys.argv[1]
try:
    bpy.ops.soft_color_segment.install_engine()
except RuntimeError as error:
    said.append(str(error))
plan = preferences.installation_plan()
chosen.engine_folder = "/fast disk"
chosen.torch_build = "STANDARD"
chosen.package_source = "https://studio/simple"
other = preferences.installation_plan()
said.append([other.place, other.source, other.cpu_only])
report([*said, plan.offline, plan.pythons[0] == sys.executable, "PYTHONPATH" in plan.environment])
"""


def with_wheel(blender, tmp_path) -> Path:
    """A copy of the add-on that carries an empty file as the engine's wheel."""
    folder = tmp_path / "with wheel"
    shutil.copytree(blender.addon, folder)
    carried = folder / "soft_color_segment" / "engine_wheel"
    carried.mkdir()
    (carried / "fscs_engine-0.1.0-py3-none-any.whl").touch()
    (carried / "constraints.txt").touch()
    return folder


@pytest.mark.slow
def test_installing_asks_for_permission_and_takes_a_folder_without(blender, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    variables = {**NOTHING_SET, **NO_PIP_SETTINGS, "PYTHONPATH": "/nowhere"}
    variables["SCS_ADDON_FOLDER"] = str(with_wheel(blender, tmp_path))
    asked, allowed, failed, other, *plan = blender.run(INSTALL, wheels, variables=variables).result
    assert "Allow Online Access" in asked
    assert allowed
    assert "PyTorch can't be installed" in failed  # the folder is empty
    assert "package source" in failed
    assert other == ["/fast disk", "https://studio/simple", False]
    assert plan == [True, True, False]


DRAW = """
import bpy
from soft_color_segment import preferences, settings
from soft_color_segment.fscs import check, install


class Recorder:
    \"\"\"A layout that notes every text and button instead of drawing it.\"\"\"

    def __init__(self, said):
        self.said = said

    def label(self, text="", icon="NONE"):
        self.said.append(text)

    def operator(self, name, text="", icon="NONE"):
        category, operator = name.split(".")
        getattr(getattr(bpy.ops, category), operator).get_rna_type()  # it exists
        self.said.append(text or name)

    def prop(self, owner, name, **options):
        assert name in owner.bl_rna.properties
        self.said.append(name)

    def progress(self, factor=0.0, text=""):
        self.said.append(f"{factor} {text}")

    def row(self, **options):
        return self

    column = box = row


def drawn():
    said = []
    preferences._draw_engine(Recorder(said), settings.get())
    return said


states = [drawn()]
preferences._background.report = check.Report(False, wrong=("the check found this",), cure="do that")
settings.get().engine_python = "/bin/sh"
states.append(drawn())
preferences._background.report = check.Report(True, lines=("Engine 0.1.0",))
states.append(drawn())
preferences._background.report = None
preferences._background.installation = running = install.Installation(install.Plan(
    wheel=None, constraints=None, version="", folder=install.data_folder(), pythons=()))
running.error = install.InstallError("pip fell over", "look at the log")
states.append(drawn())
type(running).running = True
running.fraction, running.message = 0.25, "getting PyTorch"
states.append(drawn())
report(states)
"""


def test_the_panel_shows_each_state(blender):
    missing, wrong, good, failed, running = blender.run(DRAW, variables=NOTHING_SET).result
    assert "the engine is not installed" in missing
    assert {"Install Engine", "soft_color_segment.check_engine", "engine_python", "base_python"} <= set(missing)
    assert {"package_source", "engine_folder", "0.4 GB to download, 1.5 GB on disk"} <= set(missing)
    assert {"the check found this", "do that"} <= set(wrong)
    assert "Engine 0.1.0" in good
    assert {"pip fell over", "look at the log"} <= set(failed)
    assert "0.25 getting PyTorch" in running
    assert "soft_color_segment.cancel_installation" in running
    assert "Install Engine" not in running
    in_force = "FSCS_PYTHON is set: it wins over the Python below"
    assert [in_force in missing, in_force in blender.run(DRAW).result[0]] == [False, True]
