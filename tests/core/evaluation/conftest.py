"""Makes ``tools/analysis`` importable: the slow reference evaluator lives there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / 'tools' / 'analysis'))
