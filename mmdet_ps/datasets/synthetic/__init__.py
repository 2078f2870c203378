"""Synthetic person search data in the layouts of the official releases."""

from .generate import make_dataset
from .plan import Settings, plan_scenes

__all__ = ['Settings', 'make_dataset', 'plan_scenes']
