"""Painting colour and truth in one stroke: a four-channel image of red, green, blue and a paint number.

A paint number below 11 is a class id; from 11 on it stands for one car, pedestrian or bicyclist. Colour and
number travel in the same pixel, so the truth has exactly the edges that were painted. Where the distance is asked for,
each stroke also leaves which surface in space it is.
"""

from __future__ import annotations

import cv2
import numpy as np

from seg_ros.classes import CAMVID
from seg_ros.scenes.surfaces import Surface, distances

_SUBPIXEL = 4
_STUFF = len(CAMVID)

Pyramid = list[np.ndarray]
"""A texture `(H, W, 4) uint8` and its halvings; in sprites the fourth channel is opacity."""


def pyramid(texture: np.ndarray, levels: int) -> Pyramid:
    """Returns the texture `(H, W, 4) uint8` with `levels` - 1 halvings."""
    out = [np.ascontiguousarray(texture)]
    for _ in range(levels - 1):
        h, w = out[-1].shape[:2]
        out.append(cv2.resize(out[-1], (max(w // 2, 1), max(h // 2, 1)), interpolation=cv2.INTER_AREA))
    return out


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << _SUBPIXEL)).astype(np.int32)


class Canvas:
    """One frame being painted, from far to near.

    Attributes:
        pixels: `(H, W, 4) uint8`, red, green, blue, paint number.
        surfaces: what was painted, in this order; empty where it is not kept.
        label, instance: class id and object id by paint number.
    """

    def __init__(self, pixels: np.ndarray, haze: np.ndarray, keep: bool = False) -> None:
        """Starts to paint on `pixels`; `haze` is an image of the same shape filled with the haze colour.

        Args:
            keep: the surfaces, for the distances.
        """
        self.pixels = pixels
        self.surfaces: list[Surface] = []
        self._index = np.zeros(pixels.shape[:2], np.uint16) if keep else None
        self._haze = haze
        self.label = np.arange(256, dtype=np.uint8)
        self.instance = np.zeros(256, np.uint16)
        self._next = _STUFF

    def thing(self, class_id: int, instance: int) -> int | None:
        """Returns the paint number for a new thing; None once a frame has used up its 245."""
        if self._next > 255:
            return None
        self.label[self._next] = class_id
        self.instance[self._next] = instance
        self._next += 1
        return self._next - 1

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns label `(H, W) uint8` and instance `(H, W) uint16` of what is painted."""
        number = cv2.extractChannel(self.pixels, 3)
        return cv2.LUT(number, self.label), cv2.LUT(number, self.instance)

    def depth(self) -> np.ndarray:
        """Returns the distance of what is painted, `(H, W) float32`, m; inf where no surface is."""
        return distances(self._index, self.surfaces)

    def ground(self, plane: np.ndarray, nearest: float, horizon: float) -> None:
        """Keeps the ground, painted below the row `horizon`, px; the arguments are those of a `Surface`."""
        if self._index is not None:
            self.surfaces.append(Surface(0, plane, nearest, np.inf))
            self._index[int(horizon) + 1 :] = 1

    def polygon(self, points: np.ndarray, color: np.ndarray, number: int, fade: float = 0.0) -> None:
        """Fills the convex polygon `(N, 3)`, px and 1/m, with RGB `color`, `fade` of it haze."""
        haze = self._haze[0, 0].tolist()
        paint = (*(c * (1 - fade) + h * fade for c, h in zip(color.tolist(), haze, strict=False)), number)
        fixed = _fixed(points[:, :2])
        cv2.fillConvexPoly(self.pixels, fixed, paint, cv2.LINE_8, _SUBPIXEL)
        if self._index is not None:
            self.surfaces.append(Surface.polygon(number, points))
            cv2.fillConvexPoly(self._index, fixed, len(self.surfaces), cv2.LINE_8, _SUBPIXEL)

    def quad(
        self,
        texture: Pyramid,
        corners: np.ndarray,
        number: int,
        gain: float = 1.0,
        fade: float = 0.0,
        crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    ) -> None:
        """Paints the part `crop` (x0, y0, x1, y1 as shares) of a texture on the quadrilateral `(4, 3)`, px and 1/m.

        Corners go top left, top right, bottom right, bottom left of the texture.
        """
        points, corners = corners, np.ascontiguousarray(corners[:, :2])
        box = self._clip(*corners.min(0), *corners.max(0))
        if box is None:
            return
        x0, y0, x1, y1 = box
        h, w = texture[0].shape[:2]
        area = max(abs(cv2.contourArea(corners)), 1.0)
        ratio = (crop[2] - crop[0]) * (crop[3] - crop[1]) * w * h / area
        source = texture[int(np.clip(np.log2(max(ratio, 1.0)) / 2 + 0.3, 0, len(texture) - 1))]
        h, w = source.shape[:2]
        u0, v0, u1, v1 = crop[0] * w, crop[1] * h, crop[2] * w, crop[3] * h
        inside = corners - np.float32((x0, y0))
        matrix = cv2.getPerspectiveTransform(
            np.float32(((u0, v0), (u1, v0), (u1, v1), (u0, v1))), inside.astype(np.float32)
        )
        warped = cv2.warpPerspective(
            source, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillConvexPoly(mask, _fixed(inside), 255, cv2.LINE_8, _SUBPIXEL)
        self._blend(warped, mask, box, number, gain, fade)
        if self._index is not None:
            self._keep(Surface.polygon(number, points), mask, box)

    def sprite(
        self,
        texture: Pyramid,
        rect: tuple[float, float, float, float],
        z: float,
        number: int,
        gain: float = 1.0,
        fade: float = 0.0,
        flip: bool = False,
    ) -> None:
        """Paints a sprite over the rectangle (x0, y0, x1, y1), px, `z` m away, where it is at least half opaque."""
        box = self._clip(*rect)
        if box is None:
            return
        x0, y0, x1, y1 = box
        ratio = texture[0].shape[0] / max(rect[3] - rect[1], 1.0)
        source = texture[int(np.clip(np.log2(max(ratio, 1.0)), 0, len(texture) - 1))]
        h, w = source.shape[:2]
        step_x, step_y = w / (rect[2] - rect[0]), h / (rect[3] - rect[1])
        left = (x0 + 0.5 - rect[0]) * step_x - 0.5
        if flip:
            left, step_x = w - 1 - left, -step_x
        matrix = np.float64(((step_x, 0, left), (0, step_y, (y0 + 0.5 - rect[1]) * step_y - 0.5)))
        warped = cv2.warpAffine(
            source,
            matrix,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
        mask = cv2.threshold(cv2.extractChannel(warped, 3), 127, 255, cv2.THRESH_BINARY)[1]
        self._blend(warped, mask, box, number, gain, fade)
        if self._index is not None:
            matrix[:, 2] -= matrix[:, :2] @ (x0, y0)
            self._keep(Surface.upright(number, z, cv2.extractChannel(source, 3), matrix), mask, box)

    def shadow(self, soft: np.ndarray, rect: tuple[float, float, float, float]) -> None:
        """Darkens the rectangle (x0, y0, x1, y1), px, by `soft`: `(S, S, 4) uint8`, 255 keeps the light."""
        box = self._clip(*rect)
        if box is None or rect[2] - rect[0] < 2 or rect[3] - rect[1] < 1:
            return
        x0, y0, x1, y1 = box
        step_x = soft.shape[1] / (rect[2] - rect[0])
        step_y = soft.shape[0] / (rect[3] - rect[1])
        matrix = np.float64(((step_x, 0, (x0 - rect[0]) * step_x), (0, step_y, (y0 - rect[1]) * step_y)))
        shade = cv2.warpAffine(
            soft,
            matrix,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(255, 255, 255, 255),
        )
        # the fourth channel of a shadow is 255, which leaves the paint number as it is
        part = self.pixels[y0:y1, x0:x1]
        part[:] = cv2.multiply(part, shade, scale=1 / 255)

    def _clip(self, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int] | None:
        h, w = self.pixels.shape[:2]
        box = max(int(x0), 0), max(int(y0), 0), min(int(x1) + 2, w), min(int(y1) + 2, h)
        return box if box[2] > box[0] and box[3] > box[1] else None

    def _keep(self, surface: Surface, mask: np.ndarray, box: tuple[int, int, int, int]) -> None:
        x0, y0, x1, y1 = box
        self.surfaces.append(surface)
        self._index[y0:y1, x0:x1][mask > 0] = len(self.surfaces)

    def _blend(
        self,
        colors: np.ndarray,
        mask: np.ndarray,
        box: tuple[int, int, int, int],
        number: int,
        gain: float,
        fade: float,
    ) -> None:
        x0, y0, x1, y1 = box
        colors = cv2.addWeighted(colors, gain * (1 - fade), self._haze[: y1 - y0, : x1 - x0], fade, 0.0)
        colors[..., 3] = number
        cv2.copyTo(colors, mask, self.pixels[y0:y1, x0:x1])
