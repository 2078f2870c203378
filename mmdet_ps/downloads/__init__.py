"""Published checkpoints and data sets: fetched, checked, converted, and found again by name."""

from .catalogue import CATALOGUE, Download, find_released
from .get import get

__all__ = ['CATALOGUE', 'Download', 'find_released', 'get']
