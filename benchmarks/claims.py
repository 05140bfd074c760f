"""What the paper of the method claims (Akimoto et al. 2020) beside what was measured here.

Figures of the paper stand here; all others come from ``results/``. Where there are none yet, the table says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from scaling import COLORS, COUNTS_HEIGHT, NETWORKS, exponent, flop_of, gathered, most_threads, points

Read = Callable[[str], dict[str, Any] | None]
"""Gives the results of a name, or None where there are none."""

NOT_MEASURED = "not measured yet"

PAPER_TABLE = {
    "full": (31.07, "1.456"),
    "w/o L_r": (25.70, "1.279"),
    "w/o L_a": (31.17, "1.959"),
    "w/o L_d": (31.72, "1.640"),
    "w/o skip": (27.37, "1.149"),
    "w/o zero-centering": (31.82, "1.450"),
    "single network": (30.71, "NaN"),
}
"""PSNR and sparsity of the paper's Table 1."""

PAPER_VARIANCES = {"w/o L_a": "0.007", "w/o L_d": "0.006", "w/o zero-centering": "0.162"}
"""Color variance of its Table 2; 0.003 with all parts."""

PAPER_SSIM, PAPER_SPARSITY, PAPER_VARIANCE, PAPER_AKSOY_VARIANCE = 0.9740, 1.456, 0.003, 0.005
"""Of its Tables 1 and 2."""

PAPER_MILLISECONDS = {"1080p": (1920 * 1080, 2.9), "4K": (3840 * 2160, 3.4)}
PAPER_AKSOY = (5e6, 1000.0)
"""Pixels, and the seconds that it gives Aksoy 2017 for them."""

QUADRO_P6000 = 12.6e12
"""Floating-point operations a second at most, in float32, as its vendor says: the GPU of the paper."""

RELEASED = "released weights, released inference"
NETS = (NETWORKS, "any-palette")
STEP = 1 / 255

ABLATIONS: dict[str, tuple[str, dict[str, bool]]] = {
    "w/o L_r": ("PSNR falls", {"psnr": False}),
    "w/o L_a": ("L_s and color variance rise", {"sparsity": True, "color_variance": True}),
    "w/o L_d": ("PSNR and color variance rise", {"psnr": True, "color_variance": True}),
    "w/o skip": ("PSNR falls", {"psnr": False}),
    "w/o zero-centering": ("PSNR and color variance rise", {"psnr": True, "color_variance": True}),
    "single network": ("PSNR falls", {"psnr": False}),
}
"""What the paper says of each setting beside the full one; which scores rise and which fall."""

_LEAST = 5e-5  # change of a score that is not rounded away
_FORMS = {"psnr": "PSNR {:+.2f} dB", "sparsity": "L_s {:+.3f}", "color_variance": "color variance {:+.4f}"}


@dataclass(frozen=True)
class Claim:
    """A row: what is claimed and where, what the paper has for it, what was measured here, and whether it held."""

    claim: str
    where: str
    paper: str
    measured: str = NOT_MEASURED
    held: str = ""

    def judged(self, measured: str, held: bool | str) -> Claim:
        """With what was measured; ``held`` may be told in words."""
        return replace(self, measured=measured, held=held if isinstance(held, str) else "yes" if held else "no")


def table(read: Read) -> str:
    """All claims as a table in Markdown."""
    heads = ("claim", "where", "the paper", "measured here", "held")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for claims in (times, quality, flicker, ablated):
        for row in claims(read):
            lines.append(f"| {row.claim} | {row.where} | {row.paper} | {row.measured} | {row.held} |")
    return "\n".join(lines)


