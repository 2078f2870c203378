import math

import pytest

from mmdet_ps.core.evaluation import SearchOptions


def test_what_is_given_wins_over_the_config_and_the_config_over_the_defaults():
    evaluation = dict(interval=7, metric='search', score_thr=0.1, cbgm=dict(k1=10, k2=3))
    options = SearchOptions.of_config(evaluation, score_thr=0.3, class_weighted=None)
    assert options == SearchOptions(score_thr=0.3, cbgm=dict(k1=10, k2=3))
    assert options.cbgm == dict(k1=10, k2=3)
    assert SearchOptions.of_config(evaluation).score_thr == 0.1
    assert SearchOptions.of_config({}) == SearchOptions()
    said = dict(class_weighted=True, score_thr=0.5)
    given = SearchOptions.of_config(said, class_weighted=False, score_thr=0.0)
    assert given == SearchOptions(score_thr=0.0, class_weighted=False)


@pytest.mark.parametrize(
    'wrong',
    [
        dict(score_thr=math.nan),
        dict(score_thr='0.2'),
        dict(score_thr=True),
        dict(query_feature='far'),
        dict(class_weighted='yes'),
        dict(skip_repeated=1),
        dict(cbgm=3),
        dict(cbgm=(10, 3)),
        dict(cbgm=dict(k1=10)),
        dict(cbgm=dict(k1=10, k2=0)),
        dict(cbgm=dict(k1=10.5, k2=3)),
        dict(cbgm=dict(k1=True, k2=3)),
        dict(cbgm=dict(k1=10, k2=3, k3=1)),
    ],
)
def test_a_wrong_option_is_named_when_the_object_is_made(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SearchOptions(**wrong)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SearchOptions.of_config(wrong)
