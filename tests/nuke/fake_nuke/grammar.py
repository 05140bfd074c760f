"""The text of .nk and .gizmo files: the part of Tcl that Nuke writes. Reads into statements, and quotes for writing."""

from __future__ import annotations

from dataclasses import dataclass

ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class GrammarError(ValueError):
    """The text is no script."""


@dataclass(frozen=True)
class Word:
    """One word: its text with quotes, braces and backslashes resolved, and how it was written."""

    text: str
    form: str  # "bare", "quoted" or "braced"


@dataclass(frozen=True)
class Statement:
    """One command and where it starts."""

    words: tuple
    line: int


def statements(text: str) -> list:
    """The commands of a script; comments are left out."""
    found = []
    position, line = 0, 1
    while position < len(text):
        character = text[position]
        if character in " \t\r\n;":
            line += character == "\n"
            position += 1
        elif character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        else:
            words, end = _words(text, position, line, commands=True)
            found.append(Statement(tuple(words), line))
            line += text.count("\n", position, end)
            position = end
    return found


def words(text: str) -> list:
    """The words of a list, over as many lines as it has."""
    return _words(text, 0, 1, commands=False)[0]


def pairs(body: str) -> list:
    """The inside of a node's braces: knob names and their words, in order."""
    listed = words(body)
    if len(listed) % 2:
        raise GrammarError(f"knob {listed[-1].text!r} has no value")
    return [(listed[n].text, listed[n + 1]) for n in range(0, len(listed), 2)]


def _words(text: str, position: int, line: int, *, commands: bool) -> tuple:
    found = []
    blanks = " \t\r" if commands else " \t\r\n"
    while position < len(text):
        character = text[position]
        if character in blanks:
            position += 1
            continue
        if commands and character in "\n;":
            break
        here = line + text.count("\n", 0, position) if not commands else line
        if character == "{":
            end = _closing(text, position, here)
            found.append(Word(text[position + 1 : end], "braced"))
            position = end + 1
        elif character == '"':
            word, position = _quoted(text, position, here)
            found.append(Word(word, "quoted"))
        else:
            word, position = _bare(text, position, blanks, commands=commands)
            found.append(Word(word, "bare"))
            continue
        if position < len(text) and text[position] not in blanks + ("\n;" if commands else ""):
            raise GrammarError(f"line {here}: extra characters {text[position : position + 12]!r} after a closing mark")
    return found, position


def _closing(text: str, start: int, line: int) -> int:
    depth, position = 0, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return position
        position += 1
    raise GrammarError(f"line {line}: a brace is not closed")


def _quoted(text: str, start: int, line: int) -> tuple:
    found, position = [], start + 1
    while position < len(text):
        character = text[position]
        if character == '"':
            return "".join(found), position + 1
        if character == "\\" and position + 1 < len(text):
            found.append(ESCAPES.get(text[position + 1], text[position + 1]))
            position += 2
        else:
            found.append(character)
            position += 1
    raise GrammarError(f"line {line}: a quotation mark is not closed")


def _bare(text: str, start: int, blanks: str, *, commands: bool) -> tuple:
    found, position, brackets = [], start, 0
    while position < len(text):
        character = text[position]
        if brackets == 0 and (character in blanks or (commands and character in "\n;")):
            break
        if commands:
            brackets += (character == "[") - (character == "]")
        if character == "\\" and position + 1 < len(text):
            found.append(ESCAPES.get(text[position + 1], text[position + 1]))
            position += 2
        else:
            found.append(character)
            position += 1
    return "".join(found), position


def quoted(text: str) -> str:
    """A value as Nuke writes it: bare where it can be, else in quotation marks."""
    if text and not set(text) & set(' \t\r\n"\\{}[]$;#'):
        return text
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("[", "\\[").replace("$", "\\$")
    )
    escaped = escaped.replace("{", "\\{").replace("}", "\\}")
    return f'"{escaped}"'