def times(read: Read) -> Iterator[Claim]:
    """Figure 5 and the factor of the abstract. What the arithmetic forbids is no matter of measuring."""
    every = gathered(read("scaling") or {})
    threads, flop = most_threads(every), flop_of(every, NETWORKS)
    for name, (pixels, milliseconds) in PAPER_MILLISECONDS.items():
        claim = Claim(f"a frame in {name}", "5.2, Figure 5", f"{milliseconds} ms")
        least = 1000 * flop * pixels / QUADRO_P6000
        yield claim.judged(f"{least:.0f} ms at least on its GPU", milliseconds >= least) if flop else claim
    claim = Claim("a clip of 450 frames in 1080p", "5.2", "1.35 s")
    least = 450 * flop * PAPER_MILLISECONDS["1080p"][0] / QUADRO_P6000
    yield claim.judged(f"{least:.0f} s at least on its GPU", least <= 1.35) if flop else claim
    claim = Claim("times as fast as Aksoy 2017", "abstract, Figure 5", "300,000")
    if flop:
        most = PAPER_AKSOY[1] / (flop * PAPER_AKSOY[0] / QUADRO_P6000)
        claim = claim.judged(f"{most:,.0f} at most on its GPU", most >= 300_000)
    yield claim
    claim = Claim("the time of Aksoy 2017 grows in proportion to the pixels", "5.2", "power 1")
    line = points(every, "Aksoy 2017", threads, "seconds", "megapixels")
    if len(line) > 1:
        power = exponent(line)
        claim = claim.judged(f"power {power:.2f}", 0.9 <= power <= 1.1)
    yield claim
    claim = Claim("no other method decomposes video in practical time", "5.2, 5.4", "seconds against hours")
    frame = {
        method: median(point["seconds"])
        for method in (NETWORKS, "Tan 2018")
        for point in every["points"]
        if (point["method"], point["height"], point["colors"], point["threads"])
        == (method, COUNTS_HEIGHT, COLORS, threads)
    }
    if len(frame) == 2:
        told = f"a frame in 1080p on a CPU: {frame[NETWORKS]:.1f} s, Tan 2018 {frame['Tan 2018']:.1f} s"
        claim = claim.judged(told, frame["Tan 2018"] > 10 * frame[NETWORKS])
    yield claim


def quality(read: Read) -> Iterator[Claim]:
    """Tables 1 and 2 and the abstract, by the released weights."""
    kodak, known = read("kodak") or {}, read("truth") or {}
    mean, aksoy = kodak[RELEASED]["mean"], kodak.get("Aksoy 2017", {}).get("mean")
    psnr = PAPER_TABLE["full"][0]
    claim = Claim("the layers add up to nearly the image", "Table 1", f"{psnr} dB, SSIM {PAPER_SSIM:.4f}")
    told = f"{mean['psnr']:.2f} dB, SSIM {mean['ssim']:.4f}"
    yield claim.judged(told, mean["psnr"] >= psnr and mean["ssim"] >= PAPER_SSIM)
    claim = Claim("in that, they are about as good as Aksoy 2017", "Table 1", "MSE 0.00088 to 0.00050")
    if aksoy:
        claim = claim.judged(f"MSE {mean['mse']:.5f} to {aksoy['mse']:.1g}", mean["mse"] <= 2 * aksoy["mse"])
    yield claim
    told = f"L_s {mean['sparsity']:.2f}, {mean['visible_layers']:.1f} layers over 1 % in a pixel"
    claim = Claim("alphas are sparse", "Table 1", f"L_s {PAPER_SPARSITY}")
    yield claim.judged(told, mean["sparsity"] <= PAPER_SPARSITY)
    own, exact = (kodak[row]["mean"]["color_variance"] for row in (RELEASED, "released weights"))
    claim = Claim("a layer has one color: its variance", "Table 2", f"{PAPER_VARIANCE}")
    yield claim.judged(f"{own:.4f}; made to add up exactly, {exact:.4f}", round(own, 3) <= PAPER_VARIANCE)
    claim = Claim("less of it than Aksoy 2017", "Table 2", f"{PAPER_VARIANCE} to {PAPER_AKSOY_VARIANCE}")
    if aksoy:
        claim = claim.judged(f"{own:.4f} to {aksoy['color_variance']:.4f}", own < aksoy["color_variance"])
    yield claim
    released, nearest = (known[row]["mean"] for row in ("released weights, filter", "nearest color"))
    claim = Claim("colors are assigned to the proper layers", "abstract", "pictures")
    told = f"error of known alphas {released:.3f}"
    yield claim.judged(f"{told}; nearest color {nearest:.3f}", released < nearest)
    claim = Claim("results are comparable to those of Aksoy 2017 and Tan 2018", "abstract", "pictures")
    others = {row: known[row]["mean"] for row in ("Aksoy 2017", "Tan 2018") if row in known}
    if len(others) == 2:
        told = "; ".join((told, *(f"{row} {error:.3f}" for row, error in others.items())))
        claim = claim.judged(told, released <= max(others.values()))
    yield claim


