from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fscs_engine.errors import OutputError, UsageError
from fscs_engine.host.frames import format_frames
from fscs_engine.shots.farm import FarmJob, Flag, bundle, split_place, write_bundle
from fscs_engine.shots.frames import parse_frames

model = pytest.importorskip("openjd.model")

EXTENSIONS = ("TASK_CHUNKING",)
HOSTILE = [
    "plate a  b",
    'it\'s "quoted"',
    "$HOME `id` $(id)",
    "größe 影 é",
    "{{Param.Frames}} }}",
    "a;b&c|d>e\\n%PATH%",
    "-o",
]


def job(source="/shots/s 1/plate.####.exr", **changes):
    values = {"outputs": ("/out/layers.####.exr",), "frames": tuple(range(1001, 1013)), **changes}
    return FarmJob(source, palette_name="layers.palette.json", **values)


def created(job_, **overrides):
    """The job as a farm makes it of the bundle."""
    template, values = bundle(job_)
    parsed = model.decode_job_template(template=json.loads(json.dumps(template)), supported_extensions=EXTENSIONS)
    given_values = model.preprocess_job_parameters(
        job_template=parsed,
        job_parameter_values={**values, **overrides},
        job_template_dir=Path("/bundle"),
        current_working_dir=Path("/"),
    )
    return model.create_job(job_template=parsed, job_parameter_values=given_values), given_values


def arguments(job_, step, chunk="", **overrides):
    """What the engine's program is started with in a step, format strings resolved."""
    made, values = created(job_, **overrides)
    run = next(s for s in made.steps if s.name == step).script.actions.onRun
    table = model.SymbolTable(source={f"Param.{name}": value.value for name, value in values.items()})
    if chunk:
        table["Task.Param.Chunk"] = chunk
    return [part.resolve(symtab=table) for part in (run.command, *run.args)]


def chunks(job_, **overrides):
    made, _ = created(job_, **overrides)
    space = next(step for step in made.steps if step.name == "Segment").parameterSpace
    return [task["Chunk"].value for task in model.StepParameterSpaceIterator(space=space)]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([1], "1"),
        ([2, 1], "1-2"),
        ([1, 3], "1,3"),
        (range(1001, 1101, 2), "1001-1099:2"),
        ([7, 12, 13, 14, 95], "7,12-14,95"),
        ([1, 3, 5, 6, 7, 8, 20], "1-5:2,6-8,20"),
        ([-3, -4, -5, 0], "-5--3,0"),
    ],
)
def test_frames_are_written_as_open_job_description_writes_them(numbers, text):
    assert format_frames(numbers, ":") == text


@given(st.sets(st.integers(-50, 200), min_size=1))
def test_a_farm_reads_the_frames_that_were_meant(numbers):
    assert list(model.IntRangeExpr.from_str(format_frames(numbers, ":"))) == sorted(numbers)


