"""The cache key: the same for equal work, another for anything that changes pixels."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.host import key
from fscs_engine.host.key import (
    cache_key,
    canonical_json,
    canonical_number,
    file_identity,
    pixels_identity,
    result_parameters,
)
from fscs_engine.host.parameters import BY_NAME

BASE = {
    "weights_sha256": "ab" * 32,
    "palette": [(0.1, 0.2, 0.3), (1, 0, 0.5)],
    "parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb"),
    "input_identity": "cd" * 32,
    "masks": [{"mode": "limit", "layers": (1,), "identity": "ef" * 32}],
}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_number_tells_float32_values_apart_and_ignores_what_float32_can_not_hold(value):
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    assert canonical_number(value) == canonical_number(single)
    assert struct.pack("<f", float(canonical_number(value))) == struct.pack("<f", single + 0.0)


def test_minus_0_is_0():
    assert canonical_number(-0.0) == canonical_number(0) == "0"


def test_the_key_is_a_known_sha256():
    parts = canonical_json({"b": [1, "x"], "a": {"c": True}})
    assert parts == '{"a":{"c":true},"b":[1,"x"]}'
    assert len(cache_key(**BASE)) == 64
    assert cache_key(**BASE) == cache_key(**BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "ac" * 32},
        {"palette": [(0.1, 0.2, 0.3), (1, 0, 0.5000001)]},
        {"palette": [(1, 0, 0.5), (0.1, 0.2, 0.3)]},
        {"parameters": result_parameters({"smoothing": 4}, {}, working_space="lin_rec709", input_space="srgb")},
        {"parameters": result_parameters({}, {"layer_gain": {2: 1.5}}, working_space="lin_rec709", input_space="srgb")},
        {"parameters": result_parameters({}, {}, working_space="acescg", input_space="srgb")},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb", precision="bfloat16")},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="acescg")},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb", input_layer="fg")},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb", clean_nonfinite=True)},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb", ocio_identity="ab")},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb", depth="half")},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb", alpha="straight")},
        {"parameters": result_parameters({}, {}, working_space="lin_rec709", input_space="srgb", converted=True)},
        {"input_identity": "ce" * 32},
        {"masks": []},
        {"masks": [{"mode": "limit", "layers": (2,), "identity": "ef" * 32}]},
    ],
)
def test_whatever_changes_pixels_changes_the_key(change):
    assert cache_key(**{**BASE, **change}) != cache_key(**BASE)


def test_defaults_said_or_not_are_the_same():
    said = result_parameters(
        {"smoothing": float(BY_NAME["smoothing"].default), "minimum_alpha": 0},
        {"layer_gain": {1: 1.0}},
        working_space="srgb",
        input_space="srgb",
    )
    assert said == result_parameters({}, {}, working_space="srgb", input_space="srgb")


def test_erode_and_blur_at_rest_leave_the_keys_of_older_files():
    rest = result_parameters({}, {"layer_erode": {1: -0.0}, "layer_blur": {2: 0.0}}, working_space="a", input_space="b")
    assert not {"layer_erode", "layer_blur"} & set(rest)
    edited = result_parameters({}, {"layer_erode": {1: -2.5}}, working_space="a", input_space="b")
    assert edited == {**rest, "layer_erode": {"1": "-2.5"}}


def test_bare_floats_are_refused():
    with pytest.raises(TypeError):
        canonical_json({"a": [0.5]})


def test_identities(tmp_path):
    file = tmp_path / "plate é.exr"
    file.write_bytes(b"x" * 3_000_000)
    assert file_identity(file) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert pixels_identity(b"\0" * 12, 1, 1, 3, "srgb") != pixels_identity(b"\0" * 12, 1, 1, 3, "acescg")


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_the_key_is_the_same_in_every_python(version, host_pythons, tmp_path):
    if version not in host_pythons:
        pytest.skip(f"no Python {version} here")
    package = Path(key.__file__).parent
    (tmp_path / "host").mkdir()
    for name in ("key.py", "parameters.py"):
        (tmp_path / "host" / name).write_bytes((package / name).read_bytes())
    (tmp_path / "host" / "__init__.py").touch()
    code = f"from host.key import cache_key; print(cache_key(**{BASE!r}))"
    out = subprocess.run([host_pythons[version], "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == cache_key(**BASE)
