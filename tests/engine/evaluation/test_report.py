"""The page: what is in it, and what it does in a real browser."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from fscs_engine.errors import OutputError
from fscs_engine.evaluation import report
from fscs_engine.evaluation.report import Layers, LayersPage, Picture, Plot, Table, page, thumbnail, write_page
from fscs_engine.palette.palette import Palette, PaletteColor

HEIGHT, WIDTH = 90, 160
TABLE = Table("Scores", ("model", "error"), [("a", "0.5"), ("b", "1.2e-07"), ("c", "exact"), ("d", "10 (9 to 11)")])


def ramp() -> tuple[NDArray[np.float32], Palette, NDArray[np.float32]]:
    """A picture from red to blue, its palette, and its two layers, premultiplied."""
    colors = np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.9]], np.float32)
    right = np.broadcast_to(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, WIDTH))
    alphas = np.stack((1 - right, right))[..., None]
    layers = np.concatenate((alphas * colors[:, None, None], alphas), axis=-1)
    palette = Palette((PaletteColor(tuple(colors[0].tolist()), name="<red> & warm"), PaletteColor((0.1, 0.2, 0.9))))
    return layers.sum(axis=0)[..., :3], palette, layers


def a_page() -> str:
    image, palette, layers = ramp()
    return page(
        "Layers & <scores>",
        lead="A ramp.",
        tables=[TABLE],
        plots=[Plot("A plot", png(), "nothing to see")],
        pictures=[Picture("ramp", image, palette, [Layers("ours", layers), Layers("other", layers[::-1])])],
    )


def png() -> bytes:
    kept = io.BytesIO()
    Pillow.new("RGB", (4, 3), "red").save(kept, "PNG")
    return kept.getvalue()


class Reader(HTMLParser):
    """Collects what a page refers to, and its headings."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data


def test_a_page_refers_to_nothing_outside_itself() -> None:
    html = a_page()
    reader = Reader()
    reader.feed(html)
    assert {address[:5] for address in reader.addresses if not address.startswith("#")} == {"data:"}
    assert {found[:5] for found in re.findall(r"url\(([^)]*)\)", html)} == {"data:"}
    assert "://" not in re.sub(r"base64,[\w+/=]*", "", html)
    assert "<h1>Layers &amp; &lt;scores&gt;</h1>" in html
    assert "&lt;red&gt; &amp; warm" in html and "<red>" not in html


def test_equal_contents_give_equal_bytes() -> None:
    assert a_page() == a_page()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4))
def test_a_thumbnail_has_means_of_areas(height: int, width: int, block: int) -> None:
    pixels = np.random.default_rng(height * width).random((height * block, width * block, 4), np.float32)
    small = thumbnail(pixels, max(height, width))
    blocks = pixels.reshape(height, block, width, block, 4)
    np.testing.assert_allclose(small, blocks.mean(axis=(1, 3)), atol=1e-6)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_a_thumbnail_is_no_longer_than_it_may_be(height: int, width: int, longest: int) -> None:
    small = thumbnail(np.full((height, width, 3), 0.25, np.float32), longest)
    assert max(small.shape[:2]) == min(longest, max(height, width))
    np.testing.assert_allclose(small, 0.25, atol=1e-6)


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        write_page(tmp_path / "page.html", a_page())
    image, palette, _ = ramp()
    with pytest.raises(OutputError, match="exists"):
        LayersPage(tmp_path / "page.html", "title", image=image, palette=palette)
    assert (tmp_path / "page.html").read_text() == "mine"


