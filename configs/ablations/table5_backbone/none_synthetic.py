_base_ = './tiny.py'
