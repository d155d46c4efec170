"""Camera models: rays and projection undo each other, and calibrations of no camera are refused."""

import numpy as np
import pytest

from seg_ros.errors import FrameError
from seg_ros.lifting import CameraModel
from seg_ros.lifting.camera import rays, widest

K = [210.0, 0, 159.5, 0, 215.0, 118.0, 0, 0, 1]
LENSES = {
    "plumb_bob": [-0.28, 0.07, 0.001, -0.0005, 0.01],
    "rational_polynomial": [0.46, -2.4, 0.0003, 0.0002, 1.4, 0.34, -2.2, 1.3],
    "equidistant": [-0.02, 0.005, -0.001, 0.0002],
}


@pytest.mark.parametrize("lens", [*LENSES, ""])
def test_every_pixels_ray_is_seen_at_the_pixel(lens):
    camera = CameraModel.from_calibration((240, 320), K, lens, LENSES.get(lens, []))
    x, y = rays(camera)
    v, u = np.indices((240, 320))
    found = camera.project(x.astype(float), y.astype(float))
    assert np.abs(found[0] - u).max() < 0.05
    assert np.abs(found[1] - v).max() < 0.05
    assert widest(camera) == pytest.approx(np.hypot(x, y).max())


@pytest.mark.parametrize("lens", LENSES)
def test_the_lens_is_opencvs(lens):
    import cv2

    camera = CameraModel.from_calibration((240, 320), K, lens, LENSES[lens])
    points = np.float64(((0.3, -0.2, 1), (-0.5, 0.4, 1), (0, 0, 1))).reshape(-1, 1, 3)
    matrix, d, none = np.reshape(K, (3, 3)), np.float64(LENSES[lens]), np.zeros(3)
    project = cv2.fisheye.projectPoints if lens == "equidistant" else cv2.projectPoints
    expected = project(points, none, none, matrix, d)[0]
    found = camera.project(points[:, 0, 0], points[:, 0, 1])
    assert np.allclose(np.stack(found, 1), expected.reshape(-1, 2), atol=1e-6)


@pytest.mark.parametrize(
    ("k", "lens", "d", "word"),
    [
        ([0.0] * 9, "plumb_bob", [0.0] * 5, "calibrate"),
        ([*K[:8], np.nan], "plumb_bob", [], "finite"),
        ([210, 1.5, *K[2:]], "plumb_bob", [], "skewed"),
        (K, "plumb_bob", [0.1] * 6, "4 or 5 coefficients, got 6"),
        (K, "equidistant", [0.1], "4 coefficients, got 1"),
        (K, "pancake", [0.1] * 4, "supported: plumb_bob"),
    ],
)
def test_what_is_no_calibration_is_refused(k, lens, d, word):
    with pytest.raises(FrameError, match=word) as error:
        CameraModel.from_calibration((240, 320), k, lens, d)
    assert error.value.reason == "calibration"
