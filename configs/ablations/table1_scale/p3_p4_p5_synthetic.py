_base_ = ['../../synthetic/alignps_tiny.py', './table.py']
model = dict(
    neck={{_base_.table.rows.p3_p4_p5.model.neck}},
    bbox_head=dict(
        strides={{_base_.table.rows.p3_p4_p5.model.bbox_head.strides}},
        # The paper's sizes are for pictures of 1500 pixels; these have 480.
        regress_ranges=((-1, 41), (41, 82), (82, 1e8)),
    ),
)
