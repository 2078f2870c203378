# SeqNet, tested with context bipartite graph matching; a checkpoint of seqnet_r50_prw.py fits.
_base_ = './seqnet_r50_prw.py'
evaluation = dict(cbgm=dict(k1=30, k2=4))
