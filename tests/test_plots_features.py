import numpy as np
import pytest
from matplotlib.figure import Figure

from sermodules import plots


@pytest.fixture
def axes():
    return Figure(facecolor="black").subplots(3, 1)


def test_channels_are_drawn_in_order_with_time_in_seconds(axes):
    features = np.random.default_rng(0).normal(size=(150, 40, 3))
    assert plots.plot_channels(features, axes) is axes
    for channel, ax in enumerate(axes):
        image = ax.images[0]
        assert np.array_equal(image.get_array(), features[:, :, channel].T)
        assert image.get_extent() == [0, 1.5, 0.5, 40.5]
        assert image.colorbar is not None
        assert ax.get_facecolor() == (1, 1, 1, 1)
    assert axes[0].figure.get_facecolor() == (1, 1, 1, 1)


def test_slopes_are_white_at_zero_and_the_static_channel_is_not(axes):
    features = np.random.default_rng(0).normal(size=(50, 40, 3)) + 3
    plots.plot_channels(features, axes)
    for channel, ax in enumerate(axes):
        low, high = ax.images[0].get_clim()
        assert (low == -high) == (channel > 0)
    assert axes[1].images[0].get_clim()[1] == np.quantile(features[:, :, 1], 0.99)


def test_channels_need_three_axes(axes):
    with pytest.raises(ValueError):
        plots.plot_channels(np.zeros((10, 40, 3)), axes[:2])