def flicker(read: Read) -> Iterator[Claim]:
    """Section 5.4: frames one by one, by the released weights and by the shipped ones."""
    clips = read("video") or {}
    for row, title in ((RELEASED, "the released weights"), ("any-palette", "`any-palette`")):
        pumping = [scores["pumping"] for scores in clips[row]["sequences"].values()]
        told = (
            f"the mean alpha of a layer jumps by up to {', '.join(f'{value / STEP:.1f}' for value in pumping)} in 255"
        )
        calm = sum(value < STEP for value in pumping)
        held = calm > 0 if calm in (0, len(pumping)) else f"in {calm} of {len(pumping)} clips"
        yield Claim(f"layers do not flicker, {title}", "5.4", "a video").judged(told, held)


def ablated(read: Read) -> Iterator[Claim]:
    """What Table 1 and 2 say of each part, by short trainings."""
    results = read("ablations") or {}
    for row, (says, rises) in ABLATIONS.items():
        psnr, sparsity = PAPER_TABLE[row]
        said = {
            "psnr": _FORMS["psnr"].format(psnr - PAPER_TABLE["full"][0]),
            "sparsity": f"L_s {sparsity} from {PAPER_TABLE['full'][1]}",
            "color_variance": f"color variance {PAPER_VARIANCES.get(row)} from {PAPER_VARIANCE}",
        }
        where = "Tables 1 and 2" if "color_variance" in rises else "Table 1"
        claim = Claim(f"{row}: {says}", where, ", ".join(said[name] for name in rises))
        if row in results and "full" in results:
            changes = {name: results[row]["mean"][name] - results["full"]["mean"][name] for name in rises}
            told = ", ".join(_FORMS[name].format(change) for name, change in changes.items())
            # What is told as no change is on neither side.
            right = [(changes[name] > 0) == up and abs(changes[name]) >= _LEAST for name, up in rises.items()]
            claim = claim.judged(told, all(right) if len(set(right)) == 1 else "in part")
        yield claim


def why_not_faster(read: Read) -> str:
    """Our ratio, and what the times of the paper cannot have been."""
    speeds, every = read("speed") or {}, gathered(read("scaling") or {})
    ours = next(result for result in speeds.values() if result.get("working_space") == "lin_rec709")
    theirs = next(result for result in speeds.values() if "process" not in result)
    size = next(iter(theirs["seconds"]))
    own, other = (median(result["seconds"][size]) for result in (ours, theirs))
    text = (
        f"The honest ratio: on the same CPU, a 1080p frame takes {other:.1f} s by the paper's two networks and "
        f"{own:.2f} s by `any-palette`, which is {other / own:.0f} times as fast. "
    )
    threads = most_threads(every)
    compared = []
    for method in ("Tan 2018", "Aksoy 2017"):
        slow, *fast = (dict(points(every, name, threads, "seconds", "megapixels")) for name in (method, *NETS))
        at = max(slow.keys() & fast[0].keys() & fast[1].keys(), default=None)
        if at is not None:
            factors = " and ".join(
                f"{slow[at] / own[at]:,.0f} times as long as {name}" for name, own in zip(NETS, fast, strict=True)
            )
            compared.append(f"{method} takes {factors} at {at:.1f} megapixels. ")
    text += "".join(["In the run of *Scaling*, on a slower day: ", *compared]) if compared else ""
    flop = flop_of(every, NETWORKS)
    if not flop:
        return text + "What the arithmetic forbids is not counted yet."
    frame, larger = flop * 1920 * 1080, flop * PAPER_AKSOY[0] / QUADRO_P6000
    return text + (
        f"The paper's networks need {frame / 1e9:.0f} GFLOP for a 1080p frame. Its GPU, a Quadro P6000, does at most "
        f"{QUADRO_P6000 / 1e12:.1f} TFLOP/s, so {1000 * frame / QUADRO_P6000:.0f} ms are the least there, not 2.9 ms. "
        f"A frame of 5 megapixels takes {1000 * larger:.0f} ms or more: the factor to the 1000 s that the paper gives "
        f"Aksoy 2017 is at most {PAPER_AKSOY[1] / larger:,.0f}, not 300,000. The paper's times hardly grow with the "
        "size, as those of a launch that is not waited for; the released code reads the clock without waiting for the "
        "GPU."
    )
