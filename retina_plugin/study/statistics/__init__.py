"""From detections and metrics to estimates and verdicts."""
