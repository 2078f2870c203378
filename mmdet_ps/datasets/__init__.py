from . import pipelines
from .cuhk_sysu import CuhkSysuDataset
from .person_search import PersonSearchDataset
from .prw import PrwDataset

__all__ = ['CuhkSysuDataset', 'PersonSearchDataset', 'PrwDataset', 'pipelines']
