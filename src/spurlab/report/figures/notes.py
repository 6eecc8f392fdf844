"""Words that figures share: names of datasets and panels, and the small print."""

from spurlab.data import known
from spurlab.report.summary import diverged, networks, trained
from spurlab.studies import StudyResult


def dataset_title(name: str) -> str:
    """Its title in the catalogue; the name itself where it is not in there."""
    return about.title if (about := known(name)) else name


def class_name(dataset: str, target: int) -> str:
    """The name of a class; "" where it is not known."""
    names = about.class_names if (about := known(dataset)) else ()
    return names[target] if 0 <= target < len(names) else ""


def target_title(dataset: str, target: int) -> str:
    """The target with its name, unless that is its number."""
    name = class_name(dataset, target)
    return f"target {target}" + (f" ({name})" if name and name != str(target) else "")


def panel_title(dataset: str, *parts: str) -> str:
    """Dataset and what else tells this panel from others."""
    return ", ".join(part for part in (dataset_title(dataset), *parts) if part)


def small_print(result: StudyResult, intervals: bool = True) -> str:
    """What a reader must know to compare the figure: networks, epochs, sizes, profile, what is left out."""
    rows = result.rows
    count, words = networks(rows), []
    if count and intervals:
        seeds = int(trained(rows)["seed"].nunique())
        many = f"Means over {seeds} seeds with 95 % intervals."
        words.append(many if seeds > 1 else "One network for each point: no intervals.")
    if count:
        words.append(f"{count:,} network{'' if count == 1 else 's'} in all{_training(result)}.")
        names = [str(name) for name in dict.fromkeys(rows["dataset"])]
        sizes = [size for name in names if (size := _size(name))]
        units = {about.unit for name in names if (about := known(name))}
        words += [f"Training {'images' if units == {'images'} else 'examples'}: {', '.join(sizes)}."] if sizes else []
        targets = rows.loc[rows["n"] > 0, "target"].unique()
        words += [f"Target {targets[0]} alone."] if len(targets) == 1 else []
    if lost := diverged(rows):
        words.append(f"{lost} diverged {'network is' if lost == 1 else 'networks are'} left out.")
    return " ".join(words)


def _size(dataset: str) -> str:
    """How many training examples a data set has, and of how many if it is a part; "" where it is not known.

    >>> _size("fashion-mnist"), _size("cifar10@10000")
    ('60,000 of Fashion-MNIST', '10,000 of the 50,000 of CIFAR-10')
    """
    name, kept, _ = dataset.partition("@")
    about, whole = known(dataset), known(name)
    if about is None or whole is None or not about.sizes or not whole.sizes:
        return ""
    part = f"{about.sizes[0]:,} of the " if kept else ""
    return f"{part}{whole.sizes[0]:,} of {whole.title}"


def _training(result: StudyResult) -> str:
    """Epochs, precision and profile of the networks."""
    epochs = sorted({int(each) for each in result.rows["epochs"].dropna()}) if "epochs" in result.rows else []
    spans = f", {' or '.join(str(each) for each in epochs)} epoch{'' if epochs == [1] else 's'}" if epochs else ""
    precisions = set(result.rows["precision"].dropna()) - {"float32"} if "precision" in result.rows else set()
    spans += f", {' or '.join(sorted(precisions))} products" if precisions else ""
    profile = result.study.profile
    return f"{spans}, profile {profile}" if profile else spans
