"""Folders that are no data, and those that are meant."""

import re

import pytest

from seg_ros.training.annotations import READERS
from seg_ros.training.folders import check_part, check_parts


@pytest.fixture
def mine(tmp_path):
    for part in ("train", "val"):
        (tmp_path / "mine" / part / "images").mkdir(parents=True)
    (tmp_path / "file").touch()
    return tmp_path / "mine"


def refused(check, folder, message):
    with pytest.raises(FileNotFoundError, match=rf"^{folder}: {re.escape(message)}"):
        check(folder)


def test_folders_to_train_on(mine):
    check_parts(mine)
    refused(check_parts, mine / "none", "no such folder")
    refused(check_parts, mine.parent / "file", "expected a folder, got a file")
    without = "expected a folder with train/ and val/, got one without train/ and val/; "
    for folder in (mine.parent, mine / "train", mine / "val/images"):
        refused(check_parts, folder, f"{without}did you mean {mine}?")
    (mine / "val").rename(mine / "test")
    refused(check_parts, mine, "expected a folder with train/ and val/, got one without val/; make two data sets")


def test_folders_to_evaluate_on(mine):
    check_part(mine / "val")
    refused(check_part, mine / "none", "no such folder")
    refused(check_part, mine.parent / "file", "expected a folder, got a file")
    without = f"expected a folder with one of images, {', '.join(READERS)}, got none of them; "
    refused(check_part, mine, f"{without}did you mean {mine}/train or {mine}/val?")
    refused(check_part, mine / "val/images", f"{without}did you mean {mine}/val?")
    refused(check_part, mine.parent, f"{without}make one")
    (mine.parent / "via_region_data.json").touch()
    check_part(mine.parent)
