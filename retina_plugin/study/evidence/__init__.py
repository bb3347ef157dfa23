"""Results of runs by image: detections matched to objects, and metrics on resampled images."""
