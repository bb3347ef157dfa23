"""Time of inference, from images or files to detections, and of its parts."""
