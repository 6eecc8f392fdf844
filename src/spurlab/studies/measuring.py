"""The numbers of one network: what measures may look at is made when first asked for, once."""

from collections.abc import Sequence

from torch import Tensor, nn

from spurlab.data import Dataset
from spurlab.patterns import Common, Planted, plant
from spurlab.studies.graph import Train
from spurlab.studies.measures import MEASURES, Lesson, Seen
from spurlab.studies.store import Request
from spurlab.studies.training_sets import feature_of, pattern_of, planted
from spurlab.training import predictions


class Measuring:
    """Measures networks on one data set. Test inputs are marked once for each pattern and seed.

    Args:
        data: the data set.
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._marked: dict[tuple[str, int], Tensor] = {}  # of one pattern and seed at a time: a test set is large

    def numbers(self, network: nn.Module, training: Train, requests: Sequence[Request]) -> dict[Request, float]:
        """The numbers of a network.

        Args:
            network: as it was trained, or what was made of it.
            training: how it was trained.
            requests: what to measure.
        """
        data, feature = self._data, feature_of(training)
        clean = predictions(network, data.test.inputs)
        lesson = Lesson(network, lambda: planted(data, training))
        fresh = Lesson(network, lambda: self._fresh(training))
        marked: dict[str, Tensor] = {}
        numbers = {}
        for request in requests:
            name = request.pattern
            pattern = pattern_of(data, name, training.seed) if name else None
            if pattern is not None and name not in marked:
                place = name, training.seed
                if place not in self._marked:
                    self._marked.clear()
                    self._marked[place] = pattern(data.test.inputs)
                marked[name] = predictions(network, self._marked[place])
            about = data, pattern, request.target, training.setting.architecture
            seen = Seen(*about, network, clean, marked.get(name), training.seed, lesson, feature, fresh)
            numbers[request] = MEASURES[request.measure].taken(seen)
        return numbers

    def _fresh(self, training: Train) -> Planted:
        """The test examples; as many have the network's feature as in training, with the same values."""
        if (feature := feature_of(training)) is None:
            return Planted.none(self._data.test)
        return plant(self._data.test, feature, Common(training.share or 0.0), seed=training.seed)
