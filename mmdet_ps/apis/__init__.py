from mmdet_ps.core.parallel import init_processes

from .config import load_config
from .searcher import PersonSearcher
from .test import build_test_set, load_model, run_model
from .train import check_num_pids, train

__all__ = [
    'PersonSearcher',
    'build_test_set',
    'check_num_pids',
    'init_processes',
    'load_config',
    'load_model',
    'run_model',
    'train',
]
