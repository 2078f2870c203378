"""Draw which places of a picture the neck's deformable convolutions read (Fig. 7 of the paper).

A panel a lateral level, C3 and C4 for most configs: the 9 x 9 places that lateral and output
convolution read together for the location at each chosen point. The points are the centres of the
people that the model finds, best first, unless some are given.

Example:
    python tools/analysis/sampling_locations.py CONFIG CHECKPOINT street.jpg --out places.png
"""

import argparse
import re
from pathlib import Path


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a model with the AFA neck')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('picture', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='file to write, .png or .jpg')
    parser.add_argument(
        '--points', nargs='+', metavar='X,Y', help='pixels of the picture in place of people'
    )
    parser.add_argument('--people', type=int, default=3, help='how many people, best first')
    parser.add_argument('--trust', action='store_true', help='read a checkpoint of your own')
    parser.add_argument('--title', default='', help='written above the panels')
    return parser.parse_args()


def parse_points(texts, width, height):
    """(M, 2) of (x, y) from '120,80' and the like.

    Raises:
        ValueError: for other text and for points outside the picture.
    """
    import numpy as np

    points = []
    for text in texts:
        number = r'-?\d+(?:\.\d+)?'
        if not re.fullmatch(f'{number},{number}', text):
            raise ValueError(f'--points {text}: a point is written X,Y in pixels, as 120,80')
        x, y = (float(part) for part in text.split(','))
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(f'--points {text}: outside the picture of {width}x{height} pixels')
        points.append((x, y))
    return np.array(points)


def samplings(neck, call):
    """Geometry and offsets of the neck's convolutions while ``call`` runs a picture through it.

    Returns:
        What ``call`` gives; the finest output level, 3 for P3; the `Sampling` of its convolution;
        and by level those of the lateral convolutions.

    Raises:
        ValueError: for a neck whose finest map comes from no convolution of this kind.
    """
    import torch

    from mmdet_ps.core.visualization.sampling_locations import Sampling

    finest = neck.out_levels[0]
    if str(finest) not in neck.fpn_convs:
        raise ValueError(f'P{finest + 3}, the finest map of this neck, reads no lateral map')
    convolutions = {level + 3: conv for level, conv in enumerate(neck.lateral_convs)}
    convolutions['output'] = neck.fpn_convs[str(finest)]
    found, hooks = {}, []

    def keep(name, conv, offset):
        geometry = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        found[name] = Sampling(offset[0].detach().cpu().double().numpy(), *geometry)

    for name, conv in convolutions.items():
        if hasattr(conv, 'conv_offset'):
            watched = conv.conv_offset

            def hook(_, inputs, offset, name=name, conv=conv):
                keep(name, conv, offset)
        elif isinstance(conv, torch.nn.Identity):
            continue
        else:
            watched = conv

            def hook(_, inputs, result, name=name, conv=conv):
                taps = conv.kernel_size[0] * conv.kernel_size[1]
                keep(name, conv, result.new_zeros(1, 2 * taps, *result.shape[2:]))

        hooks.append(watched.register_forward_hook(hook))
    try:
        result = call()
    finally:
        for handle in hooks:
            handle.remove()
    return result, finest + 3, found.pop('output'), found


def main():
    """Draw the picture."""
    args = parse_args()
    import cv2
    import numpy as np
    import torch

    from mmdet_ps.apis import load_config, load_model
    from mmdet_ps.apis.pictures import load_pictures
    from mmdet_ps.core.visualization import sampling_locations as fig
    from mmdet_ps.models.necks import AFA
    from mmdet_ps.utils.io import atomic_write, check_writable
    from mmdet_ps.utils.pictures import decode_picture

    if args.out.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        raise ValueError(f'--out {args.out}: must end in .png or .jpg')
    if args.people < 1:
        raise ValueError(f'--people {args.people}: must be 1 or more')
    check_writable(args.out)
    picture = decode_picture(args.picture.read_bytes(), str(args.picture))
    height, width = picture.shape[:2]
    points = parse_points(args.points, width, height) if args.points else None
    cfg = load_config(args.config)
    model = load_model(cfg, args.checkpoint, trust=args.trust)
    neck = getattr(model, 'neck', None)
    if not isinstance(neck, AFA):
        raise ValueError(f'{args.config}: its model has no AFA neck, whose convolutions are drawn')
    data = load_pictures(cfg, [args.picture])

    def find():
        with torch.no_grad():
            return model(return_loss=False, rescale=True, **data)[0]['bboxes']

    people, level, output, laterals = samplings(neck, find)
    if points is None:
        points = (people[: args.people, :2] + people[: args.people, 2:4]) / 2
        if not len(points):
            raise ValueError(f'{args.picture}: the model finds nobody in it; give --points X,Y')
    scale = np.asarray(data['img_metas'][0][0]['scale_factor'], dtype=float)[:2]
    at = fig.locations_of(points, output.size, 2**level, scale)
    levels = {
        f'lateral C{lateral} + output': fig.in_picture(
            fig.sampling_locations(at, output, laterals[lateral]), 2**lateral, scale
        )
        for lateral in sorted(laterals)[:2]
    }
    sheet = fig.draw_sampling_locations(
        picture, fig.in_picture(at, 2**level, scale), levels, args.title or args.picture.name
    )
    encoded = cv2.imencode(args.out.suffix, sheet)[1]
    with atomic_write(args.out) as stream:
        stream.write(encoded.tobytes())
    print(f'{args.out}: {len(points)} points of P{level}, {", ".join(levels)}')


if __name__ == '__main__':
    from mmdet_ps.utils.cli import run_tool

    run_tool(main)
