"""The tables in the documents are those that the measured results give; the test sets are what they claim to be."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import subprocess
import sys
import warnings
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image

from fscs_engine.networks.shipped import SHIPPED

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
KINDS = (
    *("sharp edges", "soft edges", "defocus", "motion blur", "thin structures", "transparency"),
    *("wide transitions", "gradients"),
)


def script(name: str) -> ModuleType:
    """A module of the benchmarks, whose modules find each other as scripts of one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


composites, truth, sheets = script("composites"), script("truth"), script("sheets")
kodak, size, speed, curve, tables = (script(name) for name in ("kodak", "size", "speed", "curve", "tables"))
ablations, gpu, report, scaling = (script(name) for name in ("ablations", "gpu", "report", "scaling"))
claims, commands, machine, strips = (script(name) for name in ("claims", "commands", "machine", "strips"))


@pytest.fixture(scope="module")
def photographs(kodak_images: Path) -> Any:
    return composites.read_photographs(kodak_images)


def test_tables_are_up_to_date() -> None:
    finished = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "tables.py", "--check"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("row", [row for row, (weights, _) in kodak.RUNS.items() if weights in SHIPPED])
def test_the_scores_are_of_the_shipped_weights(row: str) -> None:
    results = json.loads((RESULTS / "kodak.json").read_text())
    weights, flags = kodak.RUNS[row]
    assert results[row]["weights_sha256"] == SHIPPED[weights].sha256
    assert results[row]["flags"] == flags
    assert len(results[row]["images"]) == 24


@pytest.mark.parametrize("row", [row for row, (weights, _) in kodak.RUNS.items() if weights != "peer"])
def test_the_filter_of_the_paper_is_asked_for(row: str) -> None:
    weights, flags = kodak.RUNS[row]
    radius = flags[flags.index("--smoothing") + 1] if "--smoothing" in flags else None
    if weights != "any-palette":  # its default processing is what counts; the others' filter is no default
        assert radius == ("0" if row.endswith("no smoothing") else "3")
    assert (radius is None) == (weights == "any-palette" and not row.endswith("smoothing"))


@pytest.mark.parametrize("name", ["size", "speed"])
def test_size_and_speed_are_of_the_shipped_weights(name: str) -> None:
    results = json.loads((RESULTS / f"{name}.json").read_text())
    ours = {row for row, result in results.items() if "weights_sha256" in result}
    assert {results[row]["weights_sha256"] for row in ours} == {SHIPPED["any-palette"].sha256}
    if name == "size":
        assert set(results) == set(size.ROWS)
    else:
        assert len(ours) == len(speed.SPACES)
        assert set(results) - ours == {speed.PAPER}
        assert all(len(times) == speed.ROUNDS for row in results.values() for times in row["seconds"].values())


def test_the_curve_is_of_the_shipped_weights() -> None:
    results = json.loads((RESULTS / "curve.json").read_text())
    assert {result["weights_sha256"] for result in results.values()} == {SHIPPED["any-palette"].sha256}
    assert list(results) == [f"{softness:g}" for softness in curve.SETTINGS]
    assert curve.PICTURE.is_file()


def rows_of(table: str) -> list[str]:
    """The first cells of a table in Markdown, its head left out."""
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def test_a_model_card_has_the_rows_of_its_model_and_the_released_one() -> None:
    every = rows_of(tables.scores())
    own = [row for row in every if row in ("paper", claims.RELEASED) or row.startswith("paper, ")]
    assert rows_of(tables.scores("paper")) == own
    assert 2 < len(own) < len(every)
    for name in ("truth", "truth-fresh"):
        own = [row for row in rows_of(tables.truth(name)) if "any-palette" in row or row == tables.FILTERED]
        assert rows_of(tables.truth(name, "any-palette")) == own


