from .alignps_released import Conversion, convert, recognise

__all__ = ['Conversion', 'convert', 'recognise']
