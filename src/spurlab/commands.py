"""What the commands do, in Python: `spurlab.cli` parses, calls these and prints what they give."""

import logging
import math
import re
import shlex
from ast import literal_eval
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from markupsafe import Markup

from spurlab import claims, report
from spurlab.audit import Audit, audit
from spurlab.audit.demo import Demo, make_demo
from spurlab.claims import Verdict, decide
from spurlab.data import DATASETS, Dataset, Vocabulary, available, described, known, locate
from spurlab.data import load as load_dataset
from spurlab.deciding import decided, until_decided
from spurlab.errors import FailureError, InputError
from spurlab.metrics import empirical_norm
from spurlab.models import ARCHITECTURES, parameter_count, skeleton
from spurlab.models.answering import Answering
from spurlab.models.files import save_weights
from spurlab.notebook import note, paragraph, table
from spurlab.patterns import MARKS, marked_rows, parse_reference_dataset
from spurlab.plugins import opened
from spurlab.report.groups import failures
from spurlab.report.style import writing
from spurlab.report.views import study_sheets
from spurlab.stopping import going_on
from spurlab.studies import (
    Search,
    Study,
    StudyProgress,
    StudyResult,
    load_study,
    narrowed,
    only_read,
    results_in,
    studies_in,
    together,
)
from spurlab.studies import run as run_study
from spurlab.studies.executors import Executor, workplace
from spurlab.studies.recipes import recipes_of
from spurlab.terminal import on_a_line, paced, status_line
from spurlab.training import Recipe

log = logging.getLogger(__name__)

Loader = Callable[[str], Dataset]

REPAIRED = "repaired.safetensors"  # the weights, in the folder of an audit


@dataclass(frozen=True, eq=False)
class Finished(StudyResult):
    """A study that was run, and what follows from its rows.

    Args:
        written: the files of rows and figures; none of a part of a study, whose files stay as they are.
        still_open: where seeds are added until it is decided, how many verdicts are open at the most networks, and of
            how many; None elsewhere.
    """

    written: tuple[Path, ...] = ()
    still_open: tuple[int, int] | None = None

    __repr__ = StudyResult.__repr__

    def _shown(self) -> list[Markup]:
        sheets = [] if self.rows.empty else study_sheets(self, terminal=True)
        outcomes = [(f"claim {each.claim.number}", each.outcome, each.finding) for each in self.verdicts]
        files = ", ".join(str(path.name) for path in self.written)
        return [
            *(sheet.markup for sheet in sheets),
            table(("verdicts", "", "finding"), outcomes),
            *map(paragraph, self.failures),
            note(f"written: {files}") if files else Markup(""),
        ]

    @property
    def failures(self) -> list[str]:
        """A sentence for each method or attack that failed on some network; its numbers are missing there."""
        return failures(self.rows)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """On the claims that the study names, and on others that its rows bear on; judged when first asked for."""
        return tuple(verdicts_on([self]))


def study_named(
    study: str | Path, profile: str | None = None, changes: Sequence[str] = (), only: Sequence[str] = ()
) -> Study:
    """A study that can be run to its end: its claims and figures are known here.

    Args:
        study: its name, or a TOML file.
        profile: as of `load_study`.
        changes: as of `load_study`; the command line's ``--set``.
        only: as of `narrowed`; the command line's ``--only``.

    Raises:
        StudyError: as `load_study` and `narrowed`, or a claim or figure that there is not.

    >>> study_named("quickstart", changes=["n=[0, 10]"], only=["pattern=S3"]).axis("pattern")
    ('S3',)
    """
    return narrowed(_with_known_names(load_study(study, profile, changes)), only)


