from .diversity_loss import DiversityLoss
from .kl_mutual_loss import KLMutualLoss
from .mutual_information_loss import MutualInformationLoss
from .oim_loss import OIMLoss
from .toim_loss import TOIMLoss
from .triplet_loss import TripletLoss

__all__ = [
    'DiversityLoss',
    'KLMutualLoss',
    'MutualInformationLoss',
    'OIMLoss',
    'TOIMLoss',
    'TripletLoss',
]
