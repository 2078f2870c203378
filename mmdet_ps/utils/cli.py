"""How every tool of the project ends: one clear line and exit code 2 on bad input."""

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

BAD_INPUT = 2
# Of a training that a SIGTERM ended early: it is saved, and the same command goes on with it. The
# number is sysexits' EX_TEMPFAIL.
STOPPED_EARLY = 75
# Of a long loop's progress, in a log.
SECONDS_A_LINE = 30


def _key_and_value(text: str) -> str:
    if not re.match(r'[^=]+=', text):
        raise argparse.ArgumentTypeError(f'{text!r} is not KEY=VALUE')
    return text


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Give a tool ``--cfg-options KEY=VALUE ...``.

    They arrive as texts and are read by `mmdet_ps.apis.load_config`, since reading them needs mmcv,
    and ``--help`` should not wait for that.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        type=_key_and_value,
        metavar='KEY=VALUE',
        help='overrides of the config, e.g. optimizer.lr=0.002 data.samples_per_gpu=8',
    )


def fail(message: str) -> None:
    """Print one line on stderr and leave with exit code 2."""
    print(f'error: {" ".join(str(message).split())}', file=sys.stderr, flush=True)  # noqa: T201
    raise SystemExit(BAD_INPUT)


def _own_words(message: str) -> str:
    """The message itself where torch has put a data loader worker's traceback in front of it."""
    if not re.match(r'Caught \w+ in DataLoader worker process', message):
        return message
    return message.rstrip().splitlines()[-1].split(': ', 1)[-1]


def progress(
    title: str,
    items: Iterable | None = None,
    total: int | None = None,
    hidden: bool = False,
    unit: str = 'it',
) -> Any:
    """Show on stderr how far a long loop is.

    Args:
        title: What is being done.
        items: To be iterated over; or count with ``update(n)`` in a ``with`` block.
        total: Number of items, where ``items`` does not know it.
        hidden: Whether nothing is shown.
        unit: What is counted; ``'B'`` are shown as kB, MB, GB.

    Returns:
        A ``tqdm``; where stderr is no terminal (a log file, say) it writes a line every
        `SECONDS_A_LINE` in place of a bar.
    """
    from tqdm import tqdm

    counted = dict(disable=hidden, unit=unit, unit_scale=unit == 'B')
    if sys.stderr.isatty():
        return tqdm(items, title, total, **counted)

    class Lines(tqdm):
        @staticmethod
        def status_printer(file: Any) -> Callable[[str], None]:
            return lambda text: print(text, file=sys.stderr, flush=True)  # noqa: T201

    return Lines(
        items,
        title,
        total,
        **counted,
        delay=SECONDS_A_LINE,
        mininterval=SECONDS_A_LINE,
        maxinterval=SECONDS_A_LINE,
        miniters=1,
        bar_format='{desc}: {n_fmt}/{total_fmt}, {elapsed}',
    )


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool's ``main`` and turn errors about its input into one line.

    A tool imports what is heavy inside ``main``, after it has read its command line: ``--help``
    then comes at once, and mmcv's advertisement of its next version, which it warns of on every
    import, is held back here.

    Errors of the kinds that mmdet_ps raises on bad input (``ValueError``, ``KeyError``,
    ``OSError``) carry what is wrong, where, and the cure; any other exception, a ``KeyError`` of a
    lone key among them, is a defect of ours and keeps its traceback.
    """
    warnings.filterwarnings('ignore', 'On January 1, 2023, MMCV', UserWarning)
    try:
        main()
    except KeyError as error:
        message = str(error.args[0]) if error.args else ''
        if ' ' not in message:
            raise
        fail(_own_words(message))
    except OSError as error:
        named = error.strerror and error.filename
        fail(f'{error.filename}: {error.strerror}' if named else _own_words(str(error)))
    except ValueError as error:
        fail(_own_words(str(error)))
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)  # noqa: T201
        raise SystemExit(130) from None
