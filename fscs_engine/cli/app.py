"""The entry point of the command line: builds ``fscs``, turns errors into one line and an exit code.

Exit codes: 0 done, 1 internal error, 2 usage or input, 3 some frames missing or failed, 130 cancelled.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from .._version import __version__
from ..errors import FscsError, UsageError
from ..host.palette_codec import colors_of_address
from ..runtime.interrupts import interruptible
from . import doctor, evaluate, export, layers, palette, preset, recolor, recompose, segment, submit, train, weights
from .exit_codes import CANCELLED, DONE, INTERNAL_ERROR, USAGE

_ADDRESS = re.compile(r"(?:--?[a-z-]+=)?((https?|s?ftps?|s3|gs|smb|file)://.*)", re.IGNORECASE | re.DOTALL)

TRACEBACK_VARIABLE = "FSCS_TRACEBACK"

app = typer.Typer(
    name="fscs",
    help="Splits an image into soft RGBA layers, one for each color of a palette. The layers add up to the image "
    "exactly, so you can grade, recolor or blur each on its own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("segment")(segment.segment)
app.command("palette")(palette.palette)
app.command("recompose")(recompose.recompose)
app.command("recolor")(recolor.recolor)
app.add_typer(layers.app, name="layers")
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.add_typer(weights.app, name="weights")
app.add_typer(export.app, name="export")
app.add_typer(preset.app, name="preset")
app.command("submit")(submit.submit)
app.command("doctor")(doctor.doctor)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"fscs {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def run() -> NoReturn:
    """The entry point ``fscs``.

    The process ends without taking apart, object by object, what was loaded: for PyTorch that takes a quarter of the
    time of a small image.
    """
    _silence_libraries()
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # closed by whoever started us, or never there
            stream.flush()
    os._exit(code)


def _silence_libraries() -> None:
    """Lets what libraries such as libpng print on stderr by themselves go nowhere: our one line says what is wrong.

    Python's stderr goes on to where it was. With FSCS_TRACEBACK set, everything is shown.
    """
    if os.name != "posix" or sys.stderr is None or os.environ.get(TRACEBACK_VARIABLE):
        return
    try:
        shown, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # closed by whoever started us
        return
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr.flush()
    sys.stderr = os.fdopen(shown, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``fscs`` with these arguments (the process's own without any) and returns the exit code.

    Every error ends as one line on stderr. With the environment variable FSCS_TRACEBACK set, internal errors
    also show where they happened.
    """
    command = typer.main.get_command(app)
    try:
        _refuse_addresses(sys.argv[1:] if arguments is None else arguments)
        with interruptible():
            result = command.main(args=arguments, prog_name="fscs", standalone_mode=False)
            sys.stdout.flush()
        if result == CANCELLED:  # typer turns Ctrl-C into this number
            return _fail("cancelled", CANCELLED)
        return result if isinstance(result, int) else DONE
    except FscsError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("cancelled", CANCELLED)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":  # typer doesn't export it
            print(error.format_message(), end="", flush=True)  # empty where rich has shown the help already
            return USAGE
        command_path = "fscs" if context is None else context.command_path
        return _fail(f"{error.format_message()} (see {command_path} --help)", USAGE)
    except BrokenPipeError:
        # Whoever read our output has left; a second complaint at the interpreter's end is silenced.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERNAL_ERROR
    except OSError as error:
        _trace()
        # Files are named by their errors.
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", USAGE)
    except Exception as error:  # whatever is left is our fault, not the user's
        _trace()
        hint = "" if os.environ.get(TRACEBACK_VARIABLE) else f" (set {TRACEBACK_VARIABLE}=1 to see where)"
        return _fail(f"internal error: {type(error).__name__}: {error}{hint}", INTERNAL_ERROR)


def _refuse_addresses(arguments: Sequence[str]) -> None:
    """Refuses addresses where files are named: as a path, https://… would lose a slash.

    Raises:
        UsageError: one is given that holds no colors itself.
    """
    for argument in arguments:
        found = _ADDRESS.fullmatch(argument)
        if found and colors_of_address(found[1]) is None:
            cure = "name the file itself" if found[2] == "file" else "download it, and name the file"
            raise UsageError(f"{found[1]} is an address, not a file", cure=cure)


def _fail(message: str, code: int) -> int:
    print(f"fscs: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def _trace() -> None:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exc()
