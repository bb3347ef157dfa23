# For small or dense data on a CPU: trains on images without objects as background, with few workers and small batches.
from .coco import dataloader

dataloader.train.dataset.filter_empty = False
dataloader.train.total_batch_size = 8
dataloader.train.num_workers = 1
dataloader.test.num_workers = 1
