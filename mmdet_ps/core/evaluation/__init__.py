"""Person search evaluation: NumPy in, plain numbers out; imports no model."""

from .catalog import load_protocols, protocol_file
from .detection import evaluate_detection
from .options import SearchOptions
from .protocol import SearchProtocol
from .ranking import Ranking, load_rankings, save_rankings
from .report import (
    evaluate_results,
    format_table,
    summarize,
    write_csv,
    write_json,
)
from .search import evaluate_search

__all__ = [
    'Ranking',
    'SearchOptions',
    'SearchProtocol',
    'evaluate_detection',
    'evaluate_results',
    'evaluate_search',
    'format_table',
    'load_protocols',
    'load_rankings',
    'protocol_file',
    'save_rankings',
    'summarize',
    'write_csv',
    'write_json',
]
