"""People found in own pictures and videos, kept in a folder that is searched by embedding."""

from .gallery import Gallery
from .hits import Appearance, Hit, Hits
from .people import People
from .report import AddReport, Broken

__all__ = ['AddReport', 'Appearance', 'Broken', 'Gallery', 'Hit', 'Hits', 'People']
