"""A drive down a made-up street: camera frames with exact semantic and instance truth."""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np

from seg_ros.scenes.buildings import Fronts
from seg_ros.scenes.camera import Drive, View
from seg_ros.scenes.canvas import Canvas
from seg_ros.scenes.cars import SHAPES, paint_car
from seg_ros.scenes.furniture import make_signs, make_tree, paint_lamp, paint_sign
from seg_ros.scenes.ground import Ground
from seg_ros.scenes.people import PERSON, RIDER, STRIDE, make_bicyclist, make_pedestrian
from seg_ros.scenes.plan import Plan
from seg_ros.scenes.sky import Sky
from seg_ros.scenes.surfaces import Space
from seg_ros.scenes.traffic import BICYCLIST, CAR, LAMP, PEDESTRIAN, SIGN, TREE, Item, Traffic
from seg_ros.scenes.weather import make_weather

_SMALLEST = 9.0  # px; a person who would be shorter is not drawn: nobody could tell what it is
_CAR_PAINT = ((28, 30, 34), (98, 100, 104), (168, 170, 172), (228, 228, 226), (150, 30, 30), (36, 62, 120),
              (40, 84, 64), (196, 160, 60), (120, 96, 76), (70, 120, 160))  # fmt: skip
_POSTS = ((150, 154, 158), (92, 96, 100), (52, 66, 58), (188, 186, 178), (104, 84, 66))


@dataclasses.dataclass(frozen=True)
class Scene:
    """One camera frame and its truth.

    Attributes:
        image: `(H, W, 3) uint8`, RGB.
        label: `(H, W) uint8`, CamVid class id, 0..10; every pixel has one.
        instance: `(H, W) uint16`, 0 for none, else the id (from 1) of the car, pedestrian or bicyclist at
            the pixel; an object keeps its id as long as it is in view.
        space: the same in metres, where it was asked for.
    """

    image: np.ndarray
    label: np.ndarray
    instance: np.ndarray
    space: Space | None = None


