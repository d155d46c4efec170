"""Rows of pictures of any shape."""

import numpy as np
import pytest

from seg_ros.training.contact_sheet import stack, titled_row


@pytest.mark.parametrize("size", [(1, 2000), (40, 60), (90, 10)])
def test_pictures_of_any_shape_fit_a_row(size):
    row = titled_row([np.zeros((*size, 3), np.uint8)] * 3, "best")
    assert row.shape == (max(1, round(1200 * size[0] / (3 * size[1]))), 1200, 3)
    assert stack([row, row]).shape == (2 * (row.shape[0] + 4), 1200, 3)
