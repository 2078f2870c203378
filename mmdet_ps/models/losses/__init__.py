from .oim_loss import OIMLoss
from .toim_loss import TOIMLoss
from .triplet_loss import TripletLoss

__all__ = ['OIMLoss', 'TOIMLoss', 'TripletLoss']
