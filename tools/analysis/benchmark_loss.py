"""Time the re-id loss: forward, backward and memory update."""

import argparse

from mmdet_ps.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--positives', type=int, nargs='+', default=[400, 4000])
    parser.add_argument('--num-pids', type=int, default=5532, help='table rows')
    parser.add_argument('--queue-size', type=int, default=5000)
    parser.add_argument('--feat-channels', type=int, default=256)
    parser.add_argument(
        '--points-a-person', type=int, default=9, help='positive points that share an identity'
    )
    parser.add_argument('--unlabelled', type=float, default=0.3, help='share without identity')
    parser.add_argument('--mining', nargs='+', default=['none', 'hard', 'all'])
    parser.add_argument('--runs', type=int, default=10)
    return parser.parse_args()


def main() -> None:
    """Time and print."""
    args = parse_args()
    import torch
    from mmdet.models import build_loss

    import mmdet_ps.models  # noqa: F401 registers the losses
    from mmdet_ps.utils.timing import device_name, seconds, summary

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    print(
        f're-id loss on {device_name()}, {args.num_pids} + {args.queue_size} memory rows, '
        f'{args.runs} runs after 2:'
    )
    for positives in args.positives:
        for mining in args.mining:
            torch.manual_seed(0)
            oim = dict(
                num_pids=args.num_pids,
                queue_size=args.queue_size,
                feat_channels=args.feat_channels,
            )
            triplet = None if mining == 'none' else dict(mining=mining)
            loss = build_loss(dict(type='TOIMLoss', oim=oim, triplet=triplet)).to(device)
            people = -(-positives // args.points_a_person)
            pids = torch.randint(args.num_pids, (people,))
            pids[torch.rand(people) < args.unlabelled] = -1
            pids = pids.repeat_interleave(args.points_a_person)[:positives].to(device)
            feats = torch.randn(positives, args.feat_channels, device=device, requires_grad=True)

            def step(loss=loss, feats=feats, pids=pids) -> None:  # noqa: ANN001
                sum(loss(feats, pids).values()).backward()

            times = [seconds(step) for _ in range(args.runs + 2)][2:]
            print(f'  {positives:6d} positives, triplet {mining:5s} {summary(times)}')


if __name__ == '__main__':
    run_tool(main)
