"""Running a study: plant, train, measure; one row for each measured number."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

import spurlab
from spurlab.data import Dataset
from spurlab.metrics import accuracy, spurious_score
from spurlab.patterns import Pattern, Planted, make_pattern, plant
from spurlab.studies.grid import Cell, Training, cells_of, trainings_of
from spurlab.studies.study import Study, StudyError
from spurlab.training import Ensemble, Member, Progress, fit


@dataclass(frozen=True)
class Row:
    """One measured number, with everything needed to explain it. NaN: the network diverged."""

    measure: str
    value: float
    pattern: str
    target: int
    n: int
    seed: int
    settings: Mapping[str, Any]

    def flat(self) -> dict[str, Any]:
        """The row as one table line: the settings stand beside the number."""
        own = {key: value for key, value in vars(self).items() if key != "settings"}
        return own | dict(self.settings)


def run(
    study: Study,
    data: Dataset,
    *,
    workers: int | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[Row]:
    """Train every network that the study needs, each once, and measure it.

    Args:
        study: what to train and measure.
        data: the dataset that it names.
        workers: processes to train in (see `spurlab.training.fit`).
        device: where to train.
        progress: called now and then while training.

    Returns:
        For each cell two rows: the ``spurious_score`` of its pattern and target, and the ``accuracy`` of its network on
        the clean test examples.

    Raises:
        StudyError: the grid does not fit the data; nothing has been trained then.
    """
    cells = cells_of(study)
    trainings = trainings_of(cells)
    members = [Member(planted(study, data, training), training.seed) for training in trainings]
    ensemble = fit(
        study.architecture,
        members,
        study.recipe.recipe,
        classes=data.classes,
        workers=workers,
        device=device,
        progress=progress,
    )
    settings = settings_of(study, device)
    places = {training: place for place, training in enumerate(trainings)}
    clean = ensemble.predict(data.test.inputs)
    accuracies = accuracy(clean, data.test.labels).tolist()
    scores = dict(_scores(data, cells, places, ensemble, clean))
    rows = []
    for cell in cells:
        for measure, value in (("spurious_score", scores[cell]), ("accuracy", accuracies[places[cell.training]])):
            rows.append(Row(measure, value, cell.pattern, cell.target, cell.n, cell.seed, settings))
    return rows


def planted(study: Study, data: Dataset, training: Training) -> Planted:
    """The training set of one network.

    Raises:
        StudyError: the pattern, the target or n does not fit the data.
    """
    if training.pattern is None or training.target is None:
        return Planted.none(data.train)
    try:
        pattern = pattern_of(data, training.pattern, training.seed)
        return plant(data.train, pattern, training.target, training.n, training.seed, how=study.how)
    except ValueError as error:
        raise StudyError(f"{study.dataset}, pattern {training.pattern}, n = {training.n}: {error}") from error


def check_grid(study: Study, data: Dataset) -> None:
    """Whether every pattern, target and n fits the data, found out before anything is written or trained.

    Raises:
        StudyError: one does not.
    """
    for name in study.pattern:
        for target in study.target:
            planted(study, data, Training(name, target, max(study.n), study.seed[0]))


def pattern_of(data: Dataset, name: str, seed: int) -> Pattern:
    """The pattern of one seed: random ones are drawn once for each seed, as in the paper's code."""
    return make_pattern(name, data.shape, seed, clip=data.input_range)


def settings_of(study: Study, device: torch.device | str) -> dict[str, Any]:
    """What the rows of a study have in common."""
    recipe = asdict(study.recipe.recipe)
    recipe["milestones"] = " ".join(str(milestone) for milestone in recipe["milestones"])
    about = {"dataset": study.dataset, "architecture": study.architecture, "how": study.how, "device": str(device)}
    versions = {"spurlab": spurlab.__version__, "torch": torch.__version__, "machine": platform.machine()}
    return about | recipe | versions


def _scores(
    data: Dataset, cells: Sequence[Cell], places: Mapping[Training, int], ensemble: Ensemble, clean: Tensor
) -> Iterator[tuple[Cell, float]]:
    """The spurious score of each cell. Test images are marked once for each pattern and seed."""
    for name, seed in dict.fromkeys((cell.pattern, cell.seed) for cell in cells):
        marked_inputs = pattern_of(data, name, seed)(data.test.inputs)
        group = [cell for cell in cells if (cell.pattern, cell.seed) == (name, seed)]
        used = torch.tensor(sorted({places[cell.training] for cell in group}))
        marked = dict(zip(used.tolist(), ensemble[used].predict(marked_inputs), strict=True))
        for cell in group:
            place = places[cell.training]
            yield cell, spurious_score(clean[place], marked[place], cell.target).item()
