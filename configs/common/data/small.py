# For data that is small or dense and a CPU: images without objects count as background, few workers, small batches.
from .coco import dataloader

dataloader.train.dataset.filter_empty = False
dataloader.train.total_batch_size = 8
dataloader.train.num_workers = 1
dataloader.test.num_workers = 1
