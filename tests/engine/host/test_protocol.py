from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.host import protocol
from fscs_engine.host.protocol import Fields, LineSplitter, WorkerError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_a_message_survives_its_line(message):
    line = protocol.encode(message)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert protocol.decode(line) == message


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_do_not_depend_on_how_they_are_chopped(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    found = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:cut])
        stream = stream[cut:]
    assert found == lines


@pytest.mark.parametrize("chunk", [1 << 12, 1 << 16, 1 << 22])
def test_a_line_that_is_too_long_is_skipped_and_nothing_else(chunk):
    exactly = b"a" * (protocol.MAXIMUM_LINE - 1)
    stream = exactly + b"\n" + exactly + b"b\nnext\n"
    splitter = LineSplitter()
    found = [line for at in range(0, len(stream), chunk) for line in splitter.feed(stream[at : at + chunk])]
    assert found == [exactly, None, b"next"]


def test_a_message_that_is_too_long_is_not_sent():
    protocol.encode({"text": "a" * (protocol.MAXIMUM_LINE - len('{"text":""}') - 1)})
    with pytest.raises(WorkerError) as caught:
        protocol.encode({"text": "a" * (protocol.MAXIMUM_LINE - len('{"text":""}'))})
    assert caught.value.code == "protocol"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_has_not_is_not_sent(value):
    with pytest.raises(WorkerError):
        protocol.encode({"value": value})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"[1]",
        b"7",
        b"null",
        b'"text"',
        b"{",
        b"[" * 99999,
    ],
)
def test_what_is_no_object_is_refused(line):
    with pytest.raises(WorkerError) as caught:
        protocol.decode(line)
    assert caught.value.code == "protocol"


class TestFields:
    def test_reads_each_type(self):
        fields = Fields({"t": "a", "i": 3, "n": 2, "f": True, "m": {}, "l": []})
        assert fields.text("t") == "a"
        assert fields.integer("i", 1, 3) == 3
        assert fields.number("n") == 2.0
        assert fields.flag("f") is True
        assert fields.mapping("m") == {}
        assert fields.items("l") == []
        fields.end()

    @pytest.mark.parametrize(
        ("read", "bad"),
        [
            ("text", [1, None, ["a"], "nul\0"]),
            ("number", ["1", None, True, 1e999, 10**400]),
            ("flag", [0, "true", None]),
            ("mapping", [[], None, "a"]),
            ("items", [{}, None, "a"]),
        ],
    )
    def test_refuses_other_types(self, read, bad):
        for value in bad:
            with pytest.raises(WorkerError, match=r"image\.x"):
                getattr(Fields({"x": value}, "image"), read)("x")

    @pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, 10, 10**30])
    def test_refuses_other_integers(self, value):
        with pytest.raises(WorkerError):
            Fields({"x": value}).integer("x", 1, 9)

    def test_refuses_what_is_missing_or_left_over(self):
        with pytest.raises(WorkerError, match="missing"):
            Fields({}).text("x")
        with pytest.raises(WorkerError, match="unknown"):
            Fields({"x": 1}).end()


class TestSharedFiles:
    @pytest.mark.parametrize(
        "name", ["", ".", "..", "../a", "a/b", "/etc/passwd", "a\\b", "C:a", "a\n", ".hidden", "a" * 101, "ä", "a\0b"]
    )
    def test_only_plain_names(self, tmp_path, name):
        with pytest.raises(WorkerError) as caught:
            protocol.shared_path(tmp_path, name)
        assert caught.value.code == "protocol"

    def test_what_is_written_is_read(self, tmp_path):
        with protocol.create_shared(tmp_path, "a.f32", 8) as file:
            file.write(b"12345678")
        with protocol.open_shared(tmp_path, "a.f32", (1, 2)) as file:
            assert file.read() == b"12345678"
        if os.name == "posix":
            assert (tmp_path / "a.f32").stat().st_mode & 0o777 == 0o600

    def test_space_is_reserved(self, tmp_path):
        protocol.create_shared(tmp_path, "a.f32", 1 << 16).close()
        found = (tmp_path / "a.f32").stat()
        assert found.st_size == 1 << 16
        assert getattr(found, "st_blocks", 128) * 512 >= 1 << 16

    def test_no_room_is_an_error_that_leaves_nothing(self, tmp_path):
        with pytest.raises(WorkerError) as caught:
            protocol.create_shared(tmp_path, "a.f32", 1 << 60)
        assert caught.value.code == "output"
        assert "TMPDIR" in caught.value.cure
        assert list(tmp_path.iterdir()) == []

    def test_never_writes_over_a_file(self, tmp_path):
        (tmp_path / "a.f32").write_bytes(b"old")
        with pytest.raises(WorkerError):
            protocol.create_shared(tmp_path, "a.f32", 8)
        assert (tmp_path / "a.f32").read_bytes() == b"old"

    def _refused(self, folder: Path) -> str:
        with pytest.raises(WorkerError) as caught:
            protocol.open_shared(folder, "a.f32", (1, 2))
        assert caught.value.code == "protocol"
        return str(caught.value)

    @pytest.mark.parametrize("size", [0, 7, 9])
    def test_size_must_fit(self, tmp_path, size):
        (tmp_path / "a.f32").write_bytes(bytes(size))
        assert f"{size} bytes" in self._refused(tmp_path)

    def test_missing_file(self, tmp_path):
        assert "a.f32" in self._refused(tmp_path)

    def test_folder(self, tmp_path):
        (tmp_path / "a.f32").mkdir()
        self._refused(tmp_path)

    @pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
    def test_links(self, tmp_path):
        (tmp_path / "target").write_bytes(bytes(8))
        (tmp_path / "a.f32").symlink_to("target")
        self._refused(tmp_path)
        (tmp_path / "a.f32").unlink()
        (tmp_path / "a.f32").hardlink_to(tmp_path / "target")
        self._refused(tmp_path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
    def test_named_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "a.f32")
        self._refused(tmp_path)


def test_error_reads_as_message_and_cure():
    error = WorkerError("usage", "tile is -1", "use 0 to 16384")
    assert str(error) == "tile is -1: use 0 to 16384"
    assert pickle.loads(pickle.dumps(error)).cure == "use 0 to 16384"
    assert str(WorkerError("cancelled", "cancelled")) == "cancelled"


def test_requests_without_a_usable_id_have_none():
    assert protocol.request_id({"id": 7}) == 7
    for value in (-1, 1.0, "7", True, None, 2**53, [7]):
        assert protocol.request_id({"id": value}) is None
    assert protocol.request_id(json.loads("{}")) is None
