import importlib.util

custom_imports = dict(
    imports=['mmdet_ps.models', 'mmdet_ps.datasets', 'mmdet_ps.core.hooks'],
    allow_failed_imports=False,
)
checkpoint_config = dict(interval=1, max_keep_ckpts=3)
log_config = dict(
    interval=50,
    hooks=[
        dict(type='TextLoggerHook'),
        *([dict(type='TensorboardLoggerHook')] if importlib.util.find_spec('tensorboard') else []),
    ],
)
custom_hooks = [dict(type='NumClassCheckHook'), dict(type='BrokenPicturesHook')]
dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
opencv_num_threads = 0
mp_start_method = 'fork'
