"""Every raw encoding against a reference written out in numpy: random sizes, padded and unpadded rows."""

import array

import numpy as np
import pytest
from sensor_msgs.msg import Image

from seg_ros.ros.encodings import ENCODINGS
from seg_ros.ros.image_io import decode_image

PACKED = {
    **{"mono8": "y", "rgb8": "rgb", "bgr8": "bgr", "rgba8": "rgba", "bgra8": "bgra"},
    **{"8UC1": "y", "8UC3": "bgr", "8UC4": "bgra"},
}
PACKED16 = {
    **{"mono16": "y", "rgb16": "rgb", "bgr16": "bgr", "rgba16": "rgba", "bgra16": "bgra"},
    **{"16UC3": "bgr", "16UC4": "bgra"},
}
YUV422 = {"uyvy": "uyvy", "yuv422": "uyvy", "yuyv": "yuyv", "yuv422_yuy2": "yuyv"}
PLANAR = ("nv12", "nv21", "nv24")
BAYER = tuple(f"bayer_{p}{bits}" for p in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16))


def message(height, width, encoding, rows, step=None, bigendian=False, drop_last=False, seed=0):
    """An image message from `(n, row bytes) uint8` rows, padded with noise to `step`."""
    step = step or rows.shape[1]
    padded = np.random.default_rng(seed).integers(0, 256, (len(rows), step), dtype=np.uint8)
    padded[:, : rows.shape[1]] = rows
    data = padded.tobytes()
    if drop_last:
        data = data[: len(data) - (step - rows.shape[1])]
    return Image(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(bigendian),
        step=step,
        data=array.array("B", data),
    )


def rgb(frame):
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.strides[1:] == (3, 1)
    return frame.pixels[..., ::-1] if frame.bgr else frame.pixels


def as_rows(values, bigendian=False):
    """`(H, W[, C])` of 8 or 16 bits as rows of bytes."""
    if values.dtype == np.uint16:
        values = values.astype(">u2" if bigendian else "<u2")
    return np.frombuffer(values.tobytes(), np.uint8).reshape(len(values), -1)


def yuv_to_rgb(y, u, v):
    """BT.601, video range."""
    y, u, v = (1.164383 * (y.astype(float) - 16), u.astype(float) - 128, v.astype(float) - 128)
    return np.clip(np.stack([y + 1.596027 * v, y - 0.391762 * u - 0.812968 * v, y + 2.017232 * u], -1), 0, 255)


def demosaic(raw, pattern):
    """Each missing colour is the mean of its values in the 3 x 3 neighbourhood (what bilinear means)."""
    height, width = raw.shape
    out = np.zeros((height, width, 3))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            near = {"r": [], "g": [], "b": []}
            for j in (y - 1, y, y + 1):
                for i in (x - 1, x, x + 1):
                    near[pattern[2 * (j % 2) + i % 2]].append(float(raw[j, i]))
            near[pattern[2 * (y % 2) + x % 2]] = [float(raw[y, x])]
            out[y, x] = [np.mean(near[c]) for c in "rgb"]
    return out


def sizes(seed, count=4, even=False, least=1):
    rng = np.random.default_rng(seed)
    for height, width in [(least, least), *rng.integers(least, 40, (count, 2)).tolist()]:
        yield (height + height % 2, width + width % 2) if even else (height, width)


def variants(height, width, encoding, rows, **kw):
    """Without padding, with, and with it missing after the last row."""
    for pad, drop in ((0, False), (1, False), (13, False), (13, True)):
        yield decode_image(message(height, width, encoding, rows, rows.shape[1] + pad, drop_last=drop, **kw))


def test_the_table_is_what_is_tested():
    assert set(ENCODINGS) == {*PACKED, *PACKED16, *YUV422, *PLANAR, *BAYER}


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("encoding", [*PACKED, *PACKED16])
def test_packed(encoding, bigendian):
    order = (PACKED | PACKED16)[encoding]
    wide = encoding in PACKED16
    rng = np.random.default_rng(1)
    for height, width in sizes(2):
        values = rng.integers(0, 65536 if wide else 256, (height, width, len(order)))
        values = values.astype(np.uint16 if wide else np.uint8)
        expected = np.stack([values[..., order.index(c if c in order else "y")] for c in "rgb"], -1)
        expected = expected // 256 if wide else expected
        for frame in variants(height, width, encoding, as_rows(values, bigendian), bigendian=bigendian):
            np.testing.assert_array_equal(rgb(frame), expected)


