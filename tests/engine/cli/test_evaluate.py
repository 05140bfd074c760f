from __future__ import annotations

import numpy as np
import pytest

SCORES = {
    "mse",
    "psnr",
    "ssim",
    "sparsity",
    "color_variance",
    "color_variance_weighted",
    "visible_layers",
    "flat_noise",
    "torn_edges",
    "torn_share",
}


@pytest.fixture
def palettes(tmp_path):
    file = tmp_path / "palettes.csv"
    file.write_text("cup,39,10,5,165,54,21,225,179,137\nother,0,0,0,255,255,255,9,9,9\n")
    return file


def test_json_for_each_image_and_in_the_mean(fscs, photo, palettes):
    finished = fscs("evaluate", photo, "--palettes", palettes, "--absent", "--permuted", "--json")
    assert finished.code == 0, finished.err
    assert len(finished.out.splitlines()) == 1
    result = finished.json
    (row,) = result["images"]
    assert row["image"] == str(photo)
    assert row["palette"] == ["#270a05", "#a53615", "#e1b389"]
    assert row.keys() >= SCORES
    assert result["mean"] == pytest.approx({name: row[name] for name in SCORES})
    assert 0 <= result["recomposition_error_max"] <= 1e-6
    assert 0 <= result["absent_alpha_mean"] <= 1
    assert 0 <= result["permutation_change_max"] <= 1e-5
    assert result["model"] == "any-palette"
    paper = fscs("evaluate", photo, "--palettes", palettes, "--model", "paper", "--json").json
    assert paper["model"] == "paper"
    assert paper["weights_sha256"] != result["weights_sha256"]
    assert paper["mean"] != result["mean"]


def test_a_page_of_pictures_and_scores(fscs, photo, palettes, tmp_path):
    page = tmp_path / "page.html"
    command = ["evaluate", photo, photo, "--palettes", palettes, "--report", page]
    finished = fscs(*command)
    assert finished.code == 0, finished.err
    assert f"wrote {page}" in finished.out
    text = page.read_text()
    printed = next(line for line in finished.out.splitlines() if "mean" in line).split()
    assert "<tr>" + "".join(f"<td>{cell}</td>" for cell in printed) + "</tr>" in text
    assert text.count('class="card"') == 2
    assert text.count("data:image/webp") == 2 * (1 + 3)
    fscs(*command).failed_with(2, "page.html", "--overwrite")
    assert fscs(*command, "--overwrite", "--json").code == 0
    fscs("evaluate", photo, "--report", tmp_path / "page.txt").failed_with(2, "page.txt", ".html")


def test_without_being_asked_there_are_no_extra_decompositions(fscs, photo):
    result = fscs("evaluate", photo, photo, "-k", 3, "--json").json
    assert len(result["images"]) == 2
    assert result["images"][0] == result["images"][1]
    assert result["absent_alpha_mean"] is None
    assert result["permutation_change_max"] is None


def test_alpha_processing_flags_count(fscs, photo, palettes):
    base = ["evaluate", photo, "--palettes", palettes, "--json"]

    def sparsity(*flags):
        return fscs(*base, *flags).json["mean"]["sparsity"]

    plain, smooth = sparsity(), ["--smoothing", 4]
    for more in (
        smooth,
        ["--minimum-alpha", 0.2],
        ["--layer-gain", "1=3"],
        ["--layer-gamma", "1=3"],
        ["--layer-black", "1=0.4"],
        ["--layer-white", "1=0.6"],
        ["--mask", photo, "--mask-mode", "limit:1"],
    ):
        assert sparsity(*more) != plain, more
    for more in (["--smoothing-strength", 0.5], ["--smoothing-eps", 0.1]):
        assert sparsity(*smooth, *more) not in (plain, sparsity(*smooth)), more


def test_the_exact_step_can_be_left_out(fscs, photo, palettes):
    result = fscs("evaluate", photo, "--palettes", palettes, "--no-exact", "--json").json
    assert result["recomposition_error_max"] > 1e-3
    assert np.isfinite(result["mean"]["psnr"])


def test_table_for_people(fscs, photo):
    finished = fscs("evaluate", photo, photo, "-k", 3)
    assert finished.code == 0
    assert "PSNR" in finished.out
    assert finished.out.count("cup.png") == 2
    assert "mean" in finished.out
    assert "largest recomposition error" in finished.out


def test_what_can_not_be_done(fscs, photo, palettes, tmp_path):
    fscs("evaluate", tmp_path / "no.png").failed_with(2, "no.png")
    fscs("evaluate", photo, "--palettes", tmp_path / "no.csv").failed_with(2, "no.csv")
    fscs("evaluate", photo, "--palettes", palettes, "-k", 3).failed_with(2, "--palettes")
    fscs("evaluate", photo, "--layer-gain", "8=2").failed_with(2, "layer 8")
    palettes.write_text("other,0,0,0,255,255,255\n")
    fscs("evaluate", photo, "--palettes", palettes).failed_with(2, "'cup'")
    palettes.write_text("cup,0,0,300\n")
    fscs("evaluate", photo, "--palettes", palettes).failed_with(2, "palettes.csv", "line 1")
