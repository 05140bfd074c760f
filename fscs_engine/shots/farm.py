"""A shot as a job for render farms, in the words of Open Job Description (``jobtemplate-2023-09``).

``openjd run`` runs the job on one computer, AWS Deadline Cloud on many. Step ``Palette`` decides the colors once, step
``Segment`` takes the frames apart, some in each task. The engine is one program with arguments: nothing of the job goes
through a shell or a script, and every path is a job parameter, which a farm may map and never reads as a format string.

Standard library only; nothing here is needed to run a job.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..errors import UsageError
from ..files.atomic import make_folder, replaced_files
from ..host.frames import format_frames

TEMPLATE = "template.json"
"""What Deadline Cloud looks for in a bundle's folder."""

DEADLINE_VALUES = "parameter_values.json"
"""The values of the job parameters, in Deadline Cloud's form."""

OPENJD_VALUES = "openjd_parameters.json"
"""The same values as ``openjd run -p file://…`` reads them."""

NOTICE_SECONDS = 120
"""From SIGTERM to SIGKILL: long enough for a large frame to end, or to be taken back."""

PALETTE_SECONDS = 3600
"""After which finding a palette counts as hung: it looks at a bounded number of frames."""

FRAME_SECONDS = 600
"""For each frame of a task, after which it counts as hung."""

PROGRESS = "--progress=openjd"
"""Makes the engine tell its progress in the lines that Open Job Description understands."""

LONGEST_VALUE = 1024
"""Characters that a job parameter may have."""

LONGEST_NAME = 128
"""Characters that a job's name may have."""

