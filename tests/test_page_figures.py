"""Figures and pictures of pages."""

import warnings

from retina_plugin.pages.figures import new_panel, save_figure, svg_uri


def test_names_with_characters_that_the_font_lacks_give_no_warning(tmp_path):
    figure, _ = new_panel("\U0001f9eb cell", "score")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg_uri(figure)
        save_figure(figure, tmp_path / "figure.png")
