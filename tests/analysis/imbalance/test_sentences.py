"""Shares as readers see them."""

import pytest

from retina_plugin.analysis.imbalance.report.sentences import percent

SHARES = {0.0: "0 %", 1e-5: "< 0.01 %", 0.0004: "0.04 %", 0.0043: "0.4 %", 0.0994: "9.9 %", 0.0996: "10 %"}
SHARES |= {0.52: "52 %", 0.994: "99 %", 0.997: "99.7 %", 1.0: "100 %", float("nan"): "–"}


@pytest.mark.parametrize("share", SHARES)
def test_a_share_has_digits_where_they_matter(share):
    assert percent(share) == SHARES[share]
