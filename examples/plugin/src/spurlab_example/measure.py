"""A measure: a `Measure`, whose function gets what is known of one network and gives numbers by name."""

from spurlab.measures import Measure, Observed


def confidence(observed: Observed) -> dict[str, float]:
    """The mean over test examples of the largest class probability, in [1 / k, 1]: without the mark, and with it."""
    return {
        "confidence_clean": observed.clean.max(dim=1).values.mean().item(),
        "confidence_marked": observed.marked.max(dim=1).values.mean().item(),
    }


# Several numbers are named here, and begin with the measure's name.
CONFIDENCE = Measure(
    "confidence on test examples, clean and marked",
    confidence,
    by_pattern=True,
    numbers=("confidence_clean", "confidence_marked"),
)
