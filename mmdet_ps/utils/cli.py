"""How every tool of the project ends: one clear line and exit code 2 on bad input."""

import re
import sys
from collections.abc import Callable

BAD_INPUT = 2


def fail(message: str) -> None:
    """Print one line on stderr and leave with exit code 2."""
    print(f'error: {" ".join(str(message).split())}', file=sys.stderr, flush=True)  # noqa: T201
    raise SystemExit(BAD_INPUT)


def _own_words(message: str) -> str:
    """The message itself where torch has put a data loader worker's traceback in front of it."""
    if not re.match(r'Caught \w+ in DataLoader worker process', message):
        return message
    return message.rstrip().splitlines()[-1].split(': ', 1)[-1]


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool's ``main`` and turn errors about its input into one line.

    Errors of the kinds that mmdet_ps raises on bad input (``ValueError``, ``KeyError``,
    ``OSError``) carry what is wrong, where, and the cure; any other exception is a defect of ours
    and keeps its traceback.
    """
    try:
        main()
    except KeyError as error:
        fail(_own_words(str(error.args[0]) if error.args else str(error)))
    except OSError as error:
        named = error.strerror and error.filename
        fail(f'{error.filename}: {error.strerror}' if named else _own_words(str(error)))
    except ValueError as error:
        fail(_own_words(str(error)))
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)  # noqa: T201
        raise SystemExit(130) from None
