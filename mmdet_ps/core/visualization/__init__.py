"""What draws: pictures of what a model found."""

from .comparison import check_same_queries, comparison_sheet, most_different
from .rankings import choose_queries, choose_ranking, parse_queries, search_sheet
from .sheet import check_picture_name, pictures_in, write_picture

__all__ = [
    'check_picture_name',
    'check_same_queries',
    'choose_queries',
    'choose_ranking',
    'comparison_sheet',
    'most_different',
    'parse_queries',
    'pictures_in',
    'search_sheet',
    'write_picture',
]