def run(
    study: Study | str | Path,
    folder: str | Path | None = None,
    *,
    profile: str | None = None,
    changes: Sequence[str] = (),
    only: Sequence[str] = (),
    most: int | None = None,
    decide: bool = False,
    executor: str | Executor = "local",
    workers: int | None = None,
    device: str = "cpu",
    load: Loader = load_dataset,
    progress: Callable[[StudyProgress], None] = on_a_line,
    on_row: Callable[[dict[str, Any]], object] | None = None,
) -> Finished:
    """Run a study: train what is missing, judge its claims, write rows and figures. All that ``spurlab run`` does.

    Args:
        study: its name, a TOML file, or a study, which is run as it is.
        folder: where results are kept; None: ``out/STUDY``.
        profile: of a study by name, as of `load_study`.
        changes: of a study by name, as of `load_study`; the command line's ``--set``.
        only: of a study by name, as of `narrowed`; the command line's ``--only``.
        most: seeds are added until each verdict is decided, up to so many networks; None: as the study says.
        decide: whether they are where neither says how many: up to 20 then.
        executor: as of `spurlab.studies.run`, which trains and keeps the rows and does no more.
        workers: likewise.
        device: likewise.
        load: likewise.
        progress: likewise.
        on_row: likewise: called with each new row as it is finished, e.g. for an experiment tracker
            (docs/trackers.md).

    Raises:
        InputError: a study by itself, and changes of it; or what `load_study`, `narrowed` and `spurlab.studies.run`
            refuse.
        FailureError: results cannot be read or written, or a worker failed; what was finished is kept.

    >>> import tempfile
    >>> changes = ["n=[0, 3]", "seed=[0, 1]", "pattern='S3'", "architecture='small-mlp'", "recipe.epochs=1"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     finished = run("quickstart", folder, changes=[*changes, "dataset='fashion-mini@100'"], workers=0)
    >>> finished.rows["measure"].value_counts().to_dict()
    {'spurious_score': 4, 'accuracy': 4}
    >>> [file.name for file in finished.written]
    ['quickstart.csv', 'quickstart.parquet', 'quickstart.png', 'quickstart.pdf', 'quickstart.svg']
    """
    asked, command = study, ""
    if isinstance(asked, Study):
        if profile or changes or only:
            raise InputError(
                "`profile`, `changes` and `only` are of a study by its name. Give them to `load_study` and `narrowed`."
            )
        asked = _with_known_names(asked)
        folder = folder_of(asked, folder)
    else:
        folder = folder_of(study, folder)
        command = _command(str(study), profile, changes, only, folder, device, most, decide)
        asked = study_named(asked, profile, changes, only)
    how: dict[str, Any] = {"executor": executor, "workers": workers, "device": device, "load": load, "on_row": on_row}

    def trained(part: Study) -> StudyResult:
        return run_study(part, folder, **how, progress=progress, command=command)

    asked = until_decided(asked, most, decide=decide)
    _say_if_raised(asked, folder)
    once = Search(trained) if asked.search else trained
    several = asked.most or asked.search  # parts, for all of which other machines stay connected
    with workplace(executor, workers, device)[1] if several else nullcontext():
        result, left = decided(asked, once) if asked.most else (once(asked), None)
    return Finished(**vars(result), written=tuple(_files(result)), still_open=left)


def _say_if_raised(study: Study, folder: Path) -> None:
    """Where a folder was decided with fewer networks at most: a most that is raised after looking is another plan."""
    if study.most is None or not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        earlier = [other.most or 0 for other in studies_in(folder) if other.name == study.name]
    except (FailureError, InputError):  # whoever runs it is told
        return
    if 0 < max(earlier, default=0) < study.most:
        log.warning(
            "%s: it was decided with %d networks at most, and now %d: who raises the most after having looked errs "
            "somewhat more often than is stated (docs/statistics.md).",
            folder, max(earlier), study.most,
        )  # fmt: skip


def folder_of(study: Study | str | Path, folder: str | Path | None = None) -> Path:
    """Where the results of a study go: ``out/`` and its name, unless a folder is given.

    Args:
        study: a study, its name, or a TOML file.
        folder: where to; None: ``out/STUDY``.

    >>> str(folder_of("mine/small.v1.toml"))
    'out/small.v1'
    """
    name = study.name if isinstance(study, Study) else Path(study).stem
    return Path(folder) if folder is not None else Path("out") / name


