from .identity_memory import IdentityMemory, Prototypes

__all__ = ['IdentityMemory', 'Prototypes']
