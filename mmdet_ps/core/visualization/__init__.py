"""What draws: pictures of what a model found."""

from .rankings import choose_queries, search_sheet
from .sheet import check_picture_name, write_picture

__all__ = ['check_picture_name', 'choose_queries', 'search_sheet', 'write_picture']