@settings(max_examples=25)
@given(st.sets(st.integers(-50, 200), min_size=1), st.integers(1, 20))
def test_every_frame_is_in_one_chunk_and_the_engine_reads_it_there(numbers, size):
    tasks = chunks(job(frames=tuple(numbers), palette=Flag("--palette", "#ffffff"), frames_per_task=size))
    read = [parse_frames(chunk) for chunk in tasks]
    assert sorted(number for numbers in read for number in numbers) == sorted(numbers)
    assert max(map(len, read)) <= size
    assert len(read) == -(-len(numbers) // size)


def test_an_operator_changes_frames_and_chunks_but_not_the_palette():
    made = job(frames=tuple(range(1, 101)))
    assert chunks(made)[0] == "1-10"
    assert chunks(made, Frames="7,12-14", FramesPerTask="2") == ["7,12", "13,14"]
    assert "--frames=1-100" in arguments(made, "Palette", Frames="7,12-14")


def steps_of(made: FarmJob) -> list[Any]:
    steps: Any = bundle(made)[0]["steps"]
    return list(steps)


def test_the_palette_is_found_once_before_the_frames():
    made = job(palette_flags=(Flag("--colors", "5"),))
    steps = steps_of(made)
    assert [step["name"] for step in steps] == ["Palette", "Segment"]
    assert steps[1]["dependencies"] == [{"dependsOn": "Palette"}]
    assert arguments(made, "Palette") == [
        "fscs",
        "palette",
        "/shots/s 1/plate.####.exr",
        "--output=/out/layers.palette.json",
        "--frames=1001-1012",
        "--overwrite",
        "--progress=openjd",
        "--colors=5",
    ]
    assert arguments(made, "Segment", "1001-1010") == [
        "fscs",
        "segment",
        "/shots/s 1/plate.####.exr",
        "--output=/out/layers.####.exr",
        "--frames=1001-1010",
        "--palette=/out/layers.palette.json",
        "--resume",
        "--progress=openjd",
    ]


def test_a_palette_that_is_given_needs_no_step():
    made = job(palette=Flag("--palette", "/p/shot.json", "file"), flags=(Flag("--half"), Flag("--smoothing", "3")))
    assert [step["name"] for step in steps_of(made)] == ["Segment"]
    assert arguments(made, "Segment", "5")[-5:] == [
        "--palette=/p/shot.json",
        "--resume",
        "--progress=openjd",
        "--half",
        "--smoothing=3",
    ]


def test_tasks_are_told_before_they_are_ended():
    for step in steps_of(job()):
        run = step["script"]["actions"]["onRun"]
        assert run["cancelation"] == {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 120}
        assert run["timeout"] >= 3600
    run = steps_of(job(frames_per_task=100))[1]["script"]["actions"]["onRun"]
    assert run["timeout"] == 60_000


@pytest.mark.parametrize("name", HOSTILE)
def test_paths_survive_as_they_are(name):
    made = job(
        f"/in {name}/{name}.####.exr",
        outputs=(f"/out {name}/{name}.####.exr", f"/png {name}/"),
        flags=(Flag("--mask", f"/m/{name}.####.png", "pattern"), Flag("--ocio", f"/c/{name}.ocio", "file")),
        palette=Flag("--palette", f"/p/{name}.json", "file"),
    )
    found = arguments(made, "Segment", "1001-1012")
    assert found[2] == f"/in {name}/{name}.####.exr"
    assert found[3:5] == [f"--output=/out {name}/{name}.####.exr", f"--output=/png {name}/"]
    assert f"--palette=/p/{name}.json" in found
    assert found[-2:] == [f"--mask=/m/{name}.####.png", f"--ocio=/c/{name}.ocio"]


def test_folders_and_files_can_be_mapped():
    made = job(
        "/shots/%V/plate.####.exr",
        flags=(
            Flag("--mask", "/m/a.####.png", "pattern"),
            Flag("--mask", "/m/b.png", "file"),
            Flag("--ocio", "/c/x.ocio", "file"),
        ),
        palette_flags=(Flag("--ocio", "/c/x.ocio", "file"),),
    )
    template, values = bundle(made)
    assert values == {
        "InputFolder": "/shots",
        "OutputFolder": "/out",
        "OcioFile": "/c/x.ocio",
        "MaskFolder": "/m",
        "Mask2File": "/m/b.png",
    }
    parameters: Any = template["parameterDefinitions"]
    flows = {p["name"]: (p["objectType"], p["dataFlow"]) for p in parameters if p["type"] == "PATH"}
    assert flows["InputFolder"] == flows["MaskFolder"] == ("DIRECTORY", "IN")
    assert flows["OutputFolder"] == ("DIRECTORY", "OUT")
    assert flows["OcioFile"] == flows["Mask2File"] == ("FILE", "IN")
    mapped = arguments(made, "Segment", "1", InputFolder="/mnt/other")
    assert mapped[2] == "/mnt/other/%V/plate.####.exr"


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("/a/b/plate.####.exr", ("/a/b", "plate.####.exr")),
        ("/a/%V/b/plate.%v.%04d.exr", ("/a", "%V/b/plate.%v.%04d.exr")),
        ("/a/b/", ("/a/b", "")),
        ("/clip.mov", ("/", "clip.mov")),
    ],
)
def test_a_place_is_a_folder_and_a_name(place, parts):
    assert split_place(place) == parts


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frames": ()}, "frames"),
        ({"outputs": ()}, "output"),
        ({"frames_per_task": 0}, "frame"),
        ({"flags": (Flag("--x", "{{Param.Frames}}"),)}, "--x"),
        ({"flags": (Flag("--x", "a\nb"),)}, "--x"),
        ({"outputs": ("/o/a\nb.####.exr",)}, "control"),
        ({"outputs": ("/o/\udcff.####.exr",)}, "can't be written"),
        ({"frames": tuple(number**2 for number in range(1, 400))}, "1024"),
    ],
)
def test_what_a_template_cannot_hold_is_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        bundle(job(**changes))


def test_the_bundle_is_three_files_of_ascii_and_the_same_every_time(tmp_path):
    made = job(f"/é {HOSTILE[3]}/x.####.exr")
    files = write_bundle(tmp_path / "new" / "bundle", made, overwrite=False)
    assert [file.name for file in files] == ["template.json", "parameter_values.json", "openjd_parameters.json"]
    first = [file.read_bytes() for file in files]
    assert all(content.isascii() for content in first)
    template, deadline, values = (json.loads(content) for content in first)
    assert template == bundle(made)[0]
    assert values["InputFolder"] == f"/é {HOSTILE[3]}"
    assert {entry["name"]: entry["value"] for entry in deadline["parameterValues"]} == values
    with pytest.raises(OutputError, match="exists already"):
        write_bundle(files[0].parent, made, overwrite=False)
    write_bundle(files[0].parent, made, overwrite=True)
    with pytest.raises(OutputError, match="can't be created"):
        write_bundle(files[0] / "bundle", made, overwrite=False)
    assert [file.read_bytes() for file in files] == first


def test_a_job_name_is_no_format_string_and_not_too_long():
    assert bundle(job("/a/{{x}}" + "n" * 200 + ".####.exr"))[0]["name"] == ("fscs x" + "n" * 200)[:128]
