"""The look of all pages: style, page template, figures. Pages are single files that need no network."""
