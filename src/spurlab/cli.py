"""The command line: parse, call the library, print. Whatever it does, a few lines of Python do too.

Heavy rooms are imported inside the commands, so that ``--help`` answers at once.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from spurlab.training import Progress as TrainingProgress

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
USERS_MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130

Json = Annotated[bool, typer.Option("--json", help="Machine-readable to stdout, nothing else there.")]
Debug = Annotated[bool, typer.Option("--debug", help="A traceback with errors.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never download (as SPURLAB_OFFLINE=1).")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Errors are a sentence or two on stderr: exit code 2 for a user's mistake, 1 for a failure."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            app(given)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output, e.g. `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if "--debug" in given:
            raise
        ours = _raised_by_us(error)
        print(f"spurlab: {'' if ours else f'{type(error).__name__}: '}{error}", file=sys.stderr)
        sys.exit(USERS_MISTAKE if ours and isinstance(error, ValueError | FileNotFoundError) else FAILURE)


def _raised_by_us(error: Exception) -> bool:
    """Whether one of our own checks raised it: its sentence is meant for users. Else something failed below us."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and str(place.tb_frame.f_globals.get("__name__", "")).startswith("spurlab")


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
    _print_json({"name": name, "location": str(folder)}) if as_json else print(f"{name} is in {folder}")


@data_app.command("info")
def data_info(name: str, as_json: Json = False, debug: Debug = False) -> None:
    """What a dataset is, where it came from, its checksums; fetches nothing. Translates names of the paper's code.

    Example: [bold]spurlab data info fashion-mini[/bold]

    Example: [bold]spurlab data info mnistv8-3-0-0[/bold]
    """
    from dataclasses import asdict

    from spurlab.data import DATASETS, described, load, locate
    from spurlab.patterns import parse_reference_dataset

    about: dict[str, Any] = {}
    if name not in DATASETS and re.fullmatch(r"(mnist|fashion|cifar100coarse|cifar100?|twoclassmnist)(v\d.*)?", name):
        meant = parse_reference_dataset(name)
        about, name = {"reference_name": name, "planted": asdict(meant)}, meant.dataset
    entry = described(name)
    about |= {
        "name": name,
        "title": entry.title,
        "train": entry.sizes[0],
        "test": entry.sizes[1],
        "shape": list(entry.shape),
        "classes": list(entry.class_names),
    }
    if locate(name) is None:  # what is known without the files
        about |= {"licence": entry.licence, "origin": entry.origin, "location": None}
    else:
        data = load(name, offline=True)
        class_sizes = data.train.labels.bincount(minlength=data.classes).tolist()
        about |= {"input_range": data.input_range, "class_sizes": class_sizes, **asdict(data.source)}
    if as_json:
        _print_json(about)
        return
    for key, value in about.items():
        if isinstance(value, dict):
            print(f"{key}:", *(f"  {inner}  {what}" for inner, what in value.items()), sep="\n")
        elif value is None:
            print(f"{key}: {NOT_HERE.format(name)}")
        else:
            print(f"{key}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}")


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
    from spurlab.data import load
    from spurlab.metrics import empirical_norm
    from spurlab.patterns import PATTERNS, make_pattern

    data = load(dataset, offline=offline or None)
    images = data.test.inputs
    made = {name: make_pattern(name, data.shape, seed, clip=data.input_range) for name in PATTERNS}
    lines = []
    for name, pattern in made.items():
        norms = empirical_norm(images, pattern(images))
        lines.append({"pattern": name, "norm": norms.mean().item(), "stderr": (norms.std() / len(norms) ** 0.5).item()})
    written: list[Path] = []
    if out is not None:
        from spurlab.report import pattern_gallery, save_figure

        out.mkdir(parents=True, exist_ok=True)
        shown = images[:6]
        strips = {"clean": shown} | {name: pattern(shown) for name, pattern in made.items()}
        written = save_figure(
            pattern_gallery(strips, f"patterns on {dataset}, seed {seed}"), out / f"patterns-{dataset}"
        )
    _show(lines, as_json)
    _say_written(written, as_json)


