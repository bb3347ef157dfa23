"""The grid of a study file: `grid=dict(share={"1e-4": [...], "1e-3": [...]}, schedule={"40": [...], "120": [...]})`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import ConfigError
from ..spec.file_content import check_overrides, read_study_file
from ..spec.names import unusable_names
from ..spec.study import Study
from ..spec.study_file import load_study

_EXAMPLE = "grid=dict(share={'1e-4': ['synthetic.objects=[0,1]'], ...}, schedule={'40': ['train.max_iter=40'], ...})"


@dataclass(frozen=True)
class Axis:
    """One setting that differs between the cells of a grid: its name, and the overrides by level."""

    name: str
    levels: dict[str, tuple[str, ...]]


Cell = tuple[str, str]  # a level of the rows and a level of the columns


@dataclass(frozen=True)
class Grid:
    """The same study with the settings of every combination of a row and a column.

    Attributes:
        path: the study file.
        rows, columns: the two axes.
        chosen: the cells to train; all unless the user names some.
        output_dir: the folder of the map.
        shared: overrides of the study file, for all cells.
        overrides: overrides of the command line.
        options: further arguments of `load_study`.
    """

    path: Path
    rows: Axis
    columns: Axis
    chosen: tuple[Cell, ...]
    output_dir: Path
    shared: tuple[str, ...]
    overrides: tuple[str, ...]
    options: Mapping[str, Any]

    @property
    def cells(self) -> list[Cell]:
        """All cells, row by row."""
        return [(row, column) for row in self.rows.levels for column in self.columns.levels]

    def folder(self, cell: Cell) -> Path:
        """The study folder of a cell."""
        return self.output_dir.joinpath(*cell)

    def study(self, cell: Cell) -> Study:
        """The study of a cell. Overrides apply in the order: study, row, column, command line, variant.

        Raises:
            ConfigError: if the study is not valid.
        """
        return load_study(self.path, output_dir=self.folder(cell), overrides=self._own_settings(cell), **self.options)

    def settings(self, cell: Cell) -> list[str]:
        """The overrides of all runs of a cell, without the overrides of variants."""
        return [*self.shared, *self._own_settings(cell)]

    def _own_settings(self, cell: Cell) -> list[str]:
        row, column = cell
        return [*self.rows.levels[row], *self.columns.levels[column], *self.overrides]


def load_grid(
    path: str | Path,
    cells: Sequence[str] | None = None,
    output_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    **options: Any,
) -> Grid | None:
    """Read a study file with a grid, and check every row and every column; None if the file has no grid.

    `cells` names what to train, such as "1e-4" for a row or column or "1e-4/40" for a cell. `options` are further
    arguments of `load_study`.

    Raises:
        ConfigError: if the grid has another form, a name is unknown, or a study is not valid.
    """
    content = read_study_file(path)
    if "grid" not in content:
        if cells:
            raise ConfigError(f"--cells {' '.join(cells)}: {path} has no grid")
        return None
    rows, columns = _read_axes(content["grid"])
    every = [(row, column) for row in rows.levels for column in columns.levels]
    shared = tuple(content.get("overrides", ()))
    folder = Path(output_dir or content.get("output_dir", "./output/study"))
    grid = Grid(Path(path), rows, columns, _choose(every, cells), folder, shared, tuple(overrides), options)
    for cell in every:
        if every[0][0] == cell[0] or every[0][1] == cell[1]:  # every level once; reading all would be slow
            if (study := grid.study(cell)).adds_seeds:
                raise ConfigError("seeds='auto' cannot be used with a grid: give the same seeds to all cells")
    if not (study.questions or study.other_questions):
        raise ConfigError(f"{path}: the map of a grid shows hypotheses: add hypotheses=[...]")
    return grid


def _read_axes(entries: Any) -> tuple[Axis, Axis]:
    if not isinstance(entries, Mapping) or len(entries) != 2:
        raise ConfigError(f"grid must have two axes with their levels, such as {_EXAMPLE}, got {entries!r}")
    rows, columns = (_read_axis(str(name), levels) for name, levels in entries.items())
    if repeated := sorted(set(rows.levels) & set(columns.levels)):
        raise ConfigError(f"grid: rows and columns share the levels {repeated}: give each level a name of its own")
    return rows, columns


def _read_axis(name: str, levels: Any) -> Axis:
    if not isinstance(levels, Mapping) or not levels:
        raise ConfigError(f"grid.{name} must have levels with their overrides, such as {_EXAMPLE}, got {levels!r}")
    if bad := unusable_names(levels):
        raise ConfigError(f"grid.{name}: levels must have names of letters, digits, _ . -, got {bad}")
    return Axis(name, {level: check_overrides(f"grid.{name}[{level!r}]", x) for level, x in levels.items()})


def _choose(known: Sequence[Cell], wanted: Sequence[str] | None) -> tuple[Cell, ...]:
    for name in wanted or ():
        if not any(_matches(cell, name) for cell in known):
            raise ConfigError(f"--cells {name}: the grid has the cells {', '.join('/'.join(cell) for cell in known)}")
    return tuple(cell for cell in known if not wanted or any(_matches(cell, name) for name in wanted))


def _matches(cell: Cell, name: str) -> bool:
    return name in (*cell, "/".join(cell))
