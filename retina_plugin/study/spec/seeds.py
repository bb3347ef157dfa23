"""The seeds of a study: which seeds run, and how many were planned."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...config import ConfigError


def plan_seeds(seeds: Sequence[int] | str | None, content: Mapping[str, Any]) -> dict[str, Any]:
    """The `Study` arguments scale_seed, seeds, planned and adds_seeds.

    The seeds are `seeds`, or without them those of the study file. The file determines the seed of the scales, and the
    number of planned seeds: of its own seeds, or `max_seeds` if `seeds` are "auto".

    Raises:
        ConfigError: as `read_seeds`, or for "auto" where no hypothesis can settle.
    """
    of_file = content.get("seeds", [0])
    wanted = of_file if seeds is None else seeds
    planned = "auto" if wanted == "auto" else of_file
    if wanted == "auto" and "factors" in content and not content.get("hypotheses"):
        raise ConfigError("seeds='auto' adds seeds until hypotheses are settled: a study with factors needs hypotheses")
    return {
        "scale_seed": read_seeds(of_file, content)[0],
        "seeds": read_seeds(wanted, content),
        "planned": len(read_seeds(planned, content)),
        "adds_seeds": wanted == "auto",
    }


def read_seeds(seeds: Sequence[int] | str, content: Mapping[str, Any]) -> tuple[int, ...]:
    """The seeds of a list, or 0 to `max_seeds` - 1 of the file for "auto"; raises ConfigError for anything else."""
    most = content.get("max_seeds", 10)
    if type(most) is not int or most < 2:
        raise ConfigError(f"max_seeds must be an integer of at least 2, got {most!r}")
    if seeds == "auto":
        return tuple(range(most))
    if not isinstance(seeds, Sequence) or isinstance(seeds, str):
        raise ConfigError(f"seeds must be a list of integers or 'auto', got {seeds!r}")
    if not seeds or not all(type(s) is int and 0 <= s < 2**32 for s in seeds) or len(set(seeds)) < len(seeds):
        raise ConfigError(f"seeds must be different integers from 0 to 2**32 - 1, at least one, got {list(seeds)}")
    return tuple(seeds)
