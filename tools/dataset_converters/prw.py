"""PRW's official release -> train.json, test.json and protocol/{all,cross,same}.npz."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from mmdet_ps.core.evaluation.protocol import CAMERA_RULES
from mmdet_ps.core.evaluation.prw import PrwProtocol
from mmdet_ps.releases.convert import run_converter
from mmdet_ps.releases.prw import read_release
from mmdet_ps.utils.cli import run_tool


def read_protocols(root: Path) -> Iterator[PrwProtocol]:
    """Galleries of all cameras, of the other cameras and of the query's camera."""
    for cameras in tqdm(CAMERA_RULES, 'protocols', unit='', leave=False):
        yield PrwProtocol.from_release(root, cameras)


if __name__ == '__main__':
    run_tool(lambda: run_converter('PRW', read_release, read_protocols))