def test_softness_trades_one_way_only() -> None:
    """Few layers at its one end, no torn edges at its other, and nothing turns back between them."""
    means = [result["mean"] for result in json.loads((RESULTS / "curve.json").read_text()).values()]
    assert [mean["sparsity"] for mean in means] == sorted(mean["sparsity"] for mean in means)
    assert [mean["torn_edges"] for mean in means] == sorted((mean["torn_edges"] for mean in means), reverse=True)


@pytest.mark.parametrize("name", ["truth", "truth-fresh"])
@pytest.mark.parametrize("model", SHIPPED)
def test_the_truth_is_that_of_the_shipped_weights(model: str, name: str) -> None:
    results = json.loads((RESULTS / f"{name}.json").read_text())
    assert results[model]["weights_sha256"] == SHIPPED[model].sha256
    assert results[model]["test_set_sha256"] == results["nearest color"]["test_set_sha256"]
    assert len(results[model]["pictures"]) == len(KINDS) * composites.PICTURES


def test_the_fresh_composites_are_others() -> None:
    chosen, fresh = (
        json.loads((RESULTS / f"{name}.json").read_text())["any-palette"] for name in ("truth", "truth-fresh")
    )
    assert fresh["test_set_sha256"] != chosen["test_set_sha256"]
    assert not set(fresh["pictures"]) & set(chosen["pictures"])


def test_composites_are_of_all_kinds() -> None:
    assert composites.KINDS == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_composite_is_made_of_its_layers(photographs: list[NDArray[np.uint8]], kind: str) -> None:
    picture = composites.composite(photographs, kind, 2)
    count, height, width = picture.alphas.shape
    assert count == 5
    assert all(256 <= side <= 384 and side % 8 == 0 for side in (height, width))
    assert picture.image.shape == (height, width, 3)
    assert picture.colors.shape == (count, height, width, 3)
    for part in (picture.image, picture.alphas, picture.colors, picture.palette):
        assert part.dtype == np.float32
        assert part.min() >= 0
        assert part.max() <= 1
    np.testing.assert_allclose(picture.alphas.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose((picture.alphas[..., None] * picture.colors).sum(axis=0), picture.image, atol=1e-6)
    weighted = picture.alphas[..., None].astype(np.float64) * picture.colors
    seen = weighted.mean(axis=(1, 2)) / picture.alphas.mean(axis=(1, 2), dtype=np.float64)[:, None]
    np.testing.assert_allclose(picture.palette, seen, atol=1e-6)
    distances = np.linalg.norm(picture.palette[:, None] - picture.palette, axis=-1)
    assert distances[~np.eye(count, dtype=bool)].min() >= 0.2
    assert picture.alphas.mean(axis=(1, 2)).min() > 0.01
    assert 0.01 < picture.colors.std(axis=(1, 2)).mean() < 0.08


def test_the_same_seed_gives_the_same_bytes(photographs: list[NDArray[np.uint8]]) -> None:
    first, again, other = (composites.composite(photographs, "thin structures", number) for number in (4, 4, 5))
    assert composites.digest([first]) == composites.digest([again])
    assert hashlib.sha256(first.colors).digest() == hashlib.sha256(again.colors).digest()
    assert composites.digest([first]) != composites.digest([other])


def test_composites_refuse_what_they_cannot_use() -> None:
    large = np.zeros((500, 600, 3), np.uint8)
    with pytest.raises(ValueError, match="none of sharp edges"):
        composites.composite([large] * 5, "blurred", 0)
    with pytest.raises(ValueError, match="at least 5"):
        composites.composite([large] * 4, "defocus", 0)
    with pytest.raises(ValueError, match="496×496"):
        composites.composite([large] * 4 + [large[:480]], "defocus", 0)
    with pytest.raises(ValueError, match="far enough"):
        composites.composite([large] * 5, "defocus", 0)


@given(npst.arrays(np.float64, (4, 3, 3), elements=st.floats(0, 1)))
def test_layers_over_each_other_leave_nothing_out(mattes: NDArray[np.float64]) -> None:
    alphas = composites._over([np.ones((3, 3)), *mattes])
    assert alphas.min() >= 0
    np.testing.assert_allclose(alphas.sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(alphas[-1], mattes[-1], atol=composites._LEAST_VISIBLE)


@pytest.mark.parametrize("radius", [1.5, 4, 10.3])
def test_a_point_out_of_focus_is_a_disc(radius: float) -> None:
    kernel = composites._disc(radius)
    places = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * places**2).sum() == pytest.approx(radius**2 / 4, rel=0.05, abs=0.1)
    assert kernel.max() == pytest.approx(1 / (math.pi * radius**2), rel=0.05)


@pytest.mark.parametrize(("length", "degrees"), [(6, 0), (20, 30), (44, 117)])
def test_a_moving_point_is_a_line(length: float, degrees: float) -> None:
    angle = math.radians(degrees)
    kernel = composites._streak(length, angle)
    places = np.arange(len(kernel)) - len(kernel) // 2
    along = places * math.cos(angle) + places[:, None] * math.sin(angle)
    across = places[:, None] * math.cos(angle) - places * math.sin(angle)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, rel=0.05, abs=0.25)
    assert (kernel * across**2).sum() < 0.3


