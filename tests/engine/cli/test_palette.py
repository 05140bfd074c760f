from __future__ import annotations

import pytest

from fscs_engine.files.palette_files import read_palette


def test_json(fscs, photo, tmp_path):
    finished = fscs("palette", photo, "-k", 3, "-o", tmp_path / "p.json", "--json")
    assert finished.code == 0
    result = finished.json
    assert set(result) == {"palette", "input", "seconds", "peak_rss_bytes", "outputs"}
    assert result["outputs"] == [str(tmp_path / "p.json")]
    written = read_palette(tmp_path / "p.json")
    assert [color["hex"] for color in result["palette"]] == [color.hex for color in written]
    assert len(written) == 3


def test_same_input_and_seed_same_palette(fscs, photo):
    first, again = (fscs("palette", photo, "-k", 5, "--seed", 3, "--json").json["palette"] for _ in range(2))
    assert first == again


def test_method(fscs, photo):
    def found(*more):
        return [color["hex"] for color in fscs("palette", photo, "-k", 5, "--json", *more).json["palette"]]

    assert found("--palette-method", "salient") != found("--palette-method", "kmeans") == found()
    assert found("--palette-method", "salient", "--lock", "#3366ff")[0] == "#3366ff"


def test_seven_colors_without_a_number(fscs, photo):
    assert len(fscs("palette", photo, "--json").json["palette"]) == 7


def test_more_colors_than_a_model_takes(fscs, photo):
    assert len(fscs("palette", photo, "-k", 16, "--json").json["palette"]) == 16


def test_locked_colors_come_first_and_stay(fscs, photo, tmp_path):
    command = ["palette", photo, "-k", 4, "--lock", "#3366ff", "--lock", "00ff00", "-o", tmp_path / "p.json"]
    assert fscs(*command).code == 0
    palette = read_palette(tmp_path / "p.json")
    assert [color.hex for color in palette][:2] == ["#3366ff", "#00ff00"]
    assert [color.locked for color in palette] == [True, True, False, False]


def test_for_people(fscs, photo):
    finished = fscs("palette", photo, "-k", 2, "--lock", "#3366ff")
    assert finished.code == 0
    lines = finished.out.splitlines()
    assert len(lines) == 2
    assert lines[0].split() == ["1", "#3366ff", "locked"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-o", "p.clr"], ["p.clr", ".gpl"]),
        (["-o", "missing/p.json"], ["missing"]),
        (["-k", "17"], ["1 to 16"]),
        (["--lock", "blue"], ["'blue'"]),
        (["-k", "1", "--lock", "#000000", "--lock", "#ffffff"], ["2 colors"]),
        (["--seed", "x"], ["--seed"]),
        (["--palette-method", "median"], ["--palette-method", "kmeans or salient"]),
    ],
)
def test_what_can_not_be_done(fscs, photo, monkeypatch, more, words):
    monkeypatch.chdir(photo.parent)
    fscs("palette", photo, *more).failed_with(2, *words)


def test_existing_palette_is_kept(fscs, photo, tmp_path):
    file = tmp_path / "p.txt"
    file.write_text("#000000\n")
    fscs("palette", photo, "-k", 2, "-o", file).failed_with(2, "p.txt", "--overwrite")
    assert file.read_text() == "#000000\n"
    assert fscs("palette", photo, "-k", 2, "-o", file, "--overwrite").code == 0
    assert len(read_palette(file)) == 2
