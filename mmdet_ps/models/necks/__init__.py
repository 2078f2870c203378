from .afa import AFA

__all__ = ['AFA']