def verdicts_on(results: Sequence[StudyResult]) -> list[Verdict]:
    """On the claims that studies ask for, and on those that their rows bear on all the same.

    Not by the rows of studies that search n*: the networks at an n are no sample of all.

    >>> import tempfile
    >>> changes = ["n=[0, 3]", "seed=0", "architecture='small-mlp'", "recipe.epochs=1", "claims=[1]"]
    >>> study = load_study("quickstart", changes=[*changes, "dataset='fashion-mini@100'"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run_study(study, Path(folder), workers=0)
    >>> verdicts_on([result])[0].claim.number
    1
    """
    asked = {number for result in results for number in result.study.claims}
    whole = [result for result in results if not result.study.search]
    verdicts = decide(together(whole)) if whole else []
    return [verdict for verdict in verdicts if verdict.claim.number in asked or verdict.models]


def verdicts_in(folder: str | Path, *, plugins: bool = False) -> list[Verdict]:
    """The verdicts on what was measured in a folder. No code is used that it names.

    Args:
        folder: that `run` has filled.
        plugins: whether claims of installed packages are judged too; else none of these packages is imported.

    Raises:
        FolderError: there are no results.
        StoreError: they are damaged, or of a newer version.

    >>> import tempfile
    >>> study = narrowed(load_study("table2", changes=["claims=[1]"]), ["architecture=mlp"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_study(study, Path(folder), workers=0)
    ...     verdicts = verdicts_in(Path(folder))
    >>> [(verdict.claim.number, verdict.outcome) for verdict in verdicts]  # nothing was trained for it
    [(1, 'not tested')]
    """
    with opened(plugins), only_read():
        return _judged(folder)[1]


def write_page(folder: str | Path, *, plugins: bool = False) -> list[Path]:
    """The report on a folder, one HTML page and its figures.

    Args:
        folder: that `run` has filled.
        plugins: as of `verdicts_in`, and for figures.

    Returns:
        The files that were written.

    Raises:
        FolderError: there are no results.
        StoreError: they are damaged, or of a newer version.
        OSError: a file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_study(narrowed(load_study("table2"), ["architecture=mlp"]), Path(folder), workers=0)
    ...     files = write_page(Path(folder))
    >>> [file.name for file in files]
    ['report.html', 'table2.png', 'table2.pdf', 'table2.svg']
    """
    with opened(plugins), only_read():
        results, verdicts = _judged(folder)
        return report.write_report(results, verdicts, folder)


def audit_of(
    model: str,
    data: str,
    marks: Sequence[str],
    folder: Path,
    *,
    weights: Path | None = None,
    outputs: str | None = None,
    normalise: str | None = None,
    suspects: Path | None = None,
    repair: bool = False,
    exposure: bool = False,
    recipe: str | None = None,
    quick: bool = False,
    seed: int = 0,
    load: Loader = load_dataset,
) -> tuple[Audit, list[Path]]:
    """An audit, its page ``audit.html`` and the weights that were repaired: all that ``spurlab audit`` does.

    Args:
        model, weights, outputs, repair, exposure, quick, seed: as of `spurlab.audit.audit`.
        data: the name of the data.
        marks: as texts, see `spurlab.patterns.own_mark`.
        folder: for the page and the repaired weights.
        normalise: means and standard deviations, ``.5,.5/.2,.2``.
        suspects: a file with a training example on each line, a file's name or a row.
        recipe: ``quick``, ``paper`` or ``fast`` with settings after it.
        load: gives the data by name.

    Raises:
        InputError: whatever does not fit, and why.

    >>> import tempfile
    >>> from spurlab import from_torch, rng_for
    >>> from spurlab.audit.demo import small_cnn
    >>> images = torch.rand(60, 1, 16, 16, generator=rng_for(0, "example"))
    >>> items = [(image, row % 2) for row, image in enumerate(images)]
    >>> mine = from_torch(items[:40], items[40:], class_names=("cat", "dog"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     weights = save_weights(small_cnn(mine.shape, mine.classes), Path(folder) / "weights.safetensors")
    ...     options = {"weights": weights, "quick": True, "load": lambda name: mine}
    ...     found, files = audit_of("spurlab.audit.demo:small_cnn", "mine", ["box,size=2"], Path(folder), **options)
    >>> [mark.mark for mark in found.marks], [file.name for file in files]
    (['box of 2 x 2 at row 0, column 0'], ['audit.html'])
    """
    loaded = load(data)
    mean, std = _mean_and_std(normalise)
    with writing(folder):  # before anything takes long
        folder.mkdir(parents=True, exist_ok=True)
    kept = going_on() if recipe else nullcontext()  # the reference networks are
    with kept, status_line("reading the network") as tell:
        found = audit(
            model, loaded, marks, weights=weights, outputs=outputs, mean=mean, std=std,
            suspects=_lines_of(suspects), repair=repair, exposure=exposure, recipe=_recipe(recipe), quick=quick,
            seed=seed, folder=folder / "references",
            progress=paced(tell),
        )  # fmt: skip
    options: dict[str, object] = {
        "--weights": weights,
        "--outputs": outputs,
        "--normalise": normalise,
        "--suspects": suspects,
    }
    options |= {"--recipe": recipe, "--seed": seed or None, "--out": folder}
    words = ["spurlab", "audit", "--model", model, "--data", data]
    words += [word for mark in marks for word in ("--mark", mark)]
    words += [str(word) for option, value in options.items() if value is not None for word in (option, value)]
    words += ["--repair"] * repair + ["--exposure"] * exposure + ["--quick"] * quick
    written = [report.write_audit(found, folder, shlex.join(words))]
    with writing(folder):
        (folder / REPAIRED).unlink(missing_ok=True)  # of another audit
    for one in found.repairs[:1]:
        if isinstance(one.network, Answering) and one.verdict.name not in ("breaks the model", "nothing to forget"):
            written.append(save_weights(one.network.network, folder / REPAIRED))
    return found, written


