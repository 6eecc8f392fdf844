"""The numbers of one network: each measure is taken once for each mark, whatever numbers of it are asked for."""

from collections.abc import Mapping, Sequence

from torch import nn

from spurlab.measures import Answers, MarkedTests, Measure, Observed, measure_named
from spurlab.patterns import Common, Planted, plant
from spurlab.studies.graph import Train
from spurlab.studies.materials import Materials
from spurlab.studies.subjects import Request
from spurlab.studies.training_sets import feature_of


class Measuring:
    """Measures networks on one data set; test inputs are marked once for each pattern and seed.

    Args:
        materials: the data set, and what names of patterns stand for.
    """

    def __init__(self, materials: Materials) -> None:
        self._materials, self._tests = materials, MarkedTests(materials.data)

    def observed(self, network: nn.Module, training: Train) -> Observed:
        """What measures may look at.

        Args:
            network: as it was trained, or what was made of it.
            training: how it was trained.
        """
        return Observed(
            self._materials.data,
            training.setting.architecture,
            network,
            training.seed,
            feature=feature_of(self._materials.data, training),
            recipe=training.setting.recipe,
            trained_on=Answers(network, lambda: self._materials.planted(training)),
            fresh=Answers(network, lambda: self._fresh(training)),
            tests=self._tests,
        )

    def numbers(self, observed: Observed, requests: Sequence[Request]) -> tuple[float, ...]:
        """The number of each request."""
        taken: dict[tuple[Measure, str, int], Mapping[str, float]] = {}
        numbers = []
        for request in requests:
            measure, pattern, target = measure_named(request.number), request.pattern, request.target
            place = measure, pattern, target
            if place not in taken:
                mark = self._materials.pattern(pattern, observed.seed) if pattern else None
                taken[place] = measure.take(observed.with_mark(mark, target))
            numbers.append(taken[place][request.number])
        return tuple(numbers)

    def _fresh(self, training: Train) -> Planted:
        """The test examples; as many have the network's feature as in training, with the same values."""
        data = self._materials.data
        if training.share is None or (feature := feature_of(data, training)) is None:
            return Planted.none(data.test)
        return plant(data.test, feature, Common(training.share), seed=training.seed)
