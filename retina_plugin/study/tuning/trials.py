"""The trials of one variant, chosen by Optuna and kept in a file, so that tuning goes on after any interruption.

Optuna's TPE sampler (Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization) is made anew for every trial,
with a seed that depends on the number of the trial. So a choice depends on the finished trials only, and an
interrupted search chooses what it would have chosen without interruption. The first choices are random, and the same
for all variants in the values that they share.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...config import ConfigError
from ...printable import few
from ..execution.fingerprint import changes
from .space import Dimension, overrides_of

STORAGE = "trials.db"  # in the folder of a tuning
_STARTUP = 6  # trials at random before the sampler models AP
_SETTINGS = "settings"


@dataclass(frozen=True)
class Trial:
    """A trial: its number from 0, its overrides, and its AP at the first rung, None until that is known.

    Trial 0 is the unchanged variant, without overrides.
    """

    number: int
    overrides: tuple[str, ...]
    value: float | None


class Trials:
    """All trials of a variant."""

    def __init__(
        self, folder: Path, variant: str, space: Sequence[Dimension], seed: int, facts: dict[str, Any]
    ) -> None:
        """`facts`: everything that determines the APs, as text by part and key; stored in the file.

        Raises:
            ConfigError: if Optuna is not installed, or the file holds trials with other facts.
        """
        try:
            import optuna
        except ImportError as e:
            raise ConfigError("tuning needs Optuna: pip install 'retina_plugin[tune]'") from e
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._optuna, self._space, self._seed = optuna, list(space), seed
        storage = f"sqlite:///{(folder / STORAGE).resolve()}"
        self._search = optuna.create_study(
            storage=storage, study_name=variant, direction="maximize", load_if_exists=True
        )
        facts = facts | {"space": {d.name: json.dumps(asdict(d)) for d in space}, "seed": {"of tuning": str(seed)}}
        before = self._search.user_attrs.get(_SETTINGS, facts)
        if changed := changes(before, facts):
            raise ConfigError(
                f"{folder / STORAGE} holds trials of another search for {variant}: {few(changed, 3, '; ')}; "
                "give another folder with --output"
            )
        self._search.set_user_attr(_SETTINGS, facts)

    def ask(self, number: int) -> None:
        """Choose trials until there are `number` of them. The first one has the defaults."""
        while (now := len(self.all())) < number:
            self._search.sampler = self._optuna.samplers.TPESampler(
                seed=self._seed + now, n_startup_trials=_STARTUP, constant_liar=True
            )
            if now:
                self._search.ask(self._distributions(self._space))
                continue
            inside = [d for d in self._space if d.holds_default]
            if not self._search.get_trials(deepcopy=False):
                self._search.enqueue_trial({d.name: d.default for d in inside})
            self._search.ask(self._distributions(inside))

    def tell(self, number: int, value: float) -> None:
        """Record the AP of a trial."""
        self._search.tell(number, value)

    def all(self) -> list[Trial]:
        """The trials in the order of their numbers."""
        states = self._optuna.trial.TrialState
        found = [t for t in self._search.get_trials(deepcopy=False) if t.state != states.WAITING]
        return [Trial(t.number, overrides_of(t.params, self._space) if t.number else (), t.value) for t in found]

    def _distributions(self, space: Sequence[Dimension]) -> dict[str, Any]:
        return {d.name: self._optuna.distributions.FloatDistribution(d.low, d.high, log=d.log) for d in space}
