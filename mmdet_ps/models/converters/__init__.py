from .alignps_released import LAYOUTS, Conversion, convert, recognise
from .files import convert_file, released_config

__all__ = ['LAYOUTS', 'Conversion', 'convert', 'convert_file', 'recognise', 'released_config']
