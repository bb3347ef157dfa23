"""What a study file says: variants, seeds, hypotheses, metrics and published figures."""