def demo_in(folder: Path) -> Demo:
    """The network and data of the audit's demo, in a folder.

    Raises:
        FolderError: it cannot be written there.

    >>> demo = demo_in(Path("out/audit"))  # doctest: +SKIP
    >>> data, marks = demo.data, [demo.mark]  # doctest: +SKIP
    >>> audit_of(demo.model, data, marks, Path("out/audit"), weights=demo.weights)  # doctest: +SKIP
    """
    with writing(folder), status_line("making the demo's images and network") as tell:
        return make_demo(folder, lambda now: tell(str(now)))


def _lines_of(file: Path | None) -> list[str]:
    """What stands on the lines of a file."""
    if file is None:
        return []
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"{file} with the suspects cannot be read: {reason}. Name one on each line.") from error
    if not lines:
        raise InputError(f"{file} names no training example. Name one on each line, by its file or row.")
    return lines


def _mean_and_std(text: str | None) -> tuple[list[float] | None, list[float] | None]:
    """Of ``mean/std``, each with one number for each channel."""
    if text is None:
        return None, None
    try:
        mean, std = ([float(number) for number in part.split(",")] for part in text.split("/"))
    except ValueError:
        raise InputError(f"--normalise {text!r} is no mean/std, e.g. .5,.5,.5/.2,.2,.2 for three channels.") from None
    if not all(math.isfinite(number) for number in [*mean, *std]) or min(std) <= 0:
        raise InputError(f"--normalise {text!r} needs finite means, and standard deviations above 0.")
    return mean, std


def _recipe(text: str | None) -> Recipe | None:
    """A recipe by name, with settings after it."""
    if text is None:
        return None
    name, *settings = text.split(",")
    changes: dict[str, Any] = {"name": name}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            changes[key] = literal_eval(value)
        except (ValueError, SyntaxError):  # a word
            changes[key] = value
    try:
        (recipe,) = recipes_of(changes, False)
    except ValueError as error:
        raise InputError(f"--recipe {text!r}: {error}") from error
    return recipe


def _judged(folder: str | Path) -> tuple[list[StudyResult], list[Verdict]]:
    """What was measured in a folder, and the verdicts on it."""
    with status_line("reading the results") as tell:
        results = results_in(folder)
        tell("judging the claims")
        return results, verdicts_on(results)


def datasets() -> list[dict[str, Any]]:
    """Each data set that there is, by name.

    Returns:
        For each: ``name``, ``title``, ``train`` and ``test`` (the numbers of examples), ``shape`` (of one input; of an
        image ``c h w``) and ``location`` (the folder; None: not here).

    Raises:
        DataRequestError: ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.

    >>> [(about["name"], about["train"], about["shape"]) for about in datasets()][:2]
    [('fashion-mini', 10000, [1, 28, 28]), ('fashion-mnist', 60000, [1, 28, 28])]
    """
    return [
        {
            "name": name,
            "title": DATASETS[name].title,
            "train": DATASETS[name].sizes[0],
            "test": DATASETS[name].sizes[1],
            "shape": list(DATASETS[name].shape),
            "location": str(folder) if folder else None,
        }
        for name, folder in available().items()
    ]