def composite_of_two(rows: list[list[float]]) -> Any:
    """Black and white, the first of which has these alphas (H, W)."""
    alphas = np.asarray(rows, np.float32)
    palette = np.array([[0, 0, 0], [1, 1, 1]], np.float32)
    colors = np.ones((2, *alphas.shape, 3), np.float32) * palette[:, None, None]
    image = np.repeat(1 - alphas[..., None], 3, axis=-1)
    return composites.Composite("two 1", "two", image, np.stack((alphas, 1 - alphas)), colors, palette)


def test_the_error_is_the_share_of_misplaced_alpha() -> None:
    picture = composite_of_two([[1, 0.75], [0, 0.25]])
    assert truth.error(picture.alphas, picture) == 0
    assert truth.error(truth.peer(truth.NearestColor())(picture)[0], picture) == pytest.approx(0.125)
    assert truth.error(1 - picture.alphas, composite_of_two([[1, 1], [0, 0]])) == pytest.approx(0.875)


def test_sheets_stand_beside_each_other() -> None:
    whole = sheets.beside({"left": Image.new("RGB", (300, 90), "red"), "right": Image.new("RGB", (200, 70), "blue")})
    assert whole.width > 500
    assert whole.height > 90
    assert whole.getpixel((0, whole.height - 1)) == (255, 0, 0)
    assert whole.getpixel((whole.width - 1, whole.height - 21)) == (0, 0, 255)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sheets", "strips"])
def test_sheets_stay_out_of_the_repository(name: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), str(ROOT / "docs" / "sheets")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert "name a folder outside it" in finished.stderr
    assert not (ROOT / "docs" / "sheets").exists()


def test_the_parent_of_the_measured_processes_is_small() -> None:
    loaded = "import sys, speed; print(sorted({'torch', 'numpy', 'OpenImageIO', 'numba'} & set(sys.modules)))"
    command = [sys.executable, "-c", loaded]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "benchmarks")
    assert finished.stdout.strip() == "[]"


def test_jobs_take_turns() -> None:
    ran: list[str] = []
    seconds, given = speed.take_turns({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, 3)
    assert ran == ["a", "b"] * 4
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}
    assert given == {"a": [None] * 3, "b": [None] * 3}


