"""What all pages share: style, page template, figures. Pages are single files that need no network."""