_VIEW = re.compile(r"%[Vv]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Json = Mapping[str, object]


@dataclass(frozen=True)
class Flag:
    """A flag of the command line as the farm's machines shall get it.

    Attributes:
        name: with its dashes.
        value: None for a switch.
        kind: what the value is. Farms may have files in another place, and carry along what a job names.
    """

    name: str
    value: str | None = None
    kind: Literal["text", "file", "pattern"] = "text"


@dataclass(frozen=True)
class FarmJob:
    """A shot to take apart on a farm.

    Attributes:
        source: the frames or the movie: a pattern, a file, or a folder ending with ``/``. Absolute.
        outputs: where the layers go, in the same forms.
        frames: numbers of the frames to compute.
        shot: numbers of the frames that the palette is for. Those of ``frames``, unless only some are computed again.
        flags: everything else for ``fscs segment``.
        palette: the flag of a palette that is decided already, or None to find one.
        palette_flags: how to find it: flags for ``fscs palette``.
        palette_name: the file in the folder of the first output that then holds it.
        frames_per_task: one start of the engine computes so many frames.
        executable: the engine on the farm's machines.
    """

    source: str
    outputs: tuple[str, ...]
    frames: tuple[int, ...]
    shot: tuple[int, ...] = ()
    flags: tuple[Flag, ...] = ()
    palette: Flag | None = None
    palette_flags: tuple[Flag, ...] = ()
    palette_name: str = "palette.json"
    frames_per_task: int = 10
    executable: str = "fscs"


@dataclass
class _Parameters:
    """The job parameters, as they are needed: their definitions, and the values of those without a default."""

    definitions: list[Json] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def text(self, name: str, label: str, value: str, *, hidden: bool = False) -> str:
        """A string parameter; returns how arguments refer to it."""
        look = {"control": "HIDDEN" if hidden else "LINE_EDIT", "label": label}
        self.definitions.append({"name": name, "type": "STRING", "default": _value(value), "userInterface": look})
        return f"{{{{Param.{name}}}}}"

    def path(self, name: str, label: str, value: str, kind: str, flow: str) -> str:
        """A path, which gets no default: Open Job Description allows only relative ones."""
        self.definitions.append(
            {"name": name, "type": "PATH", "objectType": kind, "dataFlow": flow, "userInterface": {"label": label}}
        )
        self.values[name] = _value(value)
        return f"{{{{Param.{name}}}}}"

    def place(self, name: str, text: str, flow: str) -> str:
        """A pattern, as a folder that exists and a name in it: only real folders can be mapped or carried along."""
        folder, inside = split_place(text)
        where = self.path(f"{name}Folder", f"{name} folder", folder, "DIRECTORY", flow)
        return f"{where}/{self.text(f'{name}Name', f'{name} name', inside)}" if inside else f"{where}/"

    def argument(self, flag: Flag) -> str:
        """``--flag=value`` in one piece, so that no value can be taken for a flag."""
        if flag.value is None:
            return flag.name
        if flag.kind == "text":
            return f"{flag.name}={_literal(flag)}"
        key = (flag.name, flag.value)
        if key not in self.known:
            base = "".join(word.capitalize() for word in flag.name.strip("-").split("-"))
            taken = sum(name == flag.name for name, _ in self.known)
            name = f"{base}{taken + 1}" if taken else base
            if flag.kind == "pattern":
                self.known[key] = self.place(name, flag.value, "IN")
            else:
                self.known[key] = self.path(f"{name}File", f"{name} file", flag.value, "FILE", "IN")
        return f"{flag.name}={self.known[key]}"


def split_place(text: str) -> tuple[str, str]:
    """A place as a folder and what is in it: ``/shot/%V/plate.####.exr`` → ``("/shot", "%V/plate.####.exr")``.

    The name is empty for a folder, which ends with a slash. It has forward slashes, also on Windows.
    """
    if text.endswith(("/", os.sep)):
        return str(Path(text)), ""
    path = Path(text)
    first = next((part for part in path.parents[::-1] if _VIEW.search(part.name)), path)
    return str(first.parent), path.relative_to(first.parent).as_posix()


def bundle(job: FarmJob) -> tuple[Json, Mapping[str, str]]:
    """The template of a job, and the values of the parameters that have no default.

    Raises:
        UsageError: no frames or output, a text that a template can't hold.
    """
    if not job.frames or not job.outputs or job.frames_per_task < 1:
        raise UsageError("a farm job needs frames, an output and at least one frame a task", cure="name them")
    parameters = _Parameters()
    source = parameters.place("Input", job.source, "IN")
    outputs = [
        parameters.place(f"Output{number}" if number > 1 else "Output", text, "OUT")
        for number, text in enumerate(job.outputs, 1)
    ]
    frames = parameters.text("Frames", "Frames", format_frames(job.frames, ":"))
    parameters.definitions.append(
        {
            "name": "FramesPerTask",
            "type": "INT",
            "default": job.frames_per_task,
            "minValue": 1,
            "userInterface": {"control": "SPIN_BOX", "label": "Frames per task"},
        }
    )
    executable = parameters.text("FscsExecutable", "Executable of fscs", job.executable)
    steps: list[Json] = []
    if job.palette is not None:
        palette = parameters.argument(job.palette)
    else:
        # Its frames stand apart from those to compute: whoever computes three frames again wants the shot's palette.
        shot = parameters.text("PaletteFrames", "Frames of the palette", format_frames(job.shot or job.frames, ":"))
        name = parameters.text("PaletteName", "Palette name", job.palette_name, hidden=True)
        file = f"{{{{Param.OutputFolder}}}}/{name}"
        palette = f"--palette={file}"
        arguments = ["palette", source, f"--output={file}", f"--frames={shot}", "--overwrite", PROGRESS]
        arguments += [parameters.argument(flag) for flag in job.palette_flags]
        steps.append({"name": "Palette", "script": _script(executable, arguments, PALETTE_SECONDS)})
    arguments = ["segment", source, *(f"--output={output}" for output in outputs)]
    arguments += ["--frames={{Task.Param.Chunk}}", palette, "--resume", PROGRESS]
    arguments += [parameters.argument(flag) for flag in job.flags]
    chunks = {
        "name": "Chunk",
        "type": "CHUNK[INT]",
        "range": frames,
        # Any set of frames may make a task: every second frame of a shot would else be a task of its own.
        "chunks": {"defaultTaskCount": "{{Param.FramesPerTask}}", "rangeConstraint": "NONCONTIGUOUS"},
    }
    segment: dict[str, object] = {"name": "Segment"}
    if steps:
        segment["dependencies"] = [{"dependsOn": "Palette"}]
    segment["parameterSpace"] = {"taskParameterDefinitions": [chunks]}
    segment["script"] = _script(executable, arguments, max(3600, FRAME_SECONDS * job.frames_per_task))
    template = {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": _job_name(job.source),
        "parameterDefinitions": parameters.definitions,
        "steps": [*steps, segment],
    }
    return template, parameters.values


def write_bundle(folder: Path, job: FarmJob, *, overwrite: bool) -> list[Path]:
    """Writes the bundle into a folder, which is made where it is missing, and returns its files, the template first.

    The files hold ASCII alone, so that no reader can take another encoding for theirs.

    Raises:
        UsageError: see `bundle`.
        OutputError: a file is there already without ``overwrite``, or can't be written.
    """
    template, values = bundle(job)
    deadline = {"parameterValues": [{"name": name, "value": value} for name, value in values.items()]}
    contents = {TEMPLATE: template, DEADLINE_VALUES: deadline, OPENJD_VALUES: values}
    make_folder(folder)
    paths = [folder / name for name in contents]
    with replaced_files(paths, overwrite=overwrite) as temporaries:
        for temporary, content in zip(temporaries, contents.values(), strict=True):
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="ascii")
    return paths


def _script(executable: str, arguments: Sequence[str], timeout: int) -> Json:
    run = {
        "command": executable,
        "args": list(arguments),
        "timeout": timeout,
        "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": NOTICE_SECONDS},
    }
    return {"actions": {"onRun": run}}


def _value(text: str) -> str:
    """A parameter's value, which is never read as a format string."""
    if len(text) > LONGEST_VALUE:
        raise UsageError(
            f"{text[:60]}… has {len(text)} characters, a farm takes {LONGEST_VALUE}",
            cure="submit the frames in several jobs, or use a shorter path",
        )
    if _CONTROL.search(text) or not _is_unicode(text):
        raise UsageError(f"{text!r} can't be written into a job", cure="use a name without control characters")
    return text


def _literal(flag: Flag) -> str:
    """A flag's value as it stands in an argument, where double braces would begin a format string."""
    value = flag.value or ""
    if "{{" in value or "}}" in value or _CONTROL.search(value) or not _is_unicode(value):
        raise UsageError(f"{flag.name} {value!r} can't be written into a job", cure="use a value without {{, }}")
    return value


def _is_unicode(text: str) -> bool:
    """False for a file name that is no text: Python carries its bytes as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _job_name(source: str) -> str:
    name = split_place(source)[1] or Path(source).name
    return re.sub(r"[{}]", "", f"fscs {name}")[:LONGEST_NAME]
