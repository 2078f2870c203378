"""The search options of the tools, from the command line and from the config."""

import argparse

import pytest

from mmdet_ps.core.evaluation import SearchOptions
from mmdet_ps.core.search_arguments import (
    add_search_options,
    given_search_options,
    read_search_options,
)

CONFIG = dict(
    interval=1,
    score_thr=0.3,
    query_feature='gt_box',
    class_weighted=True,
    skip_repeated=False,
    cbgm=dict(k1=7, k2=4),
    gallery_sizes=[50],
)


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_search_options(parser)
    return parser.parse_args(list(arguments))


def read(*arguments, config=CONFIG):
    return read_search_options(parsed(*arguments), config)


def test_the_configs_settings_hold_where_nothing_is_given():
    options, sizes = read()
    assert options == SearchOptions(0.3, 'gt_box', True, False, dict(k1=7, k2=4))
    assert sizes == [50]
    for config in ({}, None):
        assert read(config=config) == (SearchOptions(), None)


@pytest.mark.parametrize(
    'arguments, name, value',
    [
        (['--score-thr', '0.15'], 'score_thr', 0.15),
        (['--score-thr', '0'], 'score_thr', 0.0),
        (['--query-feature', 'nearest'], 'query_feature', 'nearest'),
        (['--no-class-weighted'], 'class_weighted', False),
        (['--skip-repeated'], 'skip_repeated', True),
        (['--cbgm', '30', '4'], 'cbgm', dict(k1=30, k2=4)),
    ],
)
def test_the_command_line_wins(arguments, name, value):
    options, sizes = read(*arguments)
    expected = {key: v for key, v in CONFIG.items() if key not in ('interval', 'gallery_sizes')}
    assert options == SearchOptions(**expected | {name: value})
    assert sizes == [50]
    assert given_search_options(parsed(*arguments)) == [arguments[0].replace('--no-', '--')]


def test_every_option_alone_without_a_config():
    for arguments, name, value in (
        (['--class-weighted'], 'class_weighted', True),
        (['--skip-repeated'], 'skip_repeated', True),
        (['--query-feature', 'gt_box'], 'query_feature', 'gt_box'),
        (['--cbgm', '10', '3'], 'cbgm', dict(k1=10, k2=3)),
        (['--score-thr', '0.4'], 'score_thr', 0.4),
    ):
        assert read(*arguments, config={}) == (SearchOptions(**{name: value}), None)


def test_galleries():
    assert read('--gallery-sizes', '100', 'all') == (read()[0], [100, 'all'])
    assert given_search_options(parsed('--gallery-sizes', '100')) == ['--gallery-sizes']
    assert given_search_options(parsed()) == []


@pytest.mark.parametrize(
    'arguments, config, said',
    [
        (['--cbgm', '0', '0'], {}, 'cbgm=.*at least 1'),
        (['--score-thr', 'nan'], {}, 'score_thr=nan'),
        ([], dict(cbgm=3), 'cbgm=3'),
        ([], dict(class_weighted=1), 'class_weighted=1'),
    ],
)
def test_options_that_cannot_be_are_told(arguments, config, said):
    with pytest.raises(ValueError, match=said):
        read(*arguments, config=config)
