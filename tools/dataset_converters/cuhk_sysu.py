"""CUHK-SYSU's official release -> train.json, test.json and protocol/G{50,...,4000},all.npz."""

from mmdet_ps.releases.convert import run_converter
from mmdet_ps.releases.cuhk_sysu import read_release
from mmdet_ps.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(lambda: run_converter('CUHK-SYSU', read_release))
