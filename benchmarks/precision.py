"""Does training with bfloat16 products cost accuracy?

Usage: python benchmarks/precision.py [--full] [--json [FILE]]

Test accuracy of the paper's MLP on Fashion-MNIST after the quick recipe, in both precisions, with the same seeds, and
the paired difference. Two seeds and one epoch; with ``--full`` five seeds and ten epochs, which takes minutes.
"""

from dataclasses import asdict

from lockstep import CLASSES
from reporting import Report, Row, parser_of, say
from spurlab.data import DataNotFoundError, load
from spurlab.metrics import accuracy
from spurlab.patterns import Planted
from spurlab.stats import Estimate, paired_difference
from spurlab.training import RECIPES, Member, fit


def compare_accuracy(seeds: int, epochs: int) -> dict[str, Estimate]:
    """Test accuracy in both precisions, and the paired difference."""
    try:
        data = load("fashion-mnist", offline=True)
    except DataNotFoundError as error:
        raise SystemExit(f"accuracy needs the real Fashion-MNIST: {error}") from error
    members = [Member(Planted.none(data.train), seed) for seed in range(seeds)]
    recipe = (
        RECIPES["quick"] if epochs == RECIPES["quick"].epochs else RECIPES["quick"].but(epochs=epochs, milestones=())
    )
    shares = {}
    for precision in ("float32", "bfloat16"):
        say(f"training {seeds} networks, {epochs} epochs, {precision}")
        networks = fit("mlp", members, recipe.but(precision=precision), classes=CLASSES)
        shares[precision] = accuracy(networks.predict(data.test.inputs), data.test.labels)
    estimates = {precision: Estimate.across_models(share, (0.0, 1.0)) for precision, share in shares.items()}
    return estimates | {"difference": paired_difference(shares["bfloat16"], shares["float32"], (-1.0, 1.0))}


def main() -> None:
    """Accuracy by precision, the difference, and how large one would have had to be."""
    asked = parser_of(__doc__, "five seeds, ten epochs").parse_args()
    seeds, epochs = (5, RECIPES["quick"].epochs) if asked.full else (2, 1)
    report = Report(asked.json, seeds=seeds, epochs=epochs)
    estimates = compare_accuracy(seeds, epochs)
    for name, estimate in estimates.items():
        report.show(f"test accuracy, {name:10} {estimate:.4f}")
    difference = estimates["difference"]
    verdict = "covers 0: within noise" if difference.low <= 0 <= difference.high else "does not cover 0"
    half = (difference.high - difference.low) / 2
    report.show(
        f"The difference bfloat16 - float32, paired over {difference.models} seeds: the 95 % interval {verdict}; one "
        f"beyond {half:.4f} would have been seen."
    )
    rows = [Row(f"test accuracy, {name}", estimate.value, "share") for name, estimate in estimates.items()]
    report.end(rows, accuracy={name: asdict(estimate) for name, estimate in estimates.items()})


if __name__ == "__main__":
    main()
