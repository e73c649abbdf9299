"""The page as a browser lays it out, as wide as a telephone and as a desk: nothing sticks out, overlaps, or is fetched.

A window of Chromium is never narrower than 500 px, so the page is laid out in a frame of its own, for which its media queries
count.
"""

import json
import re
import shutil
import subprocess
from html import escape, unescape

import pytest

from ifru_jax.store import ErrorBudget, Store

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
WIDTHS = (360, 1200)
# Boxes of everything that holds text or is drawn by itself; those in a box that scrolls are cut to what it shows.
MEASURE = """
const seen = frame => {
  const page = frame.contentDocument, found = [];
  const cut = (box, of) => {
    for (let up = of.parentElement; up; up = up.parentElement) {
      if (up.classList.contains("wide")) {
        const edge = up.getBoundingClientRect();
        box = {left: Math.max(box.left, edge.left), right: Math.min(box.right, edge.right), top: box.top, bottom: box.bottom};
      }
    }
    return box;
  };
  for (const one of page.body.querySelectorAll("*")) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own && one.tagName !== "svg" || one.tagName === "STYLE") continue;
    const inline = getComputedStyle(one).display === "inline" && !one.closest("svg");
    if (inline) continue;
    const box = cut(one.getBoundingClientRect(), one);
    if (box.right > box.left) found.push({tag: one.tagName, text: one.textContent.trim().slice(0, 40), svg: !!one.closest("svg"),
      size: parseFloat(getComputedStyle(one).fontSize), left: box.left, right: box.right, top: box.top, bottom: box.bottom});
  }
  return {width: frame.clientWidth, scrolls: page.documentElement.scrollWidth, boxes: found,
    fetched: frame.contentWindow.performance.getEntriesByType("resource").length, height: page.documentElement.scrollHeight};
};
addEventListener("load", () => {
  const out = document.createElement("pre");
  out.id = "out";
  out.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(seen));
  document.body.append(out);
});
"""


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory, trained, split, key):
    """What the browser measured, at each width, of the page of a store with something of every kind in it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    home = tmp_path_factory.mktemp("page")
    folder = home / "a-shop-with-a-long-name-that-has-nowhere-to-break-but-in-the-middle-of-it"
    with Store.create(folder, trained, split=split, key=key, grace="30d", budget=ErrorBudget(settle_at=0.1)) as store:
        store.export(home / "an-export-with-a-name-that-is-as-long-as-names-of-exports-come-to-be.npz")
        for user in (103, 104, 105):
            store.forget(users=[user], quick=True)
        store.settle()
        store.forget(users=[106, 103, 9999], missing="report")
        store.undo()
        store.forget(users=[107], quick=True)
        page = store.report(home / "report.html").read_text()
    frames = "".join(
        f'<iframe width="{width}" height="4000" style="border:0" srcdoc="{escape(page)}"></iframe>' for width in WIDTHS
    )
    host = home / "host.html"
    host.write_text(f"<!doctype html><meta charset=utf-8><body>{frames}<script>{MEASURE}</script>")
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=5000",
        f"--user-data-dir={home / 'profile'}",
    ]
    command = [CHROMIUM, *options, "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1700,1000", "--dump-dom", host.as_uri()]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="out">(.*?)</pre>', told, re.DOTALL)
    assert found, told[-2000:]
    return dict(zip(WIDTHS, json.loads(unescape(found[1])), strict=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_it_does_not_scroll_sideways(laid_out, width):
    seen = laid_out[width]
    assert seen["width"] == width
    assert seen["scrolls"] <= width
    assert len(seen["boxes"]) > 50
    assert all(box["left"] >= -0.5 and box["right"] <= width + 0.5 for box in seen["boxes"])


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overlaps(laid_out, width):
    boxes = laid_out[width]["boxes"]
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            if (one["tag"] == "svg" and other["svg"]) or (other["tag"] == "svg" and one["svg"]):
                continue  # a drawing and what is in it
            aside = one["right"] <= other["left"] + 0.5 or other["right"] <= one["left"] + 0.5
            above = one["bottom"] <= other["top"] + 0.5 or other["bottom"] <= one["top"] + 0.5
            assert aside or above, (one, other)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_fetched(laid_out, width):
    assert laid_out[width]["fetched"] == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_written_can_be_read(laid_out, width):
    """Not smaller than twelve pixels, in drawings either."""
    written = [box for box in laid_out[width]["boxes"] if box["tag"] != "svg"]
    assert not [box for box in written if box["svg"]]
    assert min(box["size"] for box in written) >= 12