class Street:
    """An endless street, driven down at 8 to 10 m/s. Any frame can be drawn at any time, in any order."""

    def __init__(self, seed: int, size: tuple[int, int] = (480, 640)) -> None:
        """Builds the street of `seed` (>= 0), seen in images of `size` `(H, W)`, each side at least 64 px.

        Raises:
            ValueError: for a negative seed or a smaller size.
        """
        if seed < 0:
            raise ValueError(f"a street's seed must be 0 or more, got {seed}")
        height, width = self._size = size
        if min(size) < 64:
            raise ValueError(f"a street needs images of at least 64 x 64 px, got {height} x {width}")
        rng = np.random.default_rng((seed, 11))
        self._weather = weather = make_weather(rng)
        self._plan = plan = Plan.random(rng)
        self._mirrored = bool(rng.random() < 0.3)  # some countries drive on the left
        self._drive = Drive.random(rng, size, plan.driven)

        @functools.lru_cache(maxsize=4096)
        def draw(kind: int, slot: int) -> np.ndarray:
            return np.random.default_rng((seed, kind, slot & 0xFFFFFFFF)).random(12)

        self._trees = [make_tree(rng) for _ in range(4)]
        self._walkers = [make_pedestrian(rng) for _ in range(5)]
        self._riders = [make_bicyclist(rng) for _ in range(3)]
        self._signs = make_signs(rng)
        self._post = np.asarray(_POSTS[rng.integers(len(_POSTS))]) * rng.uniform(0.85, 1.15)
        self._tall = rng.uniform(5.0, 7.5)
        self._sky = Sky(rng, weather, size, int(self._drive.horizon + 0.01 * height) + 2)
        self._ground = Ground(rng, plan, weather)
        self._fronts = Fronts(rng, plan, weather, self._trees, draw)
        self._traffic = Traffic(rng, plan, draw)
        self._haze = np.zeros((height, width, 4), np.uint8)
        self._haze[..., :3] = weather.horizon
        self._soft = self._make_shadow()
        self._vignette, self._noise = self._make_lens(rng)

    @property
    def matrix(self) -> np.ndarray:
        """Returns the camera matrix of every frame, `(3, 3) float64`, px; the camera looks along the road, level.

        The horizon sways by a pixel or two around its row, as that of a car on its springs does.
        """
        drive, (_, width) = self._drive, self._size
        return np.float64(((drive.focal, 0, width / 2 - 0.5), (0, drive.focal, drive.horizon), (0, 0, 1)))

    def view(self, t: float) -> View:
        """Returns the camera at time t, s; with its picture mirrored, the one that is seen in the mirror."""
        return self._drive.view(t)

    def scene(self, index: int, rate: float = 30.0, space: bool = False) -> Scene:
        """Draws frame `index` of a camera at `rate` Hz: it depends on no other call.

        Args:
            space: give the distances, too; they take half as long again.
        """
        t = index / rate
        view = self.view(t)
        height, width = self._size
        canvas = Canvas(np.zeros((height, width, 4), np.uint8), self._haze, space)
        self._sky.paint(canvas.pixels, view.horizon, view.focal * (view.yaw + 20 * view.bend))
        self._ground.paint(canvas.pixels, view)
        per_row = 1 / (view.focal * view.height)
        canvas.ground(np.float64((0, per_row, -per_row * view.horizon)), 0.0, view.horizon)
        items = self._traffic.items(t, view.s, view.x)
        for item in items:
            self._shade(canvas, view, item)
        self._fronts.paint(canvas, view)
        for item in items:
            self._paint(canvas, view, item, t)
        if self._mirrored:
            canvas.pixels = cv2.flip(canvas.pixels, 1)
        label, instance = canvas.truth()
        return Scene(
            self._photograph(canvas.pixels, index), label, instance, self._space(canvas, view, items) if space else None
        )

    def _space(self, canvas: Canvas, view: View, items: list[Item]) -> Space:
        """Returns what is painted in metres: where the horizon sways, space does, since the matrix stays."""
        depth = canvas.depth()
        sign = -1 if self._mirrored else 1
        return Space(
            depth=cv2.flip(depth, 1) if self._mirrored else depth,
            matrix=self.matrix,
            surfaces=tuple(canvas.surfaces),
            label=canvas.label,
            instance=canvas.instance,
            ground=functools.partial(self._ground.classes, view),
            headings={
                # people are flat pictures that face the camera
                item.instance: sign * float(np.arctan(view.bend * item.z + view.yaw)) if item.kind == CAR else 0.0
                for item in items
                if item.instance
            },
            mirrored=self._mirrored,
        )

    def _make_shadow(self) -> np.ndarray:
        """Makes a soft blot `(32, 32, 4) uint8`: 255 keeps the light, darkest in the middle."""
        y, x = np.mgrid[-1:1:32j, -1:1:32j]
        dark = np.clip(1.6 * (1 - np.hypot(x, y)), 0, 1) * min(0.45 + 0.4 * self._weather.shadow, 0.85)
        soft = np.full((32, 32, 4), 255, np.uint8)
        soft[..., :3] = (255 * (1 - dark))[..., None]
        return soft

    def _make_lens(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Makes the vignette `(H, W, 3) uint8` (255 keeps the light) and sensor noise, a little larger than a frame."""
        height, width = self._size
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None]
        fall = 255 * (1 - rng.uniform(0.05, 0.16) * (x * x + y * y))
        amount = rng.uniform(1.0, 3.5)
        noise = rng.integers(0, 256, (height + 37, width + 41, 3), np.uint8)
        self._noise_gain = amount / 74  # 74: the deviation of uniform 0..255
        return cv2.merge([fall.astype(np.uint8)] * 3), noise

    def _photograph(self, pixels: np.ndarray, index: int) -> np.ndarray:
        """Returns the painted pixels as a camera gives them: lens, tone curve and noise; edges stay in place."""
        height, width = self._size
        image = cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB)
        image = cv2.GaussianBlur(image, (3, 3), 0.45)
        image = cv2.multiply(image, self._vignette, scale=1 / 255)
        image = cv2.LUT(image, self._weather.tone)
        y, x = index * 17 % 37, index * 29 % 41
        noise = self._noise[y : y + height, x : x + width]
        gain = self._noise_gain
        return cv2.addWeighted(image, 1.0, noise, gain, -127.5 * gain)

    def _shade(self, canvas: Canvas, view: View, item: Item) -> None:
        """Paints the soft shadow on the ground under an object."""
        length = SHAPES[self._shape(item)].length if item.kind == CAR else 0.0
        wide = {CAR: 1.35, TREE: 1.5, BICYCLIST: 0.7, PEDESTRIAN: 0.45}.get(item.kind, 0.3)
        deep = 1.2 if item.kind == TREE else 0.35
        near, far = max(item.z - deep, 1.5), item.z + length + deep
        if far < 2.2 or item.z > 28:
            return
        middle = min(item.z + length / 2, (near + far) / 2)
        u, half = view.column(item.x, middle), wide * view.focal / max(middle, 2.0)
        canvas.shadow(self._soft, (u - half, view.row(0, far), u + half, view.row(0, near)))

    @staticmethod
    def _shape(item: Item) -> int:
        return int(item.r[3] * len(SHAPES))

    def _paint(self, canvas: Canvas, view: View, item: Item, t: float) -> None:
        x, z, r, weather = item.x, item.z, item.r, self._weather
        if item.kind == LAMP:
            paint_lamp(canvas, view, weather, x, z, self._post, self._tall)
        elif item.kind == SIGN:
            board = self._signs[int(r[4] * len(self._signs))]
            paint_sign(canvas, view, weather, x, z, board, self._post * 0.9, 2.0 + 0.5 * r[5], self._mirrored)
        elif item.kind == TREE:
            tree = self._trees[int(r[4] * len(self._trees))]
            self._sprite(canvas, view, item, tree, (0.7, 1.0), 4.8 + 2.4 * r[5], TREE)
        else:
            self._thing(canvas, view, item, t)

    def _thing(self, canvas: Canvas, view: View, item: Item, t: float) -> None:
        r = item.r
        tall = 1.7 + 0.25 * r[5]
        if item.kind != CAR and tall * view.focal / item.z < _SMALLEST:
            return
        number = canvas.thing(item.kind, item.instance)
        if number is None:
            return
        if item.kind == CAR:
            color = np.asarray(_CAR_PAINT[int(r[4] * len(_CAR_PAINT))]) * (0.8 + 0.4 * r[6])
            paint_car(canvas, view, self._weather, number, self._shape(item), item.x, item.z, item.away, color)
            return
        sprites, box, pace = (self._walkers, PERSON, 1.1) if item.kind == PEDESTRIAN else (self._riders, RIDER, 1.3)
        steps = sprites[int(r[4] * len(sprites))]
        sprite = steps[int((t * pace + r[6]) * STRIDE) % STRIDE]
        self._sprite(canvas, view, item, sprite, box, tall, number)

    def _sprite(
        self,
        canvas: Canvas,
        view: View,
        item: Item,
        sprite: list[np.ndarray],
        box: tuple[float, float],
        tall: float,
        number: int,
    ) -> None:
        scale = view.focal / item.z
        u, foot = view.column(item.x, item.z), view.row(0, item.z)
        half = tall * box[0] / box[1] / 2 * scale
        flip = item.away != (item.x < view.x) if not item.crossing else not item.away
        fade = self._weather.fade(item.z)
        rect = (u - half, foot - tall * scale, u + half, foot)
        canvas.sprite(sprite, rect, item.z, number, self._weather.front_gain, fade, bool(flip))