@pytest.mark.parametrize("encoding", YUV422)
def test_yuv422(encoding):
    rng = np.random.default_rng(3)
    for height, width in sizes(4, even=True):
        y = rng.integers(16, 236, (height, width), dtype=np.uint8)
        u, v = rng.integers(16, 241, (2, height, width // 2), dtype=np.uint8)
        parts = {"u": u, "v": v}
        lumas = iter([y[:, 0::2], y[:, 1::2]])
        rows = as_rows(np.stack([next(lumas) if c == "y" else parts[c] for c in YUV422[encoding]], -1))
        expected = yuv_to_rgb(y, u.repeat(2, 1), v.repeat(2, 1))
        for frame in variants(height, width, encoding, rows):
            assert np.abs(rgb(frame) - expected).max() <= 2


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_nv12_nv21(encoding):
    rng = np.random.default_rng(5)
    for height, width in sizes(6, even=True):
        y = rng.integers(16, 236, (height, width), dtype=np.uint8)
        u, v = rng.integers(16, 241, (2, height // 2, width // 2), dtype=np.uint8)
        chroma = np.stack((u, v) if encoding == "nv12" else (v, u), -1).reshape(height // 2, width)
        expected = yuv_to_rgb(y, *(c.repeat(2, 0).repeat(2, 1) for c in (u, v)))
        for frame in variants(height, width, encoding, np.vstack([y, chroma])):
            assert np.abs(rgb(frame) - expected).max() <= 2


@pytest.mark.parametrize("pad", [0, 5])
def test_nv24(pad):
    rng = np.random.default_rng(7)
    for height, width in sizes(8):
        y = rng.integers(16, 236, (height, width), dtype=np.uint8)
        u, v = rng.integers(16, 241, (2, height, width), dtype=np.uint8)
        luma = np.pad(y, ((0, 0), (0, pad)))
        chroma = np.pad(np.stack((u, v), -1).reshape(height, 2 * width), ((0, 0), (0, 2 * pad)))
        data = luma.tobytes() + chroma.tobytes()
        msg = message(height, width, "nv24", np.frombuffer(data, np.uint8).reshape(3 * height, width + pad))
        assert np.abs(rgb(decode_image(msg)) - yuv_to_rgb(y, u, v)).max() <= 2


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("encoding", BAYER)
def test_bayer(encoding, bigendian):
    pattern, wide = encoding[6:10], encoding.endswith("16")
    rng = np.random.default_rng(9)
    for height, width in sizes(10, least=3):
        site = [["rgb".index(pattern[2 * (y % 2) + x % 2]) for x in range(width)] for y in range(height)]
        color = rng.integers(0, 256, 3)
        ramp = np.arange(height)[:, None] * 2 + np.arange(width) * 3
        noise = rng.integers(0, 256, (height, width))
        for raw in (color[site], ramp + 20 * np.array(site), noise):
            values = raw.astype(np.uint16) * 256 + 77 if wide else raw.astype(np.uint8)
            expected = demosaic(raw, pattern)[1:-1, 1:-1]
            for frame in variants(height, width, encoding, as_rows(values, bigendian), bigendian=bigendian):
                assert frame.pixels.shape == (height, width, 3)
                assert np.abs(rgb(frame)[1:-1, 1:-1] - expected).max() <= 1


@pytest.mark.parametrize("encoding", BAYER)
def test_bayer_of_one_colour_is_that_colour(encoding):
    for color in ([255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 100, 200]):
        tile = [color["rgb".index(letter)] for letter in encoding[6:10]]
        raw = np.tile(np.reshape(tile, (2, 2)), (4, 5)).astype(np.uint8)
        values = raw * np.uint16(256) if encoding.endswith("16") else raw
        pixels = rgb(decode_image(message(8, 10, encoding, as_rows(values))))
        np.testing.assert_array_equal(pixels[1:-1, 1:-1], np.broadcast_to(color, (6, 8, 3)))