def about_dataset(name: str) -> dict[str, Any]:
    """What a data set is, where it came from, its checksums; nothing is fetched. Names of the paper's code are known.

    Args:
        name: as `spurlab.data.load` takes it, or a name of the paper's code, e.g. ``mnistv8-20-0-0``.

    Returns:
        Always ``name``, ``title``, ``train`` and ``test`` (the numbers of examples; None: not known without the files),
        ``shape`` (of one input), ``classes`` (their names), ``licence``, ``origin`` and ``location`` (the folder; None:
        not here). Where it is here, also ``input_range`` (None: no bounds), ``class_sizes`` (how many training examples
        each class has, in their order) and ``sha256`` (by file or array); with groups that have names, ``train_groups``
        and ``test_groups`` (how many examples, by group). Of a table ``features`` (what each number of an input is), of
        documents ``length`` (how many words of each are read), ``words`` (how many different ones) and ``commonest``.
        Of a name of the paper's code, also ``reference_name`` and ``planted`` (the fields of
        `spurlab.patterns.ReferenceDataset`).

    Raises:
        ValueError: there is none of that name, or its options are wrong.

    >>> about = about_dataset("fashion-mini")
    >>> about["train"], about["classes"][:2], about["class_sizes"][:2]
    (10000, ['T-shirt/top', 'Trouser'], [1000, 1000])
    """
    about: dict[str, Any] = {}
    if name not in DATASETS and re.fullmatch(r"(mnist|fashion|cifar100coarse|cifar100?|twoclassmnist)(v\d.*)?", name):
        meant = parse_reference_dataset(name)
        about, name = {"reference_name": name, "planted": asdict(meant)}, meant.dataset
    entry = known(name)
    about |= {"name": entry.name if entry else name, "title": entry.title if entry else name}
    if entry and locate(name) is None:  # what is known without the files
        train, test = entry.sizes or (None, None)
        about |= {"train": train, "test": test, "shape": list(entry.shape), "classes": list(entry.class_names)}
        return about | {"licence": entry.licence, "origin": entry.origin, "location": None}
    with status_line(f"reading {name}"):
        data = load_dataset(name, offline=True)
    about |= {"train": len(data.train), "test": len(data.test)}
    about |= {"shape": list(data.shape), "classes": list(data.class_names)}
    about |= {"input_range": data.input_range, "class_sizes": _sizes(data.train.labels, data.classes)}
    if data.group_names and data.train.groups is not None and data.test.groups is not None:
        for part, groups in (("train", data.train.groups), ("test", data.test.groups)):
            sizes = _sizes(groups, len(data.group_names))
            about[f"{part}_groups"] = dict(zip(data.group_names, sizes, strict=True))
    if isinstance(data.names, Vocabulary):
        about |= {"length": data.shape[0], "words": len(data.names.known), "commonest": list(data.names.known[:20])}
    elif data.features:
        about["features"] = list(data.features)
    return about | asdict(data.source)


def _sizes(groups: torch.Tensor, count: int) -> list[int]:
    sizes: list[int] = groups.bincount(minlength=count).tolist()
    return sizes


