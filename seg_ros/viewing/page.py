"""The page: a server for browsers, by viser, that shows the newest of everything and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import rich
import viser

from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.viewing.legend import Line, figures, swatch
from seg_ros.viewing.space import Solid, edges

_EYE, _AHEAD = (-2.0, 0.0, 2.4), (14.0, 0.0, -1.5)
"""m: where a browser looks from at first, behind and above the camera, and where to."""
_BACKGROUND = (17, 19, 24)
_FAINT = (58, 64, 78)
_LOW = 5
"""Percent of the points that lie below the grid: under the ground there are only errors."""
_POINT = 0.06
"""m; points are a few centimetres apart where a camera's are dense, and decimetres at 20 m."""
_UNKNOWN = (96, 100, 108)
"""Of unlabelled points: black would not be seen."""
_UNLABELLED = "unlabelled"
_TEXTS = 12
"""Most boxes with a text above: more would hide what they are about."""
_PICTURE = 480
"""Most pixels of a picture's width that are sent: the panel has no more."""


class Page:
    """Serves one page to any number of browsers, who share its switches.

    Of everything that is shown only the newest is kept: a browser that is slow gets fewer updates, no older ones.

    Args:
        classes: names and colours.
        title: of the page.
        host: address that is listened on; "0.0.0.0" is every one of the machine's, for browsers elsewhere.
        port: of it; the next free one if it is taken, any free one if it is 0.

    Attributes:
        address: to open in a browser.
    """

    def __init__(self, classes: ClassMap, title: str = "seg_ros", host: str = "127.0.0.1", port: int = 8080) -> None:
        rich.get_console().quiet = True  # viser's own prints; the address is said once, by whoever opens the page
        self._classes, self._drawing = classes, threading.Lock()
        self._colors = classes.palette()
        self._colors[len(classes) :] = _UNKNOWN
        self._points = np.zeros((0, 3), np.float32)
        self._labels = np.zeros(0, np.uint8)
        self._solids: Sequence[Solid] = ()
        self._texts: list[Any] = []
        self._server = _Server(host=host, port=port, label=title, verbose=False)
        self.address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{self._server.get_port()}"
        self._furnish()
        self._panel()

    @property
    def watched(self) -> bool:
        """Returns whether a browser shows the page."""
        return bool(self._server.get_clients())

    def show_points(self, points: np.ndarray, label: np.ndarray) -> None:
        """Shows a cloud in place of the last one.

        Args:
            points: `(N, 3) float32`, m: ahead, left, up.
            label: `(N,) uint8`, class ids; 255 = unlabelled.
        """
        with self._drawing:
            self._points, self._labels = points, label
            self._draw_points()
            if len(points) and not self._grid.visible:  # once: a sensor stays at its height
                self._grid.position, self._grid.visible = (0.0, 0.0, float(np.percentile(points[:, 2], _LOW))), True

    def show_boxes(self, solids: Sequence[Solid]) -> None:
        """Shows boxes in place of the last ones."""
        with self._drawing:
            self._solids = solids
            self._draw_boxes()

    def show_picture(self, name: str, pixels: np.ndarray) -> None:
        """Shows a picture, `(H, W, 3) uint8` RGB, in place of the last one of that name: `overlay` or `camera`."""
        height, width = pixels.shape[:2]
        if width > _PICTURE:
            size = _PICTURE, max(1, round(height * _PICTURE / width))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        picture = self._pictures[name]
        picture.image = pixels
        picture.visible = True

    def show_figures(self, lines: Sequence[Line]) -> None:
        """Shows how often each topic comes, and how old its newest message is."""
        self._figures.content = figures(lines)

    def close(self) -> None:
        """Ends the server."""
        self._server.stop()

    def _furnish(self) -> None:
        scene = self._server.scene
        self._server.initial_camera.position = _EYE
        self._server.initial_camera.look_at = _AHEAD
        scene.set_background_image(np.full((2, 2, 3), _BACKGROUND, np.uint8), format="png")
        scene.world_axes.visible = False
        self._grid = scene.add_grid(
            "/ground", infinite_grid=True, cell_size=1.0, section_size=10.0, cell_color=_FAINT, section_color=_FAINT,
            cell_thickness=0.5, fade_distance=80.0, shadow_opacity=0.0, visible=False,
        )  # fmt: skip
        nothing = np.zeros((0, 3), np.float32)
        self._cloud = scene.add_point_cloud(
            "/points", nothing, nothing.astype(np.uint8), point_size=_POINT, point_shape="circle", point_shading="flat"
        )
        self._lines = scene.add_line_segments(
            "/boxes", nothing.reshape(0, 2, 3), nothing.reshape(0, 2, 3).astype(np.uint8), thickness=2.0,
            thickness_units="screen",
        )  # fmt: skip

    def _panel(self) -> None:
        gui = self._server.gui
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False, brand_color=(122, 162, 247))
        beside = gui.add_panel()
        blank = np.zeros((1, 1, 3), np.uint8)
        with beside.add_tab("Pictures"):
            self._pictures = {
                name: gui.add_image(blank, label=name, format="jpeg", jpeg_quality=80, visible=False)
                for name in ("overlay", "camera")
            }
        beside.dock_left()
        beside.set_width(360)
        gui.main_panel.dock_right()
        gui.main_panel.set_width(280)
        self._figures = gui.add_html(figures(()))
        self._switches = []
        with gui.add_folder("Classes"):
            for name, color in zip((*self._classes.names, _UNLABELLED), self._all_colors(), strict=True):
                gui.add_html(swatch(color))
                switch = gui.add_checkbox(name, True)
                switch.on_update(lambda _: self._filtered())
                self._switches.append(switch)

    def _all_colors(self) -> list[tuple[int, int, int]]:
        return [tuple(color) for color in (*self._colors[: len(self._classes)].tolist(), _UNKNOWN)]

    def _filtered(self) -> None:
        with self._drawing:
            self._draw_points()
            self._draw_boxes()

    def _shown(self) -> np.ndarray:
        """Which labels are shown, `(256,) bool`."""
        shown = np.full(UNLABELLED + 1, self._switches[-1].value)
        shown[: len(self._classes)] = [switch.value for switch in self._switches[:-1]]
        return shown

    def _draw_points(self) -> None:
        kept = self._shown()[self._labels]
        with self._server.atomic():
            self._cloud.points = self._points[kept]
            self._cloud.colors = self._colors[self._labels[kept]]

    def _draw_boxes(self) -> None:
        shown, names = self._shown(), self._classes.names
        solids = [solid for solid in self._solids if solid.name not in names or shown[names.index(solid.name)]]
        colors = [self._colors[names.index(s.name) if s.name in names else UNLABELLED] for s in solids]
        lines = edges(solids)
        with self._server.atomic():  # viser draws lines lighter than points of the same colour: so they stand out
            self._lines.points = lines
            self._lines.colors = np.repeat(colors, 24, axis=0).reshape(lines.shape).astype(np.uint8)
            self._write(solids)

    def _write(self, solids: Sequence[Solid]) -> None:
        """Texts above the nearest boxes. They are kept and hidden: made anew each time they would flicker."""
        solids = sorted(solids, key=lambda solid: np.linalg.norm(solid.center))[:_TEXTS]
        while len(self._texts) < len(solids):
            name = f"/texts/{len(self._texts)}"
            self._texts.append(self._server.scene.add_label(name, "", anchor="bottom-center", font_screen_scale=0.7))
        for text, solid in zip(self._texts, solids, strict=False):
            top = edges([solid])[..., 2].max()
            text.text, text.position, text.visible = solid.text, (*solid.center[:2], top), True
        for text in self._texts[len(solids) :]:
            text.visible = False


class _Server(viser.ViserServer):
    def request_share_url(self, verbose: bool = True) -> None:
        """Does nothing: a browser can ask for it, and it would show the page to the internet, by others' servers."""
