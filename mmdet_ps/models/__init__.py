from . import dense_heads, detectors, layers, losses, memories, necks

__all__ = ['dense_heads', 'detectors', 'layers', 'losses', 'memories', 'necks']