def test_both_models_are_compared_on_the_same_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    palette = [0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 128, 128, 0, 90, 60, 30]
    sheets.write_palette(tmp_path / speed.PALETTE, palette)
    for height in (45, 90):
        size.resize(speed.PICTURE, height * 16 // 9, height, tmp_path / speed.picture_name(height))
    compared = speed.compare(tmp_path, (45, 90), 1)
    assert set(compared["seconds"]) == {
        f"{speed.PAPER} 80x45",
        *(f"{space} {frame}" for space in ("srgb", "auto") for frame in ("80x45", "160x90")),
    }
    assert all(
        second > 0 for times in (*compared["seconds"].values(), *compared["stages"].values()) for second in times
    )
    assert compared["working_spaces"] == {"srgb": "srgb", "auto": "lin_rec709"}
    assert compared["error_max"] < 1e-6
    process: dict[str, Any] = {"seconds": {"import": 1.0, "model": 0.0, "first frame": 9.0, "second frame": 1.0}}
    process |= {"import_rss_bytes": 2**30, "peak_rss_bytes": 3 * 2**30}
    monkeypatch.setattr(speed, "child", lambda part, *_: {"prepare": {}, "begin": process, "compare": compared}[part])
    monkeypatch.setattr(script("machine"), "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    for row, result in speed.measure(speed.PICTURE, (45, 90), 1, 1).items():
        speed.store("speed", row, result)
    written = tables.speed()
    assert "| any-palette, lin_rec709 (automatic) | empty | 1.00 s | 0.00 s | 9.00 s | 1.00 s | 3.00 GiB |" in written
    assert written.count("| 3.00 GiB | 2.00 GiB |") == 2


def test_the_curve_is_drawn_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def result(sparsity: float, torn: float) -> dict[str, Any]:
        mean = {"sparsity": sparsity, "torn_edges": torn, "torn_share": 0.01, "color_variance_weighted": 0.004}
        return {"weights_sha256": "a", "mean": mean | {"visible_layers": 2.0, "flat_noise": 0.01}}

    results = {"0": result(0.4, 0.3), "0.5": result(0.6, 0.07), "1": result(0.8, 0.02)}
    released = {row: result(2.0, 0.05) for row in tables.RELEASED}
    curve.draw(results, released, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as drawn:
        assert drawn.width > 800
        assert len(drawn.convert("RGB").getcolors(2**20) or []) > 10
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    for name, content in (("curve", results), ("kodak", released)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    rows = tables.curve().splitlines()[2:]
    assert rows[1] == "| 0.5 | 0.07 | 1.00% | 0.60 | 2.00 | 0.0040 | 0.0100 |"
    titles = [*results, *tables.RELEASED.values()]
    assert [row.split(" | ")[0] for row in rows] == [f"| {title}" for title in titles]


class TestMatting:
    """The errors of Rhemann et al. 2009 on alphas with known answers."""

    def test_the_truth_has_none(self) -> None:
        true = np.random.default_rng(0).random((24, 30))
        assert [measure(true, true) for measure in truth.MATTING.values()] == [0.0, 0.0, 0.0, 0.0]

    def test_of_a_constant_offset(self) -> None:
        true = np.full((20, 25), 0.5)
        assert truth.matting.sum_of_absolute_differences(true + 0.1, true) == pytest.approx(0.05)
        assert truth.matting.mean_squared_error(true + 0.1, true) == pytest.approx(0.01)
        assert truth.matting.gradient_error(true + 0.1, true) == pytest.approx(0.0, abs=1e-12)

    def test_an_island_is_not_connected_and_a_hole_in_the_solid_part_has_an_edge(self) -> None:
        true = np.zeros((40, 40))
        true[:20] = 1.0
        island = true.copy()
        island[30:34, 30:34] = 1.0
        assert truth.matting.connectivity_error(island, true) == pytest.approx(16 / 1000)
        assert truth.matting.gradient_error(island, true) > 0


def test_an_edit_of_the_true_layers_has_no_error(photographs: list[NDArray[np.uint8]]) -> None:
    picture = composites.composite(photographs, "gradients", 2)
    assert truth.edit_error(picture.alphas, picture.colors, picture) == 0
    assert truth.edit_error(picture.alphas[::-1], picture.colors[::-1], picture) > 5


@pytest.mark.slow
def test_what_a_gpu_gets_to_do_gives_the_same_on_the_cpu() -> None:
    found = gpu.check("cpu", (45, 90), rounds=1, frames=2, pause=0.001)
    assert found["ok"], found
    assert set(found["equal"]) == {f"{model}, {name}" for model in gpu.MODELS for name in ("float32", "bfloat16")}
    assert 0 < found["equal"]["any-palette, bfloat16"]["mean"] < gpu.BOUNDS["bfloat16"]
    for size in ("80x45", "160x90"):
        assert {name.split(",")[0] for name in found["seconds"][size]} == {
            *("copy of the layers", "frame", "the paper's two networks", "Segmenter.segment")
        }
    assert [kept["frames"] for kept in found["paced"].values()] == [2, 2]


def test_a_wait_for_the_gpu_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []
    monkeypatch.setattr(gpu.torch.cuda, "set_sync_debug_mode", modes.append)

    def job() -> None:
        if modes == ["warn"]:
            warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)

    (place,) = gpu.count_waits(job)
    assert place.startswith("test_benchmarks.py:")
    assert modes == ["warn", "default"]
    assert gpu.count_waits(lambda: None) == []


def scaled(method: str, height: int, colors: int, threads: int, seconds: float) -> dict[str, Any]:
    stages = {"alpha": seconds / 2} if method == "any-palette" else {}
    kept = {"seconds": [seconds] * 3, "stages": stages, "peak_rss_bytes": 2**30, "before_rss_bytes": 2**29}
    return {"method": method, "height": height, "colors": colors, "threads": threads, **kept}


def test_scaling_is_written_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roof = {"bytes_per_second": 1e10, "flop_per_second": 1e11}
    counted = {scaling.NETWORKS: {"alpha": 80_000, "color": 131_000}, "any-palette": {"alpha": 10_000}}
    stored: dict[str, Any] = {
        scaling.ROOF: {"roofline": dict.fromkeys(("1", "2"), roof)},
        scaling.WORK: {"flop_per_pixel": counted},
    }
    for method in scaling.LIMITS:
        points = [
            scaled(method, height, colors, threads, height**2 * colors / 1e6 / threads)
            for height, colors in scaling.plan(method, scaling.HEIGHTS, scaling.COUNTS)
            for threads in scaling.THREADS
        ]
        stored[method] = {"points": points}
    for result in stored.values():
        result["machine"] = {"cpus": 2, "cpu": "x", "threads": 2}
    scaling.draw(scaling.gathered(stored), tmp_path / "scaling.png")
    with Image.open(tmp_path / "scaling.png") as drawn:
        assert drawn.width > 1000
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert tables.scaling() == tables.ablations() == tables.NOT_MEASURED
    (tmp_path / "scaling.json").write_text(json.dumps({scaling.WORK: stored[scaling.WORK]}))
    assert tables.scaling() == tables.NOT_MEASURED  # the work is counted, but no time is measured
    (tmp_path / "scaling.json").write_text(json.dumps(stored))
    text = tables.scaling()
    rows_of = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in text.splitlines() if line[:1] == "|"}
    assert set(scaling.LIMITS) <= set(rows_of)
    for method in ("any-palette", "Aksoy 2017"):  # the K of the second is varied at another height
        assert rows_of[method][len(scaling.HEIGHTS) :][:2] == ["power 1.00", "power 1.00"]
    assert rows_of["Tan 2018"][3:7] == [""] * 4  # not asked for so many pixels
    assert "any-palette alpha" in text and "× the least)" in text


def test_a_point_that_is_killed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def child(arguments: list[str], threads: int) -> dict[str, Any]:
        if arguments[2] == "16":
            raise subprocess.CalledProcessError(-9, "python")
        return {"seconds": [float(threads)]}

    monkeypatch.setattr(scaling, "child", child)
    found = scaling.measure_all("any-palette", (72,), (16,), (1, 2))["points"]
    assert [(point["height"], point["colors"], point["threads"]) for point in found] == [(72, 7, 1), (72, 7, 2)]


@pytest.mark.slow
def test_the_work_of_the_networks_is_counted() -> None:
    counted = scaling.work()
    theirs = counted[scaling.NETWORKS]
    assert set(theirs) == {"alpha", "color"}
    assert sum(theirs.values()) * 1920 * 1080 == pytest.approx(438e9, rel=0.02)
    assert 0 < counted["any-palette"]["alpha"] < sum(theirs.values()) / 20
    roof = scaling.roofline()
    assert all(1e8 < value < 1e14 for value in roof.values())


def test_an_exponent_is_a_slope() -> None:
    assert scaling.exponent([(x, 3 * x**1.5) for x in (0.5, 2, 33)]) == pytest.approx(1.5)


@pytest.mark.parametrize("method", ["any-palette", "Tan 2018", "Aksoy 2017"])
def test_a_point_has_its_seconds_and_stages(method: str, tmp_path: Path) -> None:
    size.resize(speed.PICTURE, 48, 32, tmp_path / "small.png")
    found = scaling.measure(method, tmp_path / "small.png", 4, 1)
    assert len(found["seconds"]) == 1
    assert sum(found["stages"].values()) <= 1.5 * found["seconds"][0]
    assert found["peak_rss_bytes"] >= found["before_rss_bytes"] > 0


def test_ablations_are_those_of_the_paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(ablations.ROWS) == set(tables.PAPER_TABLE)
    mean = {"mse": 0.001, "psnr": 30.0, "ssim": 0.97, "sparsity": 1.5, "color_variance": 0.003}
    kept = {"mean": mean, "steps": 20, "machine": {"cpus": 2, "cpu": "x", "threads": 2}}
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    (tmp_path / "ablations.json").write_text(json.dumps(dict.fromkeys(("full", "w/o L_a"), kept)))
    assert "| w/o L_a | 0.00100 | 30.00 | 0.9700 | 1.500 | 0.0030 | 31.17 | 1.959 |" in tables.ablations()


def test_a_training_counts_all_its_runs(tmp_path: Path) -> None:
    assert ablations.seconds_of(tmp_path) == 0
    (tmp_path / "losses.csv").write_text("step,seconds,total\n10,12.5,0.7\n20,30.1,0.6\n")
    assert ablations.seconds_of(tmp_path) == 30.1


@pytest.mark.slow
@pytest.mark.parametrize("row", ablations.ROWS)
def test_an_ablation_is_trained_and_scored(row: str, tmp_path: Path, kodak_images: Path) -> None:
    script = [
        sys.executable,
        ROOT / "benchmarks" / "ablations.py",
        row,
        "--runs",
        tmp_path,
        "--steps",
        "1",
        "--images",
        "1",
    ]
    finished = subprocess.run(script, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"{row} {{'mse'")


def test_claims_are_judged_by_what_was_measured() -> None:
    def read(changes: dict[str, float]) -> Any:
        full = {"psnr": 30.0, "sparsity": 1.5, "color_variance": 0.003}
        parts = {"full": {"mean": full}, "w/o L_a": {"mean": full | changes}}
        return lambda name: parts if name == "ablations" else None

    def row(changes: dict[str, float]) -> Any:
        return {claim.claim[:7]: claim for claim in claims.ablated(read(changes))}

    found = row({"sparsity": 1.9, "color_variance": 0.004})
    assert (found["w/o L_a"].measured, found["w/o L_a"].held) == ("L_s +0.400, color variance +0.0010", "yes")
    assert (found["w/o L_r"].measured, found["w/o L_r"].held) == ("not measured yet", "")
    assert row({"sparsity": 1.9, "color_variance": 0.002})["w/o L_a"].held == "in part"
    assert row({"sparsity": 1.2, "color_variance": 0.002})["w/o L_a"].held == "no"
    assert set(claims.ABLATIONS) | {"full"} == set(claims.PAPER_TABLE)


def test_the_times_of_the_paper_are_held_against_its_gpu() -> None:
    stored: dict[str, Any] = {
        scaling.WORK: {"flop_per_pixel": {scaling.NETWORKS: {"alpha": 80_000, "color": 131_000}}},
        "Tan 2018": {"points": [scaled("Tan 2018", 1080, 7, 2, 30.0)]},
        scaling.NETWORKS: {"points": [scaled(scaling.NETWORKS, 1080, 7, 2, 10.0)]},
        "any-palette": {"points": [scaled("any-palette", 1080, 7, 2, 0.5)]},
    }
    speeds = {"ours": {"working_space": "lin_rec709", "process": {}, "seconds": {"1920x1080": [0.5]}}}
    speeds["theirs"] = {"seconds": {"1920x1080": [10.0]}}
    held = {claim.claim: (claim.measured, claim.held) for claim in claims.times({"scaling": stored}.get)}
    assert held["a frame in 1080p"] == ("35 ms at least on its GPU", "no")
    assert held["no other method decomposes video in practical time"][1] == "no"
    assert held["the time of Aksoy 2017 grows in proportion to the pixels"] == ("not measured yet", "")
    told = claims.why_not_faster({"scaling": stored, "speed": speeds}.get)
    assert "which is 20 times as fast" in told
    assert (
        "In the run of *Scaling*, on a slower day: Tan 2018 takes 3 times as long as the paper's two networks and 60 "
        "times as long as any-palette at 2.1" in told
    )
    assert "need 438 GFLOP" in told
    assert "35 ms are the least there" in told
    stored[scaling.WORK] = {"flop_per_pixel": {scaling.NETWORKS: {"alpha": 1000}}}
    assert {claim.claim: claim.held for claim in claims.times({"scaling": stored}.get)}["a frame in 1080p"] == "yes"


def test_results_say_how_long_they_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((130.0, 131.5))
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(machine, "_lap", [100.0])
    monkeypatch.setattr(machine.time, "monotonic", lambda: next(clock))
    machine.store("some", "first", {"score": 1})
    machine.store("some", "second", {"score": 2}, before=100.0)
    results = json.loads((tmp_path / "some.json").read_text())
    assert {row: result["wall_seconds"] for row, result in results.items()} == {"first": 30.0, "second": 101.5}
    assert commands.seconds_of(results) == 131.5
    assert commands.seconds_of(results | {"older": {"score": 3}}) is None
    assert [commands.duration(seconds) for seconds in (59.6, 131.5, 9000)] == ["60 s", "2 min", "2.5 h"]


def test_every_table_has_its_command() -> None:
    named = {name for command in commands.COMMANDS for name in command.tables}
    assert named == set(tables.TABLES) - {"claims", "commands"}
    assert {file.stem for file in RESULTS.glob("*.json")} <= {command.results for command in commands.COMMANDS}
    storing = {
        file.name
        for file in (ROOT / "benchmarks").glob("*.py")
        if "import RESULTS, store" in (text := file.read_text()) or "import store" in text
    }
    assert "kodak.py" in storing
    assert {command.text.split()[0] for command in commands.COMMANDS} >= storing


def test_the_time_of_a_command_that_is_not_done_is_not_told() -> None:
    done = {row: {"wall_seconds": 600.0} for row in claims.PAPER_TABLE}
    told = commands.table({"ablations": done}.get, tables.PLACES)
    assert "| `results/ablations.json`; `ablations` in docs/benchmarks.md | 70 min, 7 results |" in told
    assert "The whole run takes 70 min for the 1 of" in told
    del done["single network"]
    assert "No results say yet" in commands.table({"ablations": done}.get, tables.PLACES)


def test_a_strip_shows_where_alphas_change_most() -> None:
    frames = [np.full((8, 16, 3), 0.5, np.float32) for _ in range(9)]
    alphas = [
        np.stack([np.full((8, 16), alpha, np.float32), np.full((8, 16), 1 - alpha, np.float32)])
        for alpha in (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.54, 0.54, 0.54)
    ]
    assert strips.worst(alphas, frames, 4) == slice(4, 8)
    assert strips.worst(alphas[3:], frames[3:], 6) == slice(0, 6)
    palette = strips.Palette.from_array(np.asarray([[0, 0, 0], [1, 1, 1]], np.float32))
    rows = strips.rows_of(frames[4:8], palette, {"a model": alphas[4:8]})
    assert list(rows)[2] == "a model: alpha of layer 1, #000000"
    assert [float(change.max()) for change in rows["a model: its change x 10"]] == pytest.approx([0, 0.4, 0])
    moved = [frame + np.float32(0.1 * number) for number, frame in enumerate(frames[:4])]
    assert strips.changed(alphas[4:8], moved).sum() == 0  # what changes with the image is no flicker
    sheet = strips.strip(rows, 16)
    assert sheet.width == 4 * (16 + strips._GAP)
    assert sheet.height == 4 * (8 + strips._TITLE)
    assert sheet.getpixel((2, strips._TITLE + 4)) == (128, 128, 128)


def test_the_example_gets_darker() -> None:
    frames, palette = strips.example(3)
    assert len(palette) == strips.EXAMPLE_COLORS
    assert {frame.shape for frame in frames} == {(400, 600, 3)}
    np.testing.assert_allclose(frames[2], frames[0] * strips.DARKER**2, atol=0.51 / 255)


def test_tables_become_those_of_the_page() -> None:
    text = "| | a | b |\n|---|---|---|\n| *clip* | | |\n| x | 1 | |\n| y | 2 | 3 |\n\nMeasured `here`.\n"
    (table,) = report.from_markdown(text)
    assert (table.heads, table.note) == (["clip", "name", "a", "b"], "Measured here.")
    assert table.rows == [["clip", "x", "1", ""], ["clip", "y", "2", "3"]]
    whole = {table.title.split(",")[0] for table in report.page_tables()}
    assert {"Known alphas", "Flicker", "Speed"} <= whole
    assert all(len(row) == len(table.heads) for table in report.page_tables() for row in table.rows)


@pytest.mark.slow
def test_a_page_of_other_pictures_stays_out_of_the_repository() -> None:
    command = [sys.executable, "-m", "benchmarks", "report", str(report.PICTURE)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert finished.returncode != 0
    assert "no part of the repository" in finished.stderr
    assert not (ROOT / "docs" / "report.html").exists() or report.PAGE.stat().st_size > 10_000


def test_pictures_show_every_method(tmp_path: Path) -> None:
    size.resize(report.PICTURE, 61, 42, tmp_path / "small.png")
    models = {"any-palette": report.Segmenter(), "Tan 2018": report.Tan2018()}
    picture = report.picture_of(tmp_path / "small.png", models, 100)
    assert picture.image.shape == (40, 56, 3)
    assert [layers.name for layers in picture.layers] == list(models)
    assert picture.layers[0].facts.startswith("sum exact; L_s ")
    for layers in picture.layers:
        assert layers.pixels.shape == (report.COLORS, 40, 56, 4)


def test_the_page_has_the_tables_of_today(browser: Any) -> None:
    text = unescape(report.PAGE.read_text(encoding="utf-8"))
    for table in report.page_tables():
        for row in table.rows:
            assert "".join(f"<td>{cell}</td>" for cell in row) in text, "run: python -m benchmarks report"
    browser.open(report.PAGE)
    assert browser.evaluate("document.querySelectorAll('.side .picture').length") == 2 * report.COLORS
    told = [event["method"] for event in browser.events]
    assert not {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"} & set(told)
    sent = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in sent if not url.startswith("data:")] == [report.PAGE.as_uri()]
