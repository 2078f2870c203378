from .color import ChannelJitter
from .loading import LoadGivenBoxes, LoadPersonAnnotations, LoadSceneImage, use_given_boxes
from .pids import WithPids

__all__ = [
    'ChannelJitter',
    'LoadGivenBoxes',
    'LoadPersonAnnotations',
    'LoadSceneImage',
    'WithPids',
    'use_given_boxes',
]
