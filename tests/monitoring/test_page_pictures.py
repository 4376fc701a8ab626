"""What cameras take, on the page."""

import numpy as np
import pytest

pytest.importorskip("viser")

from spirl_ros.control.observation_fields import PICTURE, Field
from spirl_ros.monitoring.page import MonitorPage


def test_pictures_of_cameras_are_shown_with_pixels_as_squares() -> None:
    eye = Field("eye", (2, 3, 3), PICTURE, source="wrist")
    grey = Field("grey", (1, 200, 1), PICTURE, source="table")
    page = MonitorPage("127.0.0.1", 0, None, lambda _: None, lambda: None, pictures=(eye, grey))
    try:
        picture = np.arange(18, dtype=np.uint8).reshape(eye.shape)
        page.show_picture("eye", picture)
        shown = page._images["eye"].image
        assert shown.shape == (128, 192, 3)
        np.testing.assert_array_equal(shown[::64, ::64], picture)
        page.show_picture("grey", np.full(grey.shape, 7, np.uint8))
        np.testing.assert_array_equal(page._images["grey"].image, np.full((1, 200, 3), 7))
        assert [image.label for image in page._images.values()] == ["wrist", "table"]
    finally:
        page.close()
