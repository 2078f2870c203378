from collections import Counter

import numpy as np
import pytest

from mmdet_ps.datasets.synthetic.wardrobe import (
    DISTINGUISHING,
    contrast,
    draw_family,
    draw_identities,
)


@pytest.mark.parametrize('seed', range(30))
def test_family_shares_all_but_one_attribute(seed):
    size = 2 + seed % 3
    members = draw_family(np.random.default_rng(seed), size)
    assert len(members) == size
    differing = set()
    for k, first in enumerate(members):
        for second in members[k + 1 :]:
            difference = first.differences(second)
            assert len(difference) == 1
            differing.update(difference)
    assert len(differing) == 1
    assert differing <= set(DISTINGUISHING)


def test_family_members_can_be_told_apart():
    seen = set()
    for seed in range(200):
        first, second, _ = draw_family(np.random.default_rng(seed), 3)
        (name,) = first.differences(second)
        seen.add(name)
        a, b = getattr(first, name), getattr(second, name)
        if name.endswith('colour'):
            assert contrast(a, b) >= 90
        elif name == 'hair':
            assert first.headwear[0] == 'none'
            assert a[0] != b[0]
        elif name != 'bottom':
            assert a[0] != b[0]
    assert seen == set(DISTINGUISHING)


def test_second_colour_of_a_pattern_shows():
    for identity in draw_identities(np.random.default_rng(1), 200):
        wardrobe = identity.wardrobe
        assert contrast(wardrobe.top_colour, wardrobe.pattern[1]) >= 90


@pytest.mark.parametrize('count', [6, 80, 240])
def test_more_than_half_have_relatives(count):
    identities = draw_identities(np.random.default_rng(0), count)
    assert len({identity.wardrobe for identity in identities}) == count
    families = Counter(identity.family for identity in identities if identity.family >= 0)
    assert set(families.values()) <= {2, 3, 4}
    assert sum(families.values()) > count / 2


def test_relatives_keep_their_family_number():
    identities = draw_identities(np.random.default_rng(5), 60)
    for first in identities:
        for second in identities:
            if first is not second and first.family == second.family >= 0:
                assert len(first.wardrobe.differences(second.wardrobe)) == 1
