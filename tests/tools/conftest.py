import numpy as np
import pytest

from mmdet_ps.apis import build_test_set, load_config
from mmdet_ps.core.results_io import save_results
from mmdet_ps.datasets.synthetic import Settings, make_dataset

from .search_tools import CONFIG, run


@pytest.fixture(scope='session')
def searched(tmp_path_factory):
    """Options of the test set and a results file: true boxes, features by identity and noise."""
    folder = tmp_path_factory.mktemp('search')
    root = folder / 'data'
    make_dataset(Settings('cuhk_sysu', 30, 51, 40, 160, 96, seed=5), root, workers=2)
    run('dataset_converters/cuhk_sysu.py', root)
    options = [f'data.test.data_root={root}', 'data.workers_per_gpu=0']
    dataset = build_test_set(
        load_config(CONFIG, dict(option.split('=', 1) for option in options[:1]))
    )
    rng = np.random.default_rng(0)
    # 16 directions for more people than that: some are mixed up.
    codes = rng.normal(size=(dataset.num_pids + 1, 16))

    def described(pids, noise):
        return (codes[pids] + noise * rng.normal(size=(len(pids), 16))).astype(np.float32)

    results, asked = [], dataset.queries_of
    for i, info in enumerate(dataset.data_infos):
        ann = dataset.get_ann_info(i)
        queries = asked(i)
        # A query box is that of a person of the picture.
        whose = [int(np.abs(ann['bboxes'] - box).sum(1).argmin()) for box in queries]
        scores = rng.uniform(0.25, 1, len(ann['pids']))
        results.append(
            dict(
                bboxes=np.column_stack([ann['bboxes'], scores]).astype(np.float32),
                feats={'alignps': described(ann['pids'], 0.9)},
                img_name=info['filename'],
                query_boxes=queries,
                query_feats={'alignps': described(ann['pids'][whose], 0.2)},
            )
        )
    file = folder / 'results.npz'
    save_results(file, results)
    # The same with a feature before it that says nothing.
    for result in results:
        for boxes, key in (('bboxes', 'feats'), ('query_boxes', 'query_feats')):
            noise = rng.normal(size=(len(result[boxes]), 4)).astype(np.float32)
            result[key] = {'noise': noise, **result[key]}
    save_results(folder / 'two.npz', results)
    return options, file
