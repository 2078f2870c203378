"""Test a person search model, or evaluate results that were saved."""

import argparse

from mmdet_ps.core.search_arguments import add_search_options, read_search_options
from mmdet_ps.utils.cli import add_cfg_options, progress, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file; not needed with --results')
    parser.add_argument('--out', metavar='FILE.npz', help='save the results')
    parser.add_argument('--results', metavar='FILE.npz', help='evaluate saved results instead')
    parser.add_argument('--json', metavar='FILE', help='write the numbers as json')
    parser.add_argument('--csv', metavar='FILE', help='write the numbers as a table')
    parser.add_argument(
        '--save-ranking', metavar='FILE.npz', help='write AP, ranks and top-10 boxes of each query'
    )
    parser.add_argument(
        '--show-dir', metavar='DIR', help='draw the people found in each picture into this folder'
    )
    parser.add_argument(
        '--use-gt-boxes',
        action='store_true',
        help='describe annotated boxes instead of detecting: the upper bound',
    )
    parser.add_argument(
        '--trust', action='store_true', help='read files of your own that can run code'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    add_search_options(parser)
    add_cfg_options(parser)
    args = parser.parse_args()
    if (args.checkpoint is None) == (args.results is None):
        parser.error('give a checkpoint to test, or --results FILE to evaluate; not both')
    if args.results and (args.out or args.use_gt_boxes):
        parser.error('--out and --use-gt-boxes need a checkpoint: saved results are what they are')
    return args


def draw_pictures(dataset, results, folder: str, score_thr: float) -> None:
    """Draw who was found in each picture of a test set, from ``score_thr`` on."""
    from pathlib import Path

    from mmdet_ps.core.visualization.people import draw_detections, save_picture
    from mmdet_ps.utils.pictures import decode_picture

    for info, result in zip(progress('drawing', dataset.data_infos), results, strict=True):
        path = Path(dataset.img_prefix or '', info['filename'])
        found = result['bboxes'][result['bboxes'][:, 4] >= score_thr]
        # No part of a name leads out of the folder.
        inside = [part for part in Path(info['filename']).parts if part not in ('/', '..')]
        picture = decode_picture(path.read_bytes(), str(path))
        save_picture(Path(folder, *inside), draw_detections(picture, found))


def main() -> None:
    """Test as the command line says."""
    args = parse_args()
    from mmdet_ps.apis import build_test_set, init_processes, load_config, load_model, run_model
    from mmdet_ps.core.evaluation import format_table, write_csv, write_json
    from mmdet_ps.core.results_io import check_out, load_results, save_results
    from mmdet_ps.utils.io import check_writable

    check_out(args.out)
    shown = args.show_dir and f'{args.show_dir}/picture.jpg'
    check_writable(args.out, args.json, args.csv, args.save_ranking, shown)
    cfg = load_config(args.config, args.cfg_options)
    options, gallery_sizes = read_search_options(args, cfg.get('evaluation'))
    if args.results:
        dataset = build_test_set(cfg, check_pictures=args.show_dir is not None)
        results = load_results(args.results, trust=args.trust)
    else:
        distributed = init_processes(args.launcher, cfg)
        model = load_model(cfg, args.checkpoint, trust=args.trust)
        gt_box_queries = options.query_feature == 'gt_box'
        dataset = build_test_set(cfg, args.use_gt_boxes, gt_box_queries)
        # A protocol that cannot be read should not cost a pass over the test set first.
        dataset.load_protocols(gallery_sizes)
        results = run_model(model, dataset, cfg, distributed)
        if results is None:
            return
        if args.out:
            save_results(args.out, results)
    report = dataset.report(
        results, options, gallery_sizes=gallery_sizes, ranking_file=args.save_ranking
    )
    print(f'\n{format_table(report)}')
    if args.json:
        write_json(report, args.json)
    if args.csv:
        write_csv(report, args.csv)
    if args.show_dir:
        draw_pictures(dataset, results, args.show_dir, options.score_thr)


if __name__ == '__main__':
    run_tool(main)
