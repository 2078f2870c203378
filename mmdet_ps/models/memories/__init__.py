from .identity_memory import IdentityMemory

__all__ = ['IdentityMemory']
