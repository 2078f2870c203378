"""PRW's official release -> train.json, test.json and protocol/{all,cross,same}.npz."""

from mmdet_ps.releases.convert import run_converter
from mmdet_ps.releases.prw import read_release
from mmdet_ps.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(lambda: run_converter('PRW', read_release))
