# seqnet_tiny, tested with context bipartite graph matching.
_base_ = './seqnet_tiny.py'
evaluation = dict(cbgm=dict(k1=10, k2=3))
