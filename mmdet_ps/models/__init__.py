from . import (
    dense_heads,
    detectors,
    layers,
    losses,
    memories,
    necks,
    pretrained,
    roi_heads,
)

__all__ = [
    'dense_heads',
    'detectors',
    'layers',
    'losses',
    'memories',
    'necks',
    'pretrained',
    'roi_heads',
]