def test_layers_come_in_strips(tmp_path: Path) -> None:
    image, palette, layers = ramp()
    texts = []
    for number, rows in enumerate(([HEIGHT], [1, 50, HEIGHT - 51])):
        with LayersPage(tmp_path / f"{number}.html", "plate", image=image, palette=palette) as sheet:
            for top, count in zip(np.cumsum([0, *rows]).tolist(), rows, strict=False):
                sheet.write(top, layers[:, top : top + count])
        texts.append((tmp_path / f"{number}.html").read_text())
    assert texts[0] == texts[1]
    assert "<h1>plate</h1>" in texts[0]
    assert texts[0].count("50.00%") == 2
    assert "160×90; the sum of the layers is the image within 0.0e+00" in texts[0]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Any:
    write_page(tmp_path / "page.html", a_page())
    browser.resize(1000, 900)
    browser.open(tmp_path / "page.html")
    yield browser
    told = [event for event in browser.events if event["method"].startswith(("Log.", "Runtime.console"))]
    assert told + [event for event in browser.events if event["method"] == "Runtime.exceptionThrown"] == []
    sent = [event["params"]["request"] for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    loaded = {request["url"].split("/")[0] for request in sent}
    assert loaded == {"file:", "data:image"}
    assert sum(request["url"].startswith("file:") for request in sent) == 1


def seen(browser: Any, folder: Path) -> NDArray[np.int16]:
    """What the stage shows."""
    box = browser.evaluate("(({x, y, width, height}) => [x, y, width, height])(stage.getBoundingClientRect())")
    with Pillow.open(browser.picture(folder / "seen.png")) as shown:
        x, y, width, height = map(round, box)
        return np.asarray(shown.convert("RGB").crop((x, y, x + width, y + height)), np.int16)


def choose(browser: Any, select: int, option: int) -> None:
    browser.evaluate(f"choice = document.querySelectorAll('select')[{select}]; choice.selectedIndex = {option};")
    browser.evaluate("choice.dispatchEvent(new Event('change'))")


def test_the_divider_moves_by_the_keyboard(opened: Any, tmp_path: Path) -> None:
    opened.evaluate("window.stage = document.querySelector('.stage'); stage.scrollIntoView(); 0")
    choose(opened, 2, 4)  # alpha 2; the other model has the layers the other way round
    half = seen(opened, tmp_path)
    width = half.shape[1]
    assert half[10, width // 2 - 30, 0] == pytest.approx(255 * 0.47, abs=8)
    assert half[10, width - 10, 0] < 12  # right of the divider: alpha 1 as it is in fact
    for _ in range(20):
        opened.press("Tab")
        if opened.evaluate("document.activeElement.className") == "split":
            break
    else:
        pytest.fail("the divider is never reached by Tab")
    opened.press("End")
    assert opened.evaluate("stage.style.getPropertyValue('--at')") == "100%"
    assert seen(opened, tmp_path)[10, width - 10, 0] > 240
    opened.press("ArrowLeft", 5)
    assert opened.evaluate("stage.style.getPropertyValue('--at')") == "95%"


def test_the_browser_adds_the_layers_up_and_turns_their_hues(opened: Any, tmp_path: Path) -> None:
    opened.evaluate("window.stage = document.querySelector('.stage'); stage.scrollIntoView(); 0")
    opened.evaluate("stage.style.setProperty('--at', '100%')")
    added = seen(opened, tmp_path)
    choose(opened, 0, 0)
    image = seen(opened, tmp_path)
    assert np.abs(added - image)[:, 20:-20].max() <= 6
    choose(opened, 0, 1)
    opened.evaluate("document.querySelector('details').open = true; document.querySelector('.hues input').focus()")
    opened.press("End")
    opened.evaluate("stage.scrollIntoView(); 0")
    turned = seen(opened, tmp_path)
    assert turned[10, 5, 2] > turned[10, 5, 0]  # red has become cyan
    np.testing.assert_allclose(turned[10, -40], image[10, -40], atol=40)
    assert opened.evaluate("document.querySelector('output').value") == "180°"


def test_a_table_sorts_by_the_keyboard(opened: Any) -> None:
    opened.evaluate("document.querySelectorAll('th button')[1].focus()")
    column = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent).join('')"
    opened.press("Enter")
    assert opened.evaluate(column) == "badc"
    assert opened.evaluate("document.querySelectorAll('th')[1].ariaSort") == "ascending"
    opened.press("Enter")
    assert opened.evaluate(column) == "dabc"  # words come last either way


def test_a_phone_needs_no_scrolling_to_the_side(opened: Any) -> None:
    opened.resize(390, 844, phone=True)
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.evaluate("Math.min(...[...document.querySelectorAll('select')].map(s => s.offsetHeight))") >= 44


def test_the_template_is_one_file_beside_its_module() -> None:
    assert report._TEMPLATE.is_file()
