"""Stands in for the tools that reproduce.py calls: fake_tools.py FOLDER TOOL ARGUMENTS.

FOLDER/ledger gets a line for each iteration that is saved and each test; FOLDER/hang names the
config that stops before its second iteration until FOLDER/go is there; FOLDER/fail names one whose
training ends on bad input, FOLDER/crash one that crashes under torchrun, and FOLDER/stop one that a
SIGTERM ends before its second iteration.
"""

import json
import sys
import time
from pathlib import Path


def option(arguments, name):
    return Path(arguments[arguments.index(name) + 1])


def asked(folder, what, config):
    return (folder / what).exists() and (folder / what).read_text() == config


def train(folder, config, arguments, note):
    out = option(arguments, '--work-dir')
    if asked(folder, 'fail', config):
        sys.exit('a long story\nerror: no picture with people is left')
    if asked(folder, 'crash', config):
        sys.exit(f'Traceback\n  here\nMemoryError: no room\n{"=" * 60}')
    done = len(list(out.glob('iter_*.pth')))

    def save(name):
        (out / name).touch()
        (out / 'latest.pth').unlink(missing_ok=True)
        (out / 'latest.pth').symlink_to(name)

    for iteration in range(done + 1, 4):
        if iteration == 2 and asked(folder, 'stop', config):
            save('stopped.pth')
            sys.exit(75)
        if iteration == 2 and asked(folder, 'hang', config):
            note('hanging')
            until = time.monotonic() + 60
            while not (folder / 'go').exists() and time.monotonic() < until:
                time.sleep(0.01)
        save(f'iter_{iteration}.pth')
        note(f'iteration {iteration}')
    if (folder / 'time').exists():
        write_log(folder, out, float((folder / 'time').read_text()))


def write_log(folder, out, seconds):
    """The log of a training whose first four iterations are slow; its checkpoint is a real one."""
    lines = [dict(mode='train', time=9.0 if i < 4 else seconds) for i in range(24)]
    (out / 'a.log.json').write_text('\n'.join(json.dumps(line) for line in [dict(seed=0), *lines]))
    (out / 'latest.pth').unlink()
    (out / 'latest.pth').write_bytes((folder / 'meta.pth').read_bytes())


def test(config, arguments, note):
    if '--results' in arguments:
        assert option(arguments, '--results').exists()
    else:
        assert (option(arguments, '--json').parent / 'latest.pth').exists()
    if '--out' in arguments:
        option(arguments, '--out').touch()
    row = dict(protocol='G50', mAP=len(config) / 100, top1=0.5)
    names = ['alignps', 'roi_align', 'concatenation'] if 'joint' in config else ['alignps']
    rows = [row | dict(feature=name, top1=0.5 + i / 10) for i, name in enumerate(names)]
    report = dict(search=rows, detection=dict(AP=0.8, recall=0.9))
    option(arguments, '--json').write_text(json.dumps(report))
    note('tested')


def main():
    folder, tool, arguments = Path(sys.argv[1]), Path(sys.argv[2]).name, sys.argv[3:]
    config = Path(arguments[0]).stem

    def note(text):
        where = arguments[arguments.index('--json' if 'test' in tool else '--work-dir') + 1]
        seed = next(part for part in Path(where).parts if part.startswith('seed'))
        with open(folder / 'ledger', 'a') as ledger:
            ledger.write(f'{config} {seed} {text}\n')

    if tool == 'join_results.py':
        assert Path(arguments[0]).exists() and Path(arguments[1]).exists()
        option(arguments, '--out').touch()
    elif tool == 'train.py':
        train(folder, config, arguments, note)
    else:
        test(config, arguments, note)


if __name__ == '__main__':
    main()
