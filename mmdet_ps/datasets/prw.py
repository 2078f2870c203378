"""PRW, person re-identification in the wild (Zheng et al., CVPR 2017)."""

from mmdet.datasets import DATASETS

from .person_search import PersonSearchDataset


@DATASETS.register_module()
class PrwDataset(PersonSearchDataset):
    """PRW, and other data in its layout, converted by ``tools/dataset_converters``."""
