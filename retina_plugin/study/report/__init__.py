"""The report of a study: tables, figures, pictures and their templates."""
