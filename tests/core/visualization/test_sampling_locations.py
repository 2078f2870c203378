import numpy as np
import pytest

from mmdet_ps.core.visualization.sampling_locations import (
    CENTRE,
    COLOURS,
    Sampling,
    draw_sampling_locations,
    in_picture,
    locations_of,
    sampling_locations,
)

# A picture of 160 x 128, halved from 320 x 256: P3 is 20 x 16 locations, C4 10 x 8.
P3, C4 = (16, 20), (8, 10)
SCALE = np.array([0.5, 0.5])


def regular(size, taps=9):
    return np.zeros((2 * taps, *size))


def pairs(axis_x, axis_y):
    return {(x, y) for x in axis_x for y in axis_y}


def in_pixels(at, output, lateral, stride):
    places = sampling_locations(np.array([at]), output, lateral)
    return in_picture(places, stride, SCALE)[0]


def counted(points):
    found, counts = np.unique(points, axis=0, return_counts=True)
    return {tuple(point): n for point, n in zip(found.tolist(), counts.tolist(), strict=True)}


def test_regular_filters_read_a_square_of_five():
    """Two 3 x 3 filters one after the other: 81 places on 5 x 5 pixels, the middle 9 times."""
    places = in_pixels((6, 9), Sampling(regular(P3)), Sampling(regular(P3)), 8)
    assert places.shape == (81, 2)
    # Location x=9 stands at (9 + 0.5) * 8 = 76 of the resized picture, 152 of the original.
    counts = counted(places)
    assert set(counts) == pairs((120, 136, 152, 168, 184), (72, 88, 104, 120, 136))
    assert counts[152, 104] == 9
    assert counts[120, 72] == 1 and counts[136, 72] == 2 and counts[136, 88] == 4


def test_coarser_lateral_has_its_own_stride():
    """The output's places x = 8, 9, 10 lie in C4's columns 4, 4, 5; y = 5, 6, 7 in 2, 3, 3."""
    counts = counted(in_pixels((6, 9), Sampling(regular(P3)), Sampling(regular(C4)), 16))
    # Column 4 stands at (4 + 0.5) * 16 / 0.5 = 144; each reads one column to either side.
    assert set(counts) == pairs((112, 144, 176, 208), (48, 80, 112, 144))
    columns = {112: 2, 144: 3, 176: 3, 208: 1}  # 2 of 3 taps around column 4, 1 around 5
    rows = {48: 1, 80: 3, 112: 3, 144: 2}
    assert counts == {(x, y): columns[x] * rows[y] for x in columns for y in rows}


def test_shift_of_the_lateral_moves_all_places():
    """Offsets are (y, x) in pixels of the lateral's own map, fractions too."""
    offset = regular(C4)
    offset[0::2], offset[1::2] = -0.25, 1.5
    still = in_pixels((6, 9), Sampling(regular(P3)), Sampling(regular(C4)), 16)
    moved = in_pixels((6, 9), Sampling(regular(P3)), Sampling(offset), 16)
    assert np.allclose(moved - still, (1.5 * 32, -0.25 * 32))


def test_one_tap_of_the_output_moves_nine_places():
    offset = regular(P3)
    offset[2 * 5 + 1, 6, 9] = 3  # x of the tap in the middle of the right column
    still = in_pixels((6, 9), Sampling(regular(P3)), Sampling(regular(P3)), 8)
    moved = in_pixels((6, 9), Sampling(offset), Sampling(regular(P3)), 8) - still
    assert np.array_equal(moved[45:54], np.tile([48.0, 0.0], (9, 1)))
    assert not moved[:45].any() and not moved[54:].any()
    assert not (
        in_pixels((6, 10), Sampling(offset), Sampling(regular(P3)), 8) - still - (16, 0)
    ).any()


