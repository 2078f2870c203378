"""The page on which people of a gallery are searched in a browser."""

from .server import serve

__all__ = ['serve']
