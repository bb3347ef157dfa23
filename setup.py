"""Adds the configs to the package. Everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["retina_plugin", "retina_plugin.*"]), "retina_plugin.configs", "retina_cli"],
    package_dir={"retina_plugin.configs": "configs"},
    package_data={
        "retina_plugin": [
            "py.typed",
            "analysis/anchors/templates/*.j2",
            "analysis/errors/templates/*.j2",
            "analysis/imbalance/report/templates/*.j2",
            "analysis/labels/templates/*.j2",
            "pages/templates/*.j2",
            "study/report/templates/*.j2",
            "study/statistics/*.json",
        ],
        "retina_plugin.configs": ["**/*.py", "**/*.yaml"],
    },
)