def test_one_tap_of_one_lateral_location():
    """Only where the output reads that location does it show, and only that tap."""
    offset = regular(P3)
    offset[2 * 0, 5, 8] = -2  # y of the first tap at row 5, column 8
    still = in_pixels((6, 9), Sampling(regular(P3)), Sampling(regular(P3)), 8)
    moved = in_pixels((6, 9), Sampling(regular(P3)), Sampling(offset), 8) - still
    # From (6, 9) the first tap of the output reads (5, 8); its first place is the moved one.
    assert moved[0].tolist() == [0, -32]
    assert not moved[1:].any()


def test_between_locations_is_the_mean_of_their_places():
    """A tap that reads 0.25 to the right of column 9 mixes columns 9 and 10 three to one."""
    output, lateral = regular(P3), regular(P3)
    output[2 * 4 + 1] = 0.25
    lateral[1::2, :, 10] = 2
    read = sampling_locations(np.array([[6, 9]]), Sampling(output), Sampling(lateral))[0]
    centre = read[4 * 9 + 4]
    assert centre.tolist() == [6, 9 + 0.25 + 0.25 * 2]


def test_outside_of_the_map_nothing_is_read():
    """At the corner the output has 4 of 9 taps inside; half outside, the inner half counts."""
    places = sampling_locations(np.array([[0, 0]]), Sampling(regular(P3)), Sampling(regular(P3)))[0]
    read = np.isfinite(places).all(axis=1).reshape(9, 9)
    assert read.all(axis=1).tolist() == [False] * 4 + [True, True, False, True, True]
    assert not read[:4].any()
    # What the lateral itself reads may be outside: zeros stand there.
    assert places[4 * 9].tolist() == [-1, -1]
    offset = regular(P3)
    offset[2 * 3 + 1] = 0.5  # the left column's middle tap: between outside and column 0
    half = sampling_locations(np.array([[0, 0]]), Sampling(offset), Sampling(regular(P3)))[0]
    assert half[3 * 9 + 4].tolist() == [0, 0]


def test_geometry_of_the_convolution():
    sampling = Sampling(regular((4, 5), 6), (2, 3), (2, 4), (1, 0), (3, 5))
    places = sampling.places(np.array([[1, 2]]))
    expected = [[y, x] for y in (2 - 1, 2 + 2) for x in (8, 13, 18)]
    assert places.tolist() == [expected]
    with pytest.raises(ValueError, match=r'\(18, H, W\)'):
        Sampling(np.zeros((9, 2, 2)))


def test_points_and_locations():
    scale = np.array([0.5, 0.25])
    points = np.array([[0, 0], [15.9, 31.9], [16, 32], [9999, 9999]])
    at = locations_of(points, P3, 8, scale)
    assert at.tolist() == [[0, 0], [0, 0], [1, 1], [15, 19]]
    assert in_picture(at, 8, scale)[2].tolist() == [24, 48]


def test_drawing():
    """Panels side by side; each place and centre in its colour at its pixel."""
    picture = np.full((90, 180, 3), 100, np.uint8)
    fine = np.array([[[20.0, 30], [np.nan, np.nan], [500, 30]], [[100, 60], [100, 60], [100, 60]]])
    coarse = fine + 15
    centres = np.array([[50.0, 45], [150, 20]])
    sheet = draw_sampling_locations(picture, centres, {'C3': fine, 'C4': coarse})
    assert sheet.shape == (62 + 450 + 12, 12 + 2 * 912, 3)
    for left, places in ((12, fine), (12 + 912, coarse)):
        panel = sheet[62 : 62 + 450, left : left + 900]
        assert tuple(panel[5 * 45, 5 * 50]) == tuple(panel[5 * 20, 5 * 150]) == CENTRE
        for i in (0, 1):
            x, y = (5 * places[i, 0]).astype(int)
            assert tuple(panel[y, x]) == COLOURS[i]
        rows, columns = np.indices(panel.shape[:2])
        shown = np.concatenate([5 * places[:, 0], 5 * centres])
        far = np.min([np.hypot(columns - x, rows - y) for x, y in shown], axis=0) > 8
        assert (panel[far] == 100).all()