@app.command("models")
def models(
    dataset: Annotated[str, typer.Option(help="Its image size and classes decide the counts.")] = "fashion-mini",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The zoo, with parameter counts (Table 2 of arXiv:2202.05189).

    Example: [bold]spurlab models --dataset fashion-mnist[/bold]
    """
    from spurlab.data import described
    from spurlab.models import ARCHITECTURES, build, parameter_count

    entry = described(dataset)
    lines = [
        {"name": name, "parameters": parameter_count(build(name, entry.shape, len(entry.class_names), seed=0))}
        for name in ARCHITECTURES
    ]
    _show(lines, as_json)


@app.command("list")
def list_all(as_json: Json = False, debug: Debug = False) -> None:
    """The names of everything there is.

    Example: [bold]spurlab list --json[/bold]
    """
    from spurlab.data import DATASETS
    from spurlab.models import ARCHITECTURES
    from spurlab.patterns import PATTERNS
    from spurlab.studies import shipped

    names: dict[str, list[str]] = {
        "studies": shipped(),
        "datasets": list(DATASETS),
        "patterns": list(PATTERNS),
        "models": list(ARCHITECTURES),
        "deletion": [],
        "prevention": [],
    }
    if as_json:
        _print_json(names)
        return
    for room, known in names.items():
        print(f"{room}: {', '.join(known) if known else 'none yet'}")


@app.command("run")
def run_study(
    study: Annotated[str, typer.Argument(help="A shipped study (see `spurlab list`), or a TOML file.")],
    profile: Annotated[str | None, typer.Option(help="quick or paper, where the study has profiles.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, e.g. recipe.epochs=3; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; default out/STUDY.")] = None,
    executor: Annotated[str, typer.Option(help="local: worker processes on this machine.")] = "local",
    workers: Annotated[int | None, typer.Option(min=0, help="Worker processes; default one for each core.")] = None,
    device: Annotated[str, typer.Option(help="Where to train, e.g. cpu or cuda.")] = "cpu",
    offline: Offline = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a study: train what it needs, then print tables and verdicts and write rows and a figure.

    Example: [bold]spurlab run quickstart[/bold]

    Example: [bold]spurlab run quickstart --set 'n=[0,3]' --set recipe.epochs=3 --out out/short[/bold]
    """
    from spurlab.data import load
    from spurlab.studies import cells_of, check_grid, claim_folder, load_study, run, trainings_of, write_rows

    if executor != "local":
        raise typer.BadParameter(f"{executor!r} is not there yet; use 'local'.", param_hint="--executor")
    what = load_study(study, profile, set_ or [])
    folder = out if out is not None else Path("out") / Path(study).stem
    data = load(what.dataset, offline=offline or None)
    check_grid(what, data)
    claim_folder(folder, what)
    count = len(trainings_of(cells_of(what)))
    with _stops_cleanly(), _progress_bar(f"training {count} networks on {what.dataset}") as advance:
        rows = run(what, data, workers=workers, device=device, progress=advance)
    from spurlab.report import curve_table, curves, save_figure, study_figure

    found = curves(rows)
    written = write_rows(rows, folder) + save_figure(study_figure(what, data, found), folder / "scores")
    if as_json:
        _print_json([row.flat() for row in rows])
    else:
        console = _console()
        for curve in found:
            console.print(curve_table(curve, data.class_names[curve.target]))
    _say_written(written, as_json)


@contextmanager
def _stops_cleanly() -> "Iterator[None]":
    """Ctrl-C ends the command with a sentence. Whatever was under way has cleaned up after itself by then."""
    try:
        yield
    except KeyboardInterrupt:
        print("spurlab: stopped; no results were written. The same command starts again.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _progress_bar(title: str) -> "Iterator[Callable[[TrainingProgress], None]]":
    """A bar on stderr while training, with the rate and the time left; one line where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not (sys.stdout.isatty() and console.is_terminal):
        yield lambda now: None if now.done else print(f"{title} ...", file=sys.stderr)
        return
    columns = (TextColumn("training"), BarColumn(bar_width=20), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, state="starting")

        def advance(now: "TrainingProgress") -> None:
            left = "" if now.seconds_left == float("inf") else f", {now.seconds_left:.0f} s left"
            state = f"{now.done}/{now.total} model-epochs, {now.rate:.1f} a second{left}"
            bar.update(task, completed=now.done, total=now.total, state=state)

        yield advance


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
        table.add_row(*(_cell(value, line) for value in line.values()))
    _console().print(table)


def _console() -> "Console":
    """Where tables go; wide where no terminal sets a width, so that nothing is folded in a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _cell(value: Any, line: dict[str, Any]) -> str:
    match value:
        case None:
            return NOT_HERE.format(line["name"])
        case float():
            return f"{value:.3f}"
        case int():
            return f"{value:,}"
        case list():
            return " x ".join(str(each) for each in value)
    return str(value)


def _print_json(value: Any) -> None:
    """JSON to stdout; a number that JSON does not have (NaN) becomes null."""
    import math

    def plain(each: Any) -> Any:
        if isinstance(each, float) and not math.isfinite(each):
            return None
        if isinstance(each, dict):
            return {key: plain(inner) for key, inner in each.items()}
        return [plain(inner) for inner in each] if isinstance(each, list | tuple) else each

    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def _say_written(paths: Sequence[Path], as_json: bool) -> None:
    if paths:
        print("written:", *paths, file=sys.stderr if as_json else sys.stdout)


if __name__ == "__main__":
    main()
