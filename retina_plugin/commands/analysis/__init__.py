"""The bodies of commands that look inside: findings, loss, anchors, errors, labels."""
