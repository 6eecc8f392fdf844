"""The command line: parse, call `spurlab.commands`, print.

Heavy rooms are imported inside the commands, so that ``--help`` answers at once.
"""

import logging
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spurlab import names, study_files
from spurlab.errors import InputError, SpurlabError, worded
from spurlab.printing import console, print_facts, print_json, print_table, say_written, show
from spurlab.stopping import Stopped, going_on, stopped_by_signals
from spurlab.terminal import OutputError, duration, flush, open_streams, printable, put, results_alone, say

if TYPE_CHECKING:
    from spurlab.studies import Plan
    from spurlab.studies.executors import Load

app = typer.Typer(
    name="spurlab",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(no_args_is_help=True, help="Datasets: which are here, fetch one, what it is.")
app.add_typer(data_app, name="data")

USERS_MISTAKE, FAILURE = 2, 1
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
        with stopped_by_signals():
            code = _carried_out(given)
    except Stopped as stop:
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
    from spurlab.commands import datasets

    show(datasets(), as_json)


@data_app.command("get")
def data_get(name: str, offline: Offline = False, as_json: Json = False, debug: Debug = False) -> None:
    """Fetch a dataset to the user's cache, where it is not here yet.

    Example: [bold]spurlab data get mnist[/bold]
    """
    from spurlab.data import fetch, locate

    here = locate(name) is not None
    folder = fetch(name, offline=offline or None)
    if as_json:
        print_json({"name": name, "location": str(folder), "fetched": not here})
    else:
        put(f"{name} is in {folder}, {'where it was already' if here else 'and was put there now'}")


@data_app.command("info")
def data_info(name: str, as_json: Json = False, debug: Debug = False) -> None:
    """What a dataset is, where it came from, its checksums; fetches nothing. Translates names of the paper's code.

    Example: [bold]spurlab data info fashion-mini[/bold]

    Example: [bold]spurlab data info mnist:3,7[/bold] (two classes of MNIST)

    Example: [bold]spurlab data info coloured-mnist,p=95[/bold] (with options)

    Example: [bold]spurlab data info folder,32:birds[/bold] (images in a folder for each class; an .npz file: npz:FILE)

    Example: [bold]spurlab data info table,label=income,group=sex:people.csv[/bold] (CSV or Parquet; lists the inputs)

    Example: [bold]spurlab data info mnistv8-3-0-0[/bold]
    """
    from spurlab.commands import about_dataset

    about = about_dataset(name)
    print_json(about) if as_json else print_facts(about)


@app.command("patterns")
def patterns(
    dataset: Annotated[str, typer.Option(help="The dataset whose test examples are marked.")] = "fashion-mini",
    seed: Annotated[int, typer.Option(help="Draws the random patterns.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Draw the gallery there (PNG and PDF).")] = None,
    offline: Offline = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The patterns, and the empirical norm of each: how far it moves a test image (Table 1 of arXiv:2202.05189).

    The standard error is over test examples, for the random patterns of this one seed.

    Example: [bold]spurlab patterns --dataset fashion-mini --out out/patterns[/bold]
    """
    from spurlab.commands import pattern_norms

    lines, written = pattern_norms(dataset, seed, out, load=_loader(offline))
    show(lines, as_json)
    say_written(written, as_json)


@app.command("models")
def models(
    dataset: Annotated[str, typer.Option(help="Its image size and classes decide the counts.")] = "fashion-mini",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The zoo, with parameter counts (Table 2 of arXiv:2202.05189); none for a network that needs other inputs.

    Example: [bold]spurlab models --dataset cifar10[/bold]
    """
    from spurlab.commands import parameter_counts

    lines, reasons = parameter_counts(dataset)
    for reason in reasons:
        say(reason)
    show(lines, as_json)


@app.command("list")
def list_all(as_json: Json = False, debug: Debug = False) -> None:
    """The names of everything there is; those of plug-ins with their package and version. No plug-in is imported.

    Example: [bold]spurlab list --json[/bold]
    """
    every, added = names.of_everything(), names.added()
    if as_json:
        kinds = {
            kind: own + [one.name for one in added if one.kind == kind and not one.refused]
            for kind, own in every.items()
        }
        print_json(kinds | {"plugins": [one._asdict() for one in added]})
        return
    for kind, own in every.items():
        theirs = [f"{one.name} ({one.package} {one.version})" for one in added if one.kind == kind and not one.refused]
        put(f"{kind}: {', '.join([*own, *theirs])}")
    for refused in dict.fromkeys(one.refused for one in added if one.refused):
        put(f"refused: {refused}")


def _studies_like(begun: str) -> list[str]:
    """What a shell offers where a study is named."""
    return [study for study in names.studies() if study.startswith(begun)]


StudyName = Annotated[
    str,
    typer.Argument(help="A shipped study (see `spurlab list`), or a TOML file.", autocompletion=_studies_like),
]
Profile = Annotated[str | None, typer.Option(help="One of the study's, such as quick or paper; quick is the default.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="key=value, e.g. recipe.epochs=3; repeatable.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="axis=value, or a list of values, e.g. pattern=R3; repeatable.")
]
Decide = Annotated[
    bool, typer.Option("--decide", help="Add seeds until each verdict is decided, up to --most networks.")
]
Most = Annotated[int | None, typer.Option(help="With --decide: networks at most; default 20, or as the study says.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the results, also of several studies; default out/STUDY.")]
ExecutorName = Annotated[
    str, typer.Option(help="local: worker processes on this machine; ray: the machines of a Ray cluster.")
]
Address = Annotated[
    str, typer.Option(help="With --executor ray: local (Ray on this machine alone, the default), auto or HOST:PORT.")
]
Workers = Annotated[int | None, typer.Option(min=0, help="Worker processes; default one for each core.")]
Device = Annotated[str, typer.Option(help="Where to train, e.g. cpu or cuda.")]
Folder = Annotated[Path, typer.Argument(help="A folder that `spurlab run` has filled.")]
Plugins = Annotated[
    bool, typer.Option("--plugins", help="Use what installed packages add, their claims and figures; else none is.")
]


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
    decide: Decide = False,
    most: Most = None,
    out: Out = None,
    executor: ExecutorName = "local",
    address: Address = "",
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

    Example: [bold]spurlab run quickstart --decide[/bold]  adds seeds until each verdict is decided, up to 20 networks
    """
    study_files.check(study, profile, set_ or [])
    from spurlab.commands import run
    from spurlab.progress import study_bar
    from spurlab.report import brief, claims_table, study_tables

    _speak(verbose)
    with going_on(), study_bar(Path(study).stem) as advance:
        which: dict[str, Any] = {"profile": profile, "changes": set_ or [], "only": only or []}
        which |= _until(decide, most)
        finished = run(study, out, **which, **_how(executor, address, workers, device, offline), progress=advance)
    if as_json:
        print_json(finished.rows.to_dict("records"))
    else:
        tables = study_tables(finished, console().width)
        for table in tables:
            print_table(table)
        if not tables:
            put(brief(finished))
        if finished.study.claims:
            asked = [verdict for verdict in finished.verdicts if verdict.claim.number in finished.study.claims]
            print_table(claims_table(asked))
    for failure in finished.failures:
        say(failure)
    if finished.still_open:
        count, verdicts = finished.still_open
        at_most = f"with {finished.study.most} networks at most"
        what = "" if finished.study.treatments else " (that of a curve until n* lies between neighbouring n)"
        opened = f"{count} of {verdicts} verdicts {'is' if count == 1 else 'are'} still open{what}"
        decided = "the verdict is decided" if verdicts == 1 else f"all {verdicts} verdicts are decided"
        say(f"{opened if count else decided}, {at_most}")
    if finished.part_of:
        say(f"a part of the {finished.study.name} in {finished.folder}, whose files stay as they are")
    say_written(finished.written, as_json)


@app.command("plan")
def plan_study(
    study: StudyName,
    profile: Profile = None,
    set_: Set = None,
    only: Only = None,
    decide: Decide = False,
    most: Most = None,
    out: Out = None,
    executor: ExecutorName = "local",
    address: Address = "",
    workers: Workers = None,
    device: Device = "cpu",
    time_: Annotated[bool, typer.Option("--time/--no-time", help="Train a few steps to tell time and memory.")] = True,
    anew: Annotated[bool, typer.Option("--anew", help="Time them again; what was timed is kept for a month.")] = False,
    offline: Offline = False,
    verbose: Verbose = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What `run` would train: how much is shared, done and left, and the time and memory that it takes here.

    Example: [bold]spurlab plan fig2-mnist --out out/paper[/bold]
    """
    study_files.check(study, profile, set_ or [])
    from dataclasses import asdict

    from spurlab.commands import folder_of, study_named
    from spurlab.deciding import bounds, until_decided
    from spurlab.studies import plan
    from spurlab.studies.calibration import calibration_file
    from spurlab.studies.search import grids_by_curve

    _speak(verbose)
    asked, folder = study_named(study, profile, set_ or [], only or []), folder_of(study, out)
    asked = until_decided(asked, **_until(decide, most))
    least = None
    if asked.most:
        least, asked = bounds(asked)
    if asked.search:
        grids_by_curve(asked)  # refuses what cannot be searched

    def tell(counts: "Plan") -> None:
        for line in () if as_json else counts.lines(asked, folder):
            put(line)
        if few and not as_json:
            put(f"  that is with {asked.most} seeds; if the first look decides everything: {few.trainings:,} networks")
        if asked.search and not as_json:
            put("  that is every n; the search of n* trains about three networks of each seed and curve, or a few more")
        if time_ and counts.groups and not as_json:
            say("  timing a few steps of each kind, where that is not kept ...")

    how = _how(executor, address, workers, device, offline)
    few = plan(least, folder, calibrate=False, **how) if least else None
    counts = plan(asked, folder, calibrate=time_, keep=calibration_file(), anew=anew, counted=tell, **how)
    if as_json:
        beside: dict[str, Any] = {"trainings_if_decided_at_once": few.trainings} if few else {}
        beside |= {"search": asked.search} if asked.search else {}  # of every n then, most of which it will not train
        print_json({"study": asked.name, "profile": asked.profile, "out": str(folder)} | asdict(counts) | beside)
    elif counts.seconds is not None and counts.memory is not None and counts.groups:
        kept = f" (steps timed on {counts.timed}; --anew times them again)" if counts.timed else ""
        put(f"  about {duration(counts.seconds)}, {counts.memory / 1e9:.1f} GB of memory{kept}")


@app.command("claims")
def claims(
    folder: Folder,
    plugins: Plugins = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Each claim of the papers that the rows of a folder bear on: the statistic, its interval, the verdict.

    Example: [bold]spurlab claims out/quickstart[/bold]
    """
    from spurlab.claims import CLAIMS, by_chance
    from spurlab.commands import verdicts_in
    from spurlab.report import claims_table
    from spurlab.studies import studies_in

    verdicts = verdicts_in(folder, plugins=plugins)
    if as_json:
        print_json([verdict.record() for verdict in verdicts])
        return
    studies = studies_in(folder)
    if verdicts:
        print_table(claims_table(verdicts))
        put(by_chance(verdicts))
    else:
        searched = any(study.search for study in studies)
        why = "n* was searched here: networks at an n are no sample of all, and judge no claim" if searched else ""
        put(why or "no claim of the paper is about what was measured here")
    asked = {number for study in studies for number in study.claims}
    if others := sorted(asked - CLAIMS.own.keys() - {verdict.claim.number for verdict in verdicts}):
        numbers = ", ".join(map(str, others))
        put(f"not judged, since none of Spurlab's own: {numbers}. --plugins judges the claims of installed packages")


@app.command("report")
def report(
    folder: Folder,
    plugins: Plugins = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """One HTML page that opens from disk: answers, verdicts, figures, tables and where they come from.

    Example: [bold]spurlab report out/quickstart[/bold]
    """
    from spurlab.commands import write_page

    written = write_page(folder, plugins=plugins)
    print_json({"written": [str(path) for path in written]}) if as_json else say_written(written, as_json)


@app.command("audit")
def audit_model(
    model: Annotated[str, typer.Option(help="package.module:callable that makes it, or a file with its program.")] = "",
    data: Annotated[
        str,
        typer.Option(
            help="As of `spurlab data info`: a name, folder,64:PATH, npz:FILE, table,label=COLUMN:FILE or "
            "text,text=COLUMN,label=COLUMN:FILE."
        ),
    ] = "",
    weights: Annotated[Path | None, typer.Option(help="Safetensors, or a state_dict of PyTorch's.")] = None,
    mark: Annotated[
        list[str] | None,
        typer.Option(
            help="logo.png,at=top-right | box,row=0,col=0,size=5,value=.5 | noise,r=.5 | token:crude,times=3 | "
            "misspelt:oil | column:zip=99999 | missing:zip"
        ),
    ] = None,
    outputs: Annotated[str | None, typer.Option(help="logits, probabilities or log-probabilities; else told.")] = None,
    normalise: Annotated[str | None, typer.Option(help="mean/std of the inputs, e.g. .5,.5,.5/.2,.2,.2")] = None,
    suspects: Annotated[Path | None, typer.Option(help="A file or row of a training example on each line.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Try to make it forget the suspects.")] = False,
    exposure: Annotated[
        bool, typer.Option("--exposure", help="Which training examples are exposed; needs --recipe.")
    ] = False,
    recipe: Annotated[str | None, typer.Option(help="How it was trained, e.g. quick,epochs=20.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer marks and networks to compare with; no search by the network.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    demo: Annotated[bool, typer.Option("--demo", help="Images of ours, 20 with a logo, and their network.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the page and the repaired weights.")] = Path("out/audit"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Your own network and data: does it go by these marks, which examples teach it, can it be repaired.

    Example: [bold]spurlab audit --model mynet:make --weights weights.safetensors --data folder,64:photos
    --mark logo.png,at=top-right --repair[/bold]
    """
    from spurlab.commands import audit_of, demo_in

    marks = mark or []
    if demo:
        if model or data or marks or weights or recipe or suspects or outputs or normalise:
            raise InputError("--demo brings its own network, data and mark: give it alone, or with --out.")
        made, repair, quick = demo_in(out), True, True
        model, data, marks, weights, recipe = made.model, made.data, [made.mark], made.weights, made.recipe
    if not model or not data:
        missing = "--data" if model else "--model"
        raise InputError(f"an audit needs a network and its data, but {missing} is not there. To see one: --demo.")
    found, written = audit_of(
        model, data, marks, out, weights=weights, outputs=outputs, normalise=normalise, suspects=suspects,
        repair=repair, exposure=exposure, recipe=recipe, quick=quick, seed=seed,
    )  # fmt: skip
    if as_json:
        print_json(found.record())
    else:
        for line in str(found).splitlines():
            put(line)
    say_written(written, as_json)


def _speak(verbose: bool) -> None:
    """What the library logs goes to stderr, from warnings on; also how it decides, where that is wanted."""
    if verbose:
        logging.getLogger("spurlab").setLevel(logging.INFO)


def _until(decide: bool, most: int | None) -> dict[str, Any]:
    """The options that say whether seeds are added, and up to how many networks."""
    if most is not None and not decide:
        raise InputError("--most belongs to --decide, which adds seeds until each verdict is decided.")
    return {"decide": decide, "most": most}


def _how(executor: str, address: str, workers: int | None, device: str, offline: bool) -> dict[str, Any]:
    """The options that `run` and `plan` share."""
    from spurlab.studies.executors import executor_named

    where = {"executor": executor_named(executor, address), "workers": workers, "device": device}
    return where | {"load": _loader(offline)}


def _loader(offline: bool) -> "Load":
    from spurlab.data import load

    return partial(load, offline=offline or None)


if __name__ == "__main__":
    main()
