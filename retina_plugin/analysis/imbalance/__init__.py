"""From which anchors the classification loss comes."""
