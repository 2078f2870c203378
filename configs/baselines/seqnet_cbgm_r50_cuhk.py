# SeqNet, tested with context bipartite graph matching; a checkpoint of seqnet_r50_cuhk.py fits.
_base_ = './seqnet_r50_cuhk.py'
evaluation = dict(cbgm=dict(k1=10, k2=3))
