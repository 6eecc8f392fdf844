"""The numbers of one network: each measure is taken once for each mark, whatever numbers of it are asked for."""

from collections.abc import Mapping, Sequence

from torch import nn

from spurlab.data import Dataset
from spurlab.measures import Lesson, MarkedTests, Measure, Observed, measure_named
from spurlab.measures.observed import given
from spurlab.patterns import Common, Planted, plant
from spurlab.studies.graph import Train
from spurlab.studies.subjects import Request
from spurlab.studies.training_sets import feature_of, pattern_of, planted


class Measuring:
    """Measures networks on one data set.

    Args:
        data: the data set.
    """

    def __init__(self, data: Dataset) -> None:
        self._data, self._tests = data, MarkedTests(data)

    def numbers(self, network: nn.Module, training: Train, requests: Sequence[Request]) -> dict[Request, float]:
        """The numbers of a network.

        Args:
            network: as it was trained, or what was made of it.
            training: how it was trained.
            requests: what to measure.
        """
        observed = Observed(
            self._data,
            training.setting.architecture,
            network,
            training.seed,
            feature=feature_of(training),
            trained_on=Lesson(network, lambda: planted(self._data, training)),
            fresh=Lesson(network, lambda: self._fresh(training)),
            tests=self._tests,
        )
        taken: dict[tuple[Measure, str, int], Mapping[str, float]] = {}
        numbers = {}
        for request in requests:
            name, pattern, target = request
            measure = measure_named(name)
            place = measure, pattern, target
            if place not in taken:
                mark = pattern_of(self._data, pattern, training.seed) if pattern else None
                taken[place] = given(measure.take)(observed.with_mark(mark, target))
            numbers[request] = taken[place][name]
        return numbers

    def _fresh(self, training: Train) -> Planted:
        """The test examples; as many have the network's feature as in training, with the same values."""
        if (feature := feature_of(training)) is None:
            return Planted.none(self._data.test)
        return plant(self._data.test, feature, Common(training.share or 0.0), seed=training.seed)
