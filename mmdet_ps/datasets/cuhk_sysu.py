"""CUHK-SYSU (Xiao et al., CVPR 2017)."""

from mmdet.datasets import DATASETS

from .person_search import PersonSearchDataset


@DATASETS.register_module()
class CuhkSysuDataset(PersonSearchDataset):
    """CUHK-SYSU, and other data in its layout, converted by ``tools/dataset_converters``."""

    GALLERY_SIZES = (100,)
