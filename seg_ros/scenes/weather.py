"""The light of one street: sky colours, haze, sun side, shadows and the camera's tone curve."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Weather:
    """One seed's light. Colours are `(3,) float32` RGB, 0..255.

    Attributes:
        zenith, horizon: colours of the sky; `horizon` is also the colour of distance haze.
        haze: share of the haze colour per metre of distance (exponential), 0.002..0.02.
        clouds: cloud cover, 0..1.
        side_gain: brightness of faces at the left and at the right of the road.
        front_gain: brightness of faces towards the camera.
        shadow: darkness of shadows on the ground, 0..1.
        tone: `(256, 1, 3) uint8`, the table from painted to photographed values, by channel.
    """

    zenith: np.ndarray
    horizon: np.ndarray
    haze: float
    clouds: float
    side_gain: tuple[float, float]
    front_gain: float
    shadow: float
    tone: np.ndarray

    def fade(self, distance: float) -> float:
        """Returns the share of haze, 0..1, in the light from `distance` metres."""
        return 1.0 - float(np.exp(-self.haze * max(distance, 0.0)))


# zenith, horizon, haze, clouds, sun contrast, shadow, tint, gain: the middle of what each kind may be
_KINDS = (
    ((70, 125, 200), (190, 212, 232), 0.006, 0.25, 0.30, 0.55, (1.05, 1.0, 0.93), 1.22),  # sunny
    ((150, 158, 168), (205, 208, 212), 0.009, 0.90, 0.07, 0.30, (0.97, 1.0, 1.04), 1.12),  # overcast
    ((72, 80, 130), (238, 176, 128), 0.008, 0.55, 0.22, 0.40, (1.10, 0.95, 0.86), 0.98),  # dusk
    ((165, 180, 195), (215, 216, 214), 0.018, 0.60, 0.12, 0.35, (1.0, 1.0, 0.98), 1.12),  # hazy
)


def make_weather(rng: np.random.Generator) -> Weather:
    """Makes a random light."""
    zenith, horizon, haze, clouds, sun, shadow, tint, gain = _KINDS[rng.integers(len(_KINDS))]
    side = sun * rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.0)
    gain *= rng.uniform(0.82, 1.12)
    contrast = rng.uniform(0.9, 1.25)
    balance = np.asarray(tint) * rng.uniform(0.95, 1.05, 3)
    level = np.arange(256, dtype=np.float32)[:, None] / 255
    tone = ((level - 0.45) * contrast + 0.45) * gain * balance
    tone = np.clip(tone, 0, None)
    tone = tone / (1 + 0.12 * tone**4)  # a soft shoulder: highlights roll off as in a camera
    return Weather(
        zenith=np.clip(np.asarray(zenith) + rng.normal(0, 12, 3), 0, 255).astype(np.float32),
        horizon=np.clip(np.asarray(horizon) + rng.normal(0, 8, 3), 0, 255).astype(np.float32),
        haze=haze * rng.uniform(0.7, 1.3),
        clouds=float(np.clip(clouds + rng.uniform(-0.25, 0.25), 0, 1)),
        side_gain=(1 - side, 1 + side),
        front_gain=1 - 0.4 * abs(side),
        shadow=shadow * rng.uniform(0.8, 1.2),
        tone=np.clip(tone * 255, 0, 255).astype(np.uint8)[:, None, :],
    )
