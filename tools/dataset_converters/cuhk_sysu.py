"""CUHK-SYSU's official release -> train.json, test.json and protocol/G{50,...,4000},all.npz."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from mmdet_ps.core.evaluation.cuhk_sysu import CuhkSysuProtocol, testg_files
from mmdet_ps.releases.convert import run_converter
from mmdet_ps.releases.cuhk_sysu import read_release
from mmdet_ps.utils.cli import run_tool


def read_protocols(root: Path) -> Iterator[CuhkSysuProtocol]:
    """The protocol of every TestG file in the release, and that of the full gallery."""
    for size in tqdm([*sorted(testg_files(root)), 'all'], 'protocols', unit='', leave=False):
        yield CuhkSysuProtocol.from_release(root, size)


if __name__ == '__main__':
    run_tool(lambda: run_converter('CUHK-SYSU', read_release, read_protocols))
