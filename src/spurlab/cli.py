"""The command line: parse, call the library, print. Whatever it does, a few lines of Python do too.

Heavy rooms are imported inside the commands, so that ``--help`` answers at once.
"""

import json
import logging
import math
import re
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spurlab.errors import InputError, SpurlabError, worded
from spurlab.terminal import (
    OutputError,
    duration,
    flush,
    open_streams,
    printable,
    put,
    results_alone,
    say,
    status_line,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.table import Table

    from spurlab.claims import Verdict
    from spurlab.data import Dataset
    from spurlab.studies import Study, StudyResult

app = typer.Typer(
    name="spurlab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(no_args_is_help=True, help="Datasets: which are here, fetch one, what it is.")
app.add_typer(data_app, name="data")

NOT_HERE = "not here: spurlab data get {}"
USERS_MISTAKE, FAILURE = 2, 1
CLEANING_UP = 10.0  # seconds that a command has for it before another Ctrl-C counts
UsageError: Any = typer.BadParameter.__base__  # what Typer raises for a wrong command line; it has no public name

Json = Annotated[bool, typer.Option("--json", help="Machine-readable to stdout, nothing else there.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say which engine trains each network, and why.")]
Debug = Annotated[bool, typer.Option("--debug", help="A traceback with errors.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never download (as SPURLAB_OFFLINE=1).")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Errors are a sentence or two on stderr: exit code 2 for a user's mistake, 1 for a failure.

    Standard streams may be closed or full: the command does its work all the same, and fails where its results have
    nowhere to go.
    """
    open_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _stopped_by_signals():
            code = _carried_out(given)
    except _Stopped as stop:
        say(f"spurlab: stopped{stop.advice}.")
        code = 128 + stop.number
    try:
        flush()
    except OutputError as error:
        say(f"spurlab: {error}")
        code = code or FAILURE
    if code:
        sys.exit(code)


def _carried_out(given: list[str]) -> int:
    """The exit code of a command."""
    try:
        with results_alone() if "--json" in given else nullcontext():
            code = app(given, standalone_mode=False)
    except UsageError as error:
        if said := error.format_message().strip():  # else the help was asked for, and printed
            usage = " ".join(error.ctx.get_usage().split()) if error.ctx else "Usage: spurlab COMMAND"
            say(f"spurlab: {said if said.endswith(('.', '?')) else f'{said}.'} {usage}; --help says more.")
        return USERS_MISTAKE
    except Exception as error:
        if "--debug" in given:
            for line in traceback.format_exc().splitlines():
                say(line)
        ours = isinstance(error, SpurlabError | OutputError)
        say(f"spurlab: {error if ours else worded(error)}")
        return error.exit_code if isinstance(error, SpurlabError) else FAILURE
    return code if isinstance(code, int) else 0


class _Printable(logging.Formatter):
    """What the library logs, shown as it is; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(printable(line) for line in super().format(record).splitlines())


@data_app.command("list")
def data_list(as_json: Json = False, debug: Debug = False) -> None:
    """Which datasets there are, and which are here.

    Example: [bold]spurlab data list[/bold]
    """
    from spurlab.data import DATASETS, available

    here = available()
    lines = [
        {
            "name": name,
            "title": entry.title,
            "train": entry.sizes[0],
            "test": entry.sizes[1],
            "shape": list(entry.shape),
            "location": str(here[name]) if here[name] else None,
        }
        for name, entry in DATASETS.items()
    ]
    _show(lines, as_json)


@data_app.command("get")
def data_get(name: str, offline: Offline = False, as_json: Json = False, debug: Debug = False) -> None:
    """Fetch a dataset to the user's cache, where it is not here yet.

    Example: [bold]spurlab data get mnist[/bold]
    """
    from spurlab.data import fetch

    folder = fetch(name, offline=offline or None)
    _print_json({"name": name, "location": str(folder)}) if as_json else put(f"{name} is in {folder}")


@data_app.command("info")
def data_info(name: str, as_json: Json = False, debug: Debug = False) -> None:
    """What a dataset is, where it came from, its checksums; fetches nothing. Translates names of the paper's code.

    Example: [bold]spurlab data info fashion-mini[/bold]

    Example: [bold]spurlab data info mnist:3,7[/bold] (two classes of MNIST)

    Example: [bold]spurlab data info coloured-mnist,p=95[/bold] (with options)

    Example: [bold]spurlab data info folder,32:birds[/bold] (images in a folder for each class; an .npz file: npz:FILE)

    Example: [bold]spurlab data info mnistv8-3-0-0[/bold]
    """
    from dataclasses import asdict

    from spurlab.data import DATASETS, known, load, locate
    from spurlab.patterns import parse_reference_dataset

    about: dict[str, Any] = {}
    if name not in DATASETS and re.fullmatch(r"(mnist|fashion|cifar100coarse|cifar100?|twoclassmnist)(v\d.*)?", name):
        meant = parse_reference_dataset(name)
        about, name = {"reference_name": name, "planted": asdict(meant)}, meant.dataset
    entry = known(name)
    about |= {"name": entry.name if entry else name, "title": entry.title if entry else name}
    if entry and locate(name) is None:  # what is known without the files
        train, test = entry.sizes or (None, None)
        about |= {"train": train, "test": test, "shape": list(entry.shape), "classes": list(entry.class_names)}
        about |= {"licence": entry.licence, "origin": entry.origin, "location": None}
    else:
        with status_line(f"reading {name}"):
            data = load(name, offline=True)
        about |= {"train": len(data.train), "test": len(data.test)}
        about |= {"shape": list(data.shape), "classes": list(data.class_names)}
        class_sizes = data.train.labels.bincount(minlength=data.classes).tolist()
        about |= {"input_range": data.input_range, "class_sizes": class_sizes}
        if data.group_names and data.train.groups is not None and data.test.groups is not None:
            for part, groups in (("train", data.train.groups), ("test", data.test.groups)):
                sizes = groups.bincount(minlength=len(data.group_names)).tolist()
                about[f"{part}_groups"] = dict(zip(data.group_names, sizes, strict=True))
        about |= asdict(data.source)
    if as_json:
        _print_json(about)
        return
    for key, value in about.items():
        if isinstance(value, dict):
            put(f"{key}:")
            for inner, what in value.items():
                put(f"  {inner}  {what}")
        elif value is None:
            put(f"{key}: {NOT_HERE.format(name) if key == 'location' else 'none'}")
        else:
            put(f"{key}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}")


@app.command("patterns")
def patterns(
    dataset: Annotated[str, typer.Option(help="The dataset whose test images are marked.")] = "fashion-mini",
    seed: Annotated[int, typer.Option(help="Draws the random patterns.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Draw the gallery there (PNG and PDF).")] = None,
    offline: Offline = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The patterns, and the empirical norm of each: how far it moves a test image (Table 1 of arXiv:2202.05189).

    The standard error is over test images, for the random patterns of this one seed.

    Example: [bold]spurlab patterns --dataset fashion-mini --out out/patterns[/bold]
    """
    import torch

    from spurlab.data import load
    from spurlab.metrics import empirical_norm
    from spurlab.patterns import MARKS, marked_rows

    data = load(dataset, offline=offline or None)
    suited = {name: entry.template for name, entry in MARKS.items() if entry.template.axes == len(data.shape)}
    if not suited or (out is not None and len(data.shape) != 3):
        what = "picture of a pattern" if suited else "pattern"
        raise InputError(f"there is no {what} for {dataset}, whose inputs have the shape {data.shape}.")
    made = {name: template.make(name, data.shape, seed, data.input_range) for name, template in suited.items()}
    lines, rows = [], torch.arange(len(data.test))
    for name, mark in made.items():
        norms = empirical_norm(data.test.inputs, marked_rows(mark, data.test, rows, seed))
        lines.append({"pattern": name, "norm": norms.mean().item(), "stderr": (norms.std() / len(norms) ** 0.5).item()})
    written: list[Path] = []
    if out is not None:
        from spurlab.report import pattern_gallery, save_figure

        out.mkdir(parents=True, exist_ok=True)
        shown = data.test[rows[:6]]
        strips = {"clean": shown.inputs}
        strips |= {name: marked_rows(mark, shown, rows[:6], seed) for name, mark in made.items()}
        stem = f"patterns-{re.sub(r'[^A-Za-z0-9.-]+', '-', dataset)}"  # a name can hold a path
        written = save_figure(pattern_gallery(strips, f"patterns on {dataset}, seed {seed}"), out / stem)
    _show(lines, as_json)
    _say_written(written, as_json)


@app.command("models")
def models(
    dataset: Annotated[str, typer.Option(help="Its image size and classes decide the counts.")] = "fashion-mini",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The zoo, with parameter counts (Table 2 of arXiv:2202.05189); none for a network that needs other inputs.

    Example: [bold]spurlab models --dataset cifar10[/bold]
    """
    from spurlab.data import described
    from spurlab.models import ARCHITECTURES, parameter_count, skeleton

    entry = described(dataset)
    lines: list[dict[str, Any]] = []
    for name in ARCHITECTURES:
        lines.append({"name": name, "parameters": None})
        try:
            lines[-1]["parameters"] = parameter_count(skeleton(name, entry.shape, len(entry.class_names)))
        except ValueError as error:
            say(str(error))
    _show(lines, as_json)


@app.command("list")
def list_all(as_json: Json = False, debug: Debug = False) -> None:
    """The names of everything there is.

    Example: [bold]spurlab list --json[/bold]
    """
    from spurlab.data import DATASETS
    from spurlab.deletion import DELETIONS
    from spurlab.models import ARCHITECTURES
    from spurlab.patterns import MARKS
    from spurlab.prevention import PREVENTIONS
    from spurlab.studies import shipped

    names: dict[str, list[str]] = {
        "studies": shipped(),
        "datasets": list(DATASETS),
        "patterns": list(MARKS),
        "models": list(ARCHITECTURES),
        "deletion": list(DELETIONS),
        "prevention": list(PREVENTIONS),
    }
    if as_json:
        _print_json(names)
        return
    for room, known in names.items():
        put(f"{room}: {', '.join(known) if known else 'none yet'}")


StudyName = Annotated[str, typer.Argument(help="A shipped study (see `spurlab list`), or a TOML file.")]
Profile = Annotated[str | None, typer.Option(help="quick or paper, where the study has them; quick is the default.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="key=value, e.g. recipe.epochs=3; repeatable.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="axis=value, or a list of values, e.g. pattern=R3; repeatable.")
]
Out = Annotated[Path | None, typer.Option(help="Folder for the results, also of several studies; default out/STUDY.")]
ExecutorName = Annotated[str, typer.Option(help="local: worker processes on this machine.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Worker processes; default one for each core.")]
Device = Annotated[str, typer.Option(help="Where to train, e.g. cpu or cuda.")]
Folder = Annotated[Path, typer.Argument(help="A folder that `spurlab run` has filled.")]


def _show_version(asked: bool | None) -> None:
    if asked:
        from spurlab import __version__

        put(f"spurlab {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool | None, typer.Option("--version", help="The version of Spurlab.", is_eager=True, callback=_show_version)
    ] = None,
) -> None:
    """A laboratory for spurious correlations in neural networks."""


@app.command("run")
def run_study(
    study: StudyName,
    profile: Profile = None,
    set_: Set = None,
    only: Only = None,
    out: Out = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    device: Device = "cpu",
    offline: Offline = False,
    verbose: Verbose = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a study: train what is missing, then print tables and verdicts and write rows and figures.

    Stopped in whatever way, the same command goes on where it was.

    Example: [bold]spurlab run quickstart[/bold]

    Example: [bold]spurlab run quickstart --set 'n=[0,3]' --set recipe.epochs=3 --only pattern=R3[/bold]
    """
    from spurlab.claims import decide
    from spurlab.progress import study_bar
    from spurlab.studies import run, studies_in

    _speak(verbose)
    what, folder = _study(study, profile, set_, only), _folder(out, study)
    command = shlex.join(_command(study, profile, set_, only, folder, device))
    with _goes_on(), study_bar(what.name) as advance:
        result = run(
            what,
            folder,
            executor=executor,
            workers=workers,
            device=device,
            load=_loader(offline),
            progress=advance,
            command=command,
        )
    from spurlab.report import claims_table, file_names, save_figure, study_figures, study_tables

    written: list[Path] = []
    if not result.part_of:  # the files of a study are not replaced by those of a part of it
        here = studies_in(folder)
        stem = file_names(here)[[study.model_dump_json() for study in here].index(what.model_dump_json())]
        written = result.write(stem)
        with status_line("drawing the figures"):
            for ending, figure in study_figures(result).items():
                written += save_figure(figure, folder / f"{stem}{ending}")
    if as_json:
        _print_json(result.rows.to_dict("records"))
    else:
        for table in study_tables(result, _console().width):
            _print_table(table)
        if what.claims:
            _print_table(claims_table(decide(result.rows, what.claims)))
    if result.part_of:
        say(f"a part of the {what.name} in {folder}, whose files stay as they are")
    _say_written(written, as_json)


@app.command("plan")
def plan_study(
    study: StudyName,
    profile: Profile = None,
    set_: Set = None,
    only: Only = None,
    out: Out = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    device: Device = "cpu",
    time_: Annotated[bool, typer.Option("--time/--no-time", help="Train a few steps to tell time and memory.")] = True,
    offline: Offline = False,
    verbose: Verbose = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What `run` would train: how much is shared, done and left, and the time and memory that it takes here.

    Example: [bold]spurlab plan fig2-mnist --out out/paper[/bold]
    """
    from dataclasses import asdict

    from spurlab.studies import Plan, plan

    _speak(verbose)
    what, folder = _study(study, profile, set_, only), _folder(out, study)

    def show(counts: Plan) -> None:
        if as_json:
            return
        put(f"{what.name}{f', profile {what.profile}' if what.profile else ''}: {what.title}")
        put(f"  {counts.cells:,} cells, {counts.rows:,} rows")
        if not counts.trainings:
            put("  no networks to train")
            return
        put(f"  {counts.trainings:,} networks; cells that share another's: {counts.shared:,}")
        groups = (
            f" in groups: {counts.groups:,}, of which {max(counts.workers, 1)} at a time" if counts.groups > 1 else ""
        )
        again = f", {counts.to_measure:,} to measure again" if counts.to_measure else ""
        put(f"  {counts.done:,} done in {folder}{again}, {counts.to_do:,} to do{groups}")
        if counts.treatments:
            left = f"{counts.treatments_to_do:,} to do (not in the time below)"
            put(f"  {counts.treatments:,} {what.treatments}, {left}")
        if time_ and counts.groups:
            sys.stdout.flush()
            say("  timing a few steps of each kind ...")

    found = plan(
        what,
        folder,
        executor=executor,
        workers=workers,
        device=device,
        load=_loader(offline),
        calibrate=time_,
        counted=show,
    )
    if as_json:
        _print_json({"study": what.name, "profile": what.profile, "out": str(folder)} | asdict(found))
    elif found.seconds is not None and found.memory is not None and found.groups:
        put(f"  about {duration(found.seconds)}, {found.memory / 1e9:.1f} GB of memory")


@app.command("claims")
def claims(
    folder: Folder,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Each claim of the papers that the rows of a folder bear on: the statistic, its interval, the verdict.

    Example: [bold]spurlab claims out/quickstart[/bold]
    """
    from spurlab.studies import results_in

    with status_line("reading the results") as tell:
        results = results_in(folder)
        tell("judging the claims")
        verdicts = _verdicts(results)
    if as_json:
        _print_json([verdict.record() for verdict in verdicts])
        return
    if not verdicts:
        put("no claim of the paper is about what was measured here")
        return
    from spurlab.report import claims_table

    _print_table(claims_table(verdicts))


@app.command("report")
def report(
    folder: Folder,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """One HTML page that opens from disk: answers, verdicts, figures, tables and where they come from.

    Example: [bold]spurlab report out/quickstart[/bold]
    """
    from spurlab.report import write_report
    from spurlab.studies import results_in

    with status_line("reading the results") as tell:
        results = results_in(folder)
        tell("judging the claims")
        verdicts = _verdicts(results)
    written = write_report(results, verdicts, folder)
    if as_json:
        _print_json({"written": [str(path) for path in written]})
    else:
        _say_written(written, as_json)


def _verdicts(results: "Sequence[StudyResult]") -> "list[Verdict]":
    """On the claims that the studies ask for, and on those that their rows bear on all the same."""
    from spurlab.claims import decide
    from spurlab.studies import together

    asked = {number for result in results for number in result.study.claims}
    found = decide(together(results))
    return [verdict for verdict in found if verdict.claim.number in asked or verdict.models]


def _study(study: str, profile: str | None, changes: list[str] | None, only: list[str] | None) -> "Study":
    """The study that the options mean."""
    from spurlab import claims, report
    from spurlab.studies import load_study, narrowed

    return narrowed(claims.check(report.check(load_study(study, profile, changes or []))), only or [])


def _speak(verbose: bool) -> None:
    """What the library logs goes to stderr, from warnings on; also how it decides, where that is wanted."""
    if verbose:
        logging.getLogger("spurlab").setLevel(logging.INFO)


def _folder(out: Path | None, study: str) -> Path:
    return out if out is not None else Path("out") / Path(study).stem


def _command(
    study: str, profile: str | None, changes: list[str] | None, only: list[str] | None, folder: Path, device: str
) -> list[str]:
    """The command line that gives the same rows."""
    profiles = ["--profile", profile] if profile else []
    repeated = [word for change in changes or [] for word in ("--set", change)]
    repeated += [word for each in only or [] for word in ("--only", each)]
    where = ["--device", device] if device != "cpu" else []
    return ["spurlab", "run", study, *profiles, *repeated, "--out", str(folder), *where]


def _loader(offline: bool) -> "Callable[[str], Dataset]":
    from spurlab.data import load

    return partial(load, offline=offline or None)


class _Stopped(BaseException):
    """Ctrl-C, or SIGTERM as batch systems send it. No KeyboardInterrupt: Typer would end at that without a word."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number, self.advice = number, ""


@contextmanager
def _stopped_by_signals() -> "Iterator[None]":
    """Ctrl-C and SIGTERM end the command once: what was under way cleans up after itself undisturbed by further ones.

    Only where the first one has had no effect for a while, e.g. since code that is not ours swallowed it, does another
    one count.
    """
    last = -math.inf

    def stop(number: int, frame: object) -> None:
        nonlocal last
        if time.monotonic() - last > CLEANING_UP:
            last = time.monotonic()
            raise _Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for which in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(which) is not signal.SIG_IGN:  # as a shell has it for what runs in the background
                before[which] = signal.signal(which, stop)
    try:
        yield
    except _Stopped:
        for which in before:
            signal.signal(which, signal.SIG_IGN)  # the process is about to end
        raise
    for which, handler in before.items():
        signal.signal(which, handler)


@contextmanager
def _goes_on() -> "Iterator[None]":
    """Says with a stop that nothing is lost."""
    try:
        yield
    except _Stopped as stop:
        stop.advice = "; what was finished is kept. The same command goes on from there"
        raise


def _show(lines: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Lines with the same keys, as JSON or as a table."""
    if as_json:
        _print_json(lines)
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for key in lines[0]:
        table.add_column(key, justify="left" if isinstance(lines[0][key], str) else "right", overflow="fold")
    for line in lines:
        table.add_row(*(printable(_cell(value, line)) for value in line.values()))
    _print_table(table)


def _console() -> "Console":
    """Where tables go; wide where no terminal sets a width, so that nothing is folded in a file or a pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 160
    return Console(highlight=False, markup=False, emoji=False, width=width)


def _print_table(table: "Table") -> None:
    """A table whose texts are `printable`."""
    console = _console()
    with console.capture() as captured:
        console.print(table)
    write(captured.get().removesuffix("\n"))


def _cell(value: Any, line: dict[str, Any]) -> str:
    match value:
        case None:
            return NOT_HERE.format(line["name"]) if "location" in line else "-"
        case float():
            return f"{value:.3f}"
        case int():
            return f"{value:,}"
        case list():
            return " x ".join(str(each) for each in value)
    return str(value)


def _print_json(value: Any) -> None:
    """JSON to stdout; a number that JSON does not have (NaN) becomes null."""

    def plain(each: Any) -> Any:
        if isinstance(each, float) and not math.isfinite(each):
            return None
        if isinstance(each, dict):
            return {key: plain(inner) for key, inner in each.items()}
        return [plain(inner) for inner in each] if isinstance(each, list | tuple) else each

    write(json.dumps(plain(value), indent=2))  # in ASCII: nothing in it steers a terminal


def _say_written(paths: Sequence[Path], as_json: bool) -> None:
    if paths:
        (say if as_json else put)(f"written: {' '.join(map(str, paths))}")


if __name__ == "__main__":
    main()
