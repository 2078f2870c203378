from dataclasses import replace

import pytest

from mmdet_ps.datasets.synthetic import Settings, make_dataset

SMALL = Settings(
    layout='cuhk_sysu',
    train_images=30,
    test_images=51,
    identities=40,
    width=160,
    height=96,
    seed=3,
)


@pytest.fixture(scope='session')
def small() -> Settings:
    return SMALL


@pytest.fixture(scope='session')
def cuhk_sysu(tmp_path_factory):
    """A small release in CUHK-SYSU's layout and what its maker says about it."""
    root = tmp_path_factory.mktemp('synthetic') / 'cuhk_sysu'
    return root, make_dataset(SMALL, root)


@pytest.fixture(scope='session')
def prw(tmp_path_factory):
    """A small release in PRW's layout and what its maker says about it."""
    root = tmp_path_factory.mktemp('synthetic') / 'prw'
    return root, make_dataset(replace(SMALL, layout='prw'), root, workers=2)