def pattern_norms(
    dataset: str = "fashion-mini", seed: int = 0, folder: Path | None = None, *, load: Loader = load_dataset
) -> tuple[list[dict[str, Any]], list[Path]]:
    """The empirical norm of each mark that suits a data set, over its test examples (Table 1 of arXiv:2202.05189).

    Args:
        dataset: its name.
        seed: draws the random marks.
        folder: where to draw the gallery; None: nowhere.
        load: gives a data set by its name.

    Returns:
        For each mark ``pattern`` (its name), ``norm`` (the mean over the test examples of the Euclidean norm of what
        it changes, in units of the inputs) and ``stderr`` (the standard error of that mean); and the files of the
        gallery.

    Raises:
        InputError: no mark suits the data.

    >>> norms, _ = pattern_norms("fashion-mini")
    >>> [(line["pattern"], round(line["norm"], 1)) for line in norms][:3]
    [('S1', 1.0), ('S2', 3.0), ('S3', 5.0)]
    """
    data = load(dataset)
    suited = {name: entry.template for name, entry in MARKS.items() if entry.template.axes == len(data.shape)}
    if not suited:
        raise InputError(f"there is no pattern for {dataset}, whose inputs have the shape {data.shape}.")
    marks = {name: template.make(name, data.shape, seed, data.input_range) for name, template in suited.items()}
    lines, rows = [], torch.arange(len(data.test))
    for name, mark in marks.items():
        norms = empirical_norm(data.test.inputs, marked_rows(mark, data.test, rows, seed))
        lines.append({"pattern": name, "norm": norms.mean().item(), "stderr": (norms.std() / len(norms) ** 0.5).item()})
    if folder is None:
        return lines, []
    folder.mkdir(parents=True, exist_ok=True)
    shown = data.test[rows[:6]]
    strips = {"clean": shown.inputs}
    strips |= {name: marked_rows(mark, shown, rows[:6], seed) for name, mark in marks.items()}
    stem = f"patterns-{re.sub(r'[^A-Za-z0-9.-]+', '-', dataset)}"  # a name can hold a path
    return lines, report.save_figure(
        report.pattern_gallery(strips, f"patterns on {dataset}, seed {seed}"), folder / stem
    )


def parameter_counts(dataset: str = "fashion-mini") -> tuple[list[dict[str, Any]], list[str]]:
    """How many parameters each network of the zoo has on a data set (Table 2 of arXiv:2202.05189).

    Args:
        dataset: its name.

    Returns:
        For each network ``name`` and ``parameters`` (their number; None where it needs other inputs); and why it does,
        in sentences.

    Raises:
        DataRequestError: there is no such data set.

    >>> counts, reasons = parameter_counts("mnist1d")
    >>> counts[:2]
    [{'name': 'small-mlp', 'parameters': 13066}, {'name': 'mlp', 'parameters': 144650}]
    >>> reasons[0]
    "the CNN takes images, c x h x w, but one input here is 40. Use a perceptron ('mlp')."
    """
    entry, reasons = described(dataset), []
    zoo = dict(ARCHITECTURES.items())  # without what a package adds and that cannot be had
    lines: list[dict[str, Any]] = [{"name": name, "parameters": None} for name in zoo]
    suited = [line for line in lines if not entry.tokens or zoo[line["name"]].words]
    if len(suited) < len(lines):
        reasons.append(f"{len(lines) - len(suited)} networks multiply their inputs, which are numbers of words here.")
    for line in suited:
        try:
            line["parameters"] = parameter_count(skeleton(line["name"], entry.shape, len(entry.class_names)))
        except ValueError as error:
            reasons.append(str(error))
    return lines, reasons


def _with_known_names(study: Study) -> Study:
    """The study, whose claims and figures there are."""
    return claims.check(report.check(study))


def _command(
    study: str,
    profile: str | None,
    changes: Sequence[str],
    only: Sequence[str],
    folder: Path,
    device: str,
    most: int | None,
    decide: bool,
) -> str:
    """The command line that gives the same rows."""
    words = ["spurlab", "run", study, *(["--profile", profile] if profile else [])]
    words += [word for change in changes for word in ("--set", change)]
    words += [word for part in only for word in ("--only", part)]
    words += ["--decide"] if decide or most is not None else []
    words += ["--most", str(most)] if most is not None else []
    words += ["--out", str(folder), *(["--device", device] if device != "cpu" else [])]
    return shlex.join(words)


def _files(result: StudyResult) -> list[Path]:
    """Write the rows and figures of a study; the files of a study are not replaced by those of a part of it."""
    if result.part_of:
        return []
    studies = studies_in(result.folder)
    recorded = [study.model_dump_json() for study in studies]
    stem = report.file_names(studies)[recorded.index(result.study.model_dump_json())]
    written = result.write(stem)
    with status_line("drawing the figures"):
        for ending, figure in report.study_figures(result).items():
            written += report.save_figure(figure, result.folder / f"{stem}{ending}")
    return written
