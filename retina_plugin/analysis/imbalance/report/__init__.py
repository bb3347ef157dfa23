"""The imbalance page: its numbers, sentences, figures and pictures."""
