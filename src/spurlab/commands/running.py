"""Studies: run, judged and reported on."""

import logging
import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup

from spurlab import claims, report
from spurlab.claims import Verdict, decide
from spurlab.data import load as load_dataset
from spurlab.deciding import decided, until_decided
from spurlab.errors import FailureError, InputError
from spurlab.notebook import note, paragraph, table
from spurlab.plugins import opened
from spurlab.report.groups import failures
from spurlab.report.views import study_sheets
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
from spurlab.studies.executors import Executor, Load, workplace
from spurlab.terminal import on_a_line, status_line

log = logging.getLogger(__name__)


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
    load: Load = load_dataset,
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


def _judged(folder: str | Path) -> tuple[list[StudyResult], list[Verdict]]:
    """What was measured in a folder, and the verdicts on it."""
    with status_line("reading the results") as tell:
        results = results_in(folder)
        tell("judging the claims")
        return results, verdicts_on(results)


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
