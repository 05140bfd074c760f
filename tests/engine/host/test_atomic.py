"""Files of hosts: whole or not at all, with the permissions of any new file."""

from __future__ import annotations

import os
import stat

import pytest

from fscs_engine.host.atomic import replaced_file
from fscs_engine.host.protocol import WorkerError


def test_it_appears_when_it_is_whole(tmp_path):
    file = tmp_path / "new é" / "a.bin"
    with replaced_file(file) as opened:
        opened.write(b"whole")
        assert not file.exists()
    assert file.read_bytes() == b"whole"
    assert list(file.parent.iterdir()) == [file]
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_all_is_as_it_was(tmp_path, error):
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    with pytest.raises(error), replaced_file(file) as opened:
        opened.write(b"half")
        raise error
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_can_not_be_written_is_an_error_with_its_cure(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file" / "a.bin", tmp_path / "folder"):
        with (
            pytest.raises(WorkerError, match="can't be written.*: take another") as caught,
            replaced_file(target, "take another") as opened,
        ):
            opened.write(b"whole")
        assert caught.value.code == "output"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "file", tmp_path / "folder"]
