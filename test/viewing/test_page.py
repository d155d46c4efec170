"""The page in a browser: colours on its screen are those of the classes, and the switches take them away."""

import io
import shutil

import numpy as np
import pytest

pytest.importorskip("viser", reason="viser is not installed: requirements/view.txt")

from seg_ros.classes import CAMVID
from seg_ros.viewing.legend import Line
from seg_ros.viewing.page import Page
from seg_ros.viewing.space import Solid
from test.conftest import wait_for

ROAD, CAR = CAMVID.names.index("road"), CAMVID.names.index("car")
PURPLE, INDIGO = CAMVID.colors[ROAD], CAMVID.colors[CAR]
EDGE = (137, 0, 188)
"""Of a car's box: viser encodes a line's colour for the screen once more than a point's."""
LEVEL = np.eye(3)


@pytest.fixture
def page():
    page = Page(CAMVID, port=0)
    yield page
    page.close()


@pytest.fixture
def screen(page):
    """The page in headless Chromium."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed: apt install chromium")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # draws without a GPU
        chromium = driver.chromium.launch(executable_path=browser, args=arguments)
        screen = chromium.new_page(viewport={"width": 1100, "height": 600})
        screen.on("request", lambda request: asked.append(request.url))
        asked = screen.asked = []
        screen.goto(page.address)
        yield screen
        chromium.close()


def middle(screen):
    """The pixels between the panels, `(600, 440, 3) uint8`."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(screen.screenshot())).convert("RGB"))[:, 370:810]


def count(screen, color, off=3):
    return (np.abs(middle(screen).astype(int) - color).max(-1) <= off).sum()


def test_points_have_the_colours_of_their_classes_until_they_are_switched_off(page, screen):
    x, y = (v.ravel() for v in np.meshgrid(np.arange(5, 15, 0.05), np.arange(-4, 4, 0.05)))
    points = np.stack((x, y, np.full(len(x), -1.5)), 1).astype(np.float32)
    page.show_points(points, np.where(y < 0, ROAD, CAR).astype(np.uint8))
    wait_for(lambda: count(screen, PURPLE) > 1000 and count(screen, INDIGO) > 1000, 30)
    screen.get_by_label("road", exact=True).uncheck()
    wait_for(lambda: count(screen, PURPLE) == 0, 30)
    assert count(screen, INDIGO) > 1000
    page.show_points(points, np.full(len(x), ROAD, np.uint8))  # what comes later is filtered, too
    wait_for(lambda: count(screen, INDIGO) == 0, 30)
    assert count(screen, PURPLE) == 0
    screen.get_by_label("road", exact=True).check()
    wait_for(lambda: count(screen, PURPLE) > 1000, 30)


def test_the_page_shows_boxes_pictures_and_ages_and_asks_nobody_else(page, screen):
    wait_for(lambda: page.watched)
    page.show_boxes([Solid("car", "car 9 m", np.float64((9, 0, -0.7)), np.float64((4, 2, 1.5)), LEVEL)])
    page.show_picture("camera", np.full((480, 640, 3), (200, 60, 20), np.uint8))
    page.show_figures([Line("points", "/lift/points", 9.87, 0.123), Line("camera", "/<b>", 0.0, None)])
    wait_for(lambda: count(screen, EDGE, 30) > 50, 30)
    screen.get_by_text("9.9", exact=True).wait_for(timeout=20000)
    screen.get_by_text("0.12", exact=True).wait_for(timeout=20000)
    wait_for(lambda: screen.evaluate("Math.max(0, ...[...document.images].map(i => i.width))") > 200)
    screen.get_by_label("car", exact=True).uncheck()
    wait_for(lambda: count(screen, EDGE, 30) == 0, 30)
    own = page.address.removeprefix("http://")
    assert [url for url in screen.asked if own not in url and not url.startswith(("blob:", "data:"))] == []


def test_nobody_watches_a_page_that_is_not_open(page):
    assert not page.watched
    page.show_points(np.zeros((0, 3), np.float32), np.zeros(0, np.uint8))
    page.show_boxes([])


def test_the_page_opens_to_no_tunnel(page):
    assert page._server.request_share_url() is None
