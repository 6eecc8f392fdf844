"""One page to look at: self-contained HTML, the figures beside it."""

import base64
import hashlib
import logging
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spurlab.claims import Verdict
from spurlab.files import replacing
from spurlab.report.glossary import Term, glossary
from spurlab.report.groups import diverged, failures, networks, settings_in, trained, varying
from spurlab.report.sheet import Number, setting_text, settings_sheet
from spurlab.report.style import ENDINGS, save_figure, sentence, spoken, svg_of, writing
from spurlab.report.svg import inline_svg
from spurlab.report.titles import dataset_title, in_a_row
from spurlab.report.verdicts import OUTCOMES, counted, shown
from spurlab.report.view import OnlyReadError
from spurlab.report.views import (
    answer,
    brief,
    check,
    drawn,
    figure_endings,
    glance,
    leads,
    numbers_kept,
    study_sheets,
    tally,
)
from spurlab.studies import Study, StudyError, StudyResult, only_read, together
from spurlab.studies.cells import cells_of
from spurlab.studies.recipes import milestones_in_words
from spurlab.terminal import duration, on_a_line, printable, told_on_a_line

log = logging.getLogger(__name__)

Section = Mapping[str, Any]  # what the template shows of one study


@told_on_a_line(lambda name, done, of: f"drawing {name}, study {done + 1} of {of}" if of > 1 else f"drawing {name}")
@numbers_kept()
def write_report(
    results: Sequence[StudyResult],
    verdicts: Sequence[Verdict],
    folder: str | Path,
    *,
    progress: Callable[[str, int, int], None] = on_a_line,
) -> list[Path]:
    """Write ``report.html`` and each study's figures as PNG, PDF and SVG.

    The page needs neither a network nor the files beside it. All text from studies or data is escaped.

    Args:
        results: the studies, in the order in which they should stand; the leading one comes first, see `leading`.
        verdicts: the claims that their rows decide.
        folder: is made where it is not there; files of these names are replaced. Those of a figure that needs code of
            the user's, which only `spurlab run` may run, stay.
        progress: told which study is drawn, how many are, of how many; see `spurlab.terminal.on_a_line`.

    Returns:
        The files, the page first.

    Raises:
        FolderError: they cannot be written there.
        StudyError: no study asks for figures that there are.

    >>> import tempfile
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run(narrowed(load_study("table2"), ["architecture=mlp"]), Path(folder), workers=0)
    ...     files = write_report([result], [], Path(folder) / "page")
    >>> [file.name for file in files]
    ['report.html', 'table2.png', 'table2.pdf', 'table2.svg']
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    sections: list[dict[str, Any]] = []
    refused: StudyError | None = None
    names = file_names([result.study for result in results])
    for result, name, heading in zip(results, names, _headings(results, names), strict=True):
        progress(name, len(sections), len(results))
        try:
            check(result.study)
        except StudyError as error:
            log.warning("%s: passed over, %s", folder, error)
            refused = error
            continue
        figures = []
        for ending, kind in zip(figure_endings(result.study), result.study.figure, strict=True):
            inline, words, written, kept = _draw(result, kind, folder / f"{name}{ending}", len(sections) + 1)
            label = f"{heading}, {ending[1:]}" if ending else heading
            links = [path.name for path in (*written, *kept)]
            figures.append({"label": label, "drawn": inline, "words": words, "links": links})
            paths += written
        section = {
            "anchor": f"study-{len(sections) + 1}",
            "heading": heading,
            "result": result,
            "brief": brief(result),
            "answer": answer(result),
            "progress": progress_of(result),
            "failures": failures(result.rows),
            "command": command_of(result),
            "verdicts": [verdict for verdict in verdicts if verdict.claim.number in result.study.claims],
            "figures": figures,
            "sheets": study_sheets(result),
            "facts": facts_of(result),
            "settings": settings_sheet(result.rows),
        }
        sections.append(section)
    if refused and not sections:
        raise refused
    if sections:
        first = leading([section["result"] for section in sections])
        sections.insert(0, sections.pop(first))
        small = glance(sections[0]["result"])
        sections[0]["glance"] = _inline(svg_of(small), "glance", spoken(small))
        sections[0]["tally"] = tally(sections[0]["result"])
    page = folder / "report.html"
    with writing(folder), replacing(page) as draft:
        draft.write_text(_rendered(sections, verdicts), encoding="utf-8")
    return [page, *paths]


def _draw(result: StudyResult, kind: str, stem: Path, place: int) -> tuple[Markup, str, list[Path], list[Path]]:
    """Write one figure.

    Returns:
        It as an element of the page and in words, the files that were written, and those that stay since only a
        run can draw them again.
    """
    try:
        figure = drawn(result, kind)
    except OnlyReadError as error:
        kept = [path for ending in ENDINGS if (path := stem.with_name(stem.name + ending)).is_file()]
        stay = f" What `spurlab run` drew stays: {', '.join(path.name for path in kept)}." if kept else ""
        figure = sentence(result.study.title, f"{error}{stay}")
        log.warning("%s: %s", stem.parent, spoken(figure))
        if kept and kept[0].suffix == ".png":
            picture = base64.b64encode(kept[0].read_bytes()).decode()
            element = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(picture, spoken(figure))
            return element, spoken(figure), [], kept
        if kept:
            return _inline(svg_of(figure), f"f{place}-{kind}", spoken(figure)), spoken(figure), [], kept
    written = save_figure(figure, stem)
    return _inline(written[-1].read_bytes(), f"f{place}-{kind}", spoken(figure)), spoken(figure), written, []


def _inline(svg: bytes, prefix: str, words: str) -> Markup:
    return Markup(inline_svg(svg, prefix, words))  # noqa: S704 - made by us, its text is escaped


def leading(results: Sequence[StudyResult]) -> int:
    """The place of the study that a page begins with: of those whose view leads, the one with most networks."""
    sizes = [(leads(result), networks(result.rows)) for result in results]
    return sizes.index(max(sizes))


def progress_of(result: StudyResult) -> tuple[int, int] | None:
    """How many networks of how many were measured, where the study is not finished.

    What is done to networks counts as one: deletions, preventions, attacks.
    """
    with only_read(result.study):
        of = len({cell.node for cell in cells_of(result.study)})
    rows = result.rows
    attacked = rows.loc[rows["attack"].notna(), "training"].nunique() if "attack" in rows else 0
    done = networks(rows) + int(attacked)
    return (done, of) if done < of and len(trained(rows)) else None


def command_of(result: StudyResult) -> str:
    """What gives the rows again, from where the reader is: with the folder that the study was read from."""
    words = shlex.split(result.command)
    if "--out" in words[:-1]:
        words[words.index("--out") + 1] = str(result.folder)
    return shlex.join(words)


def file_stem(study: Study) -> str:
    """The name of a study's files, without ending: plain, and with the profile unless it is the usual one, quick."""
    profile = "" if study.profile in (None, "quick") else f"-{study.profile}"
    return re.sub(r"\W+", "-", study.name + profile).strip("-")[:80] or "study"


def facts_of(result: StudyResult) -> dict[str, str]:
    """Settings and provenance of a study's numbers; where several settings vary, `settings_sheet` has these."""
    rows = result.rows
    facts = {"source": result.study.source, "profile": result.study.profile or ""}
    if not rows.empty:
        several = names if len(names := varying(rows)) > 1 else []
        facts |= {n.replace("_", " "): _values(rows[n]) for n in settings_in(rows) if n not in several}
        if facts.get("milestones"):
            of_each = (milestones_in_words(str(text)) for text in rows["milestones"].dropna().unique())
            facts["milestones"] = "; ".join(words.removeprefix("milestones ") for words in of_each)
        made = trained(rows)
        per_network = made.drop_duplicates("training")
        facts["seeds"] = _values(made["seed"]) if len(made) else ""
        facts["networks"] = f"{networks(rows):,}" if networks(rows) else ""
        facts["diverged"] = f"{diverged(rows):,}" if diverged(rows) else ""
        facts["training time"] = duration(float(per_network["seconds"].sum())) if len(made) else ""
        facts["trained"] = _span(rows["finished"])
        facts["spurlab"], facts["PyTorch"] = _values(rows["spurlab"]), _values(rows["torch"])
        facts["machine"] = ", ".join(filter(None, (_values(rows["machine"]), _values(rows["device"]))))
        sums = rows[["dataset", "data"]].dropna().drop_duplicates()
        for dataset, data in zip(sums["dataset"], sums["data"], strict=True):
            facts[f"data checksum, {dataset_title(str(dataset))}"] = str(data)
    facts["first run"] = _moment(result.when)
    return {name: value for name, value in facts.items() if value}


def _shown(value: Any) -> Any:
    """Text of others without what steers a terminal or turns letters around, see `printable`; its lines stay."""
    text = isinstance(value, str) and not isinstance(value, Markup)
    return "\n".join(map(printable, value.split("\n"))) if text else value


def page_templates() -> Environment:
    """The templates of pages: all text from others is escaped, and without what steers."""
    return Environment(
        loader=PackageLoader("spurlab.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _rendered(sections: Sequence[Section], verdicts: Sequence[Verdict]) -> str:
    environment = page_templates()
    environment.filters["bound"] = bound
    environment.filters["shown"] = shown
    environment.tests["number"] = lambda cell: isinstance(cell, Number)
    templates = files("spurlab.report").joinpath("templates")
    style, script = (templates.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    tested = [part for verdict in verdicts for part in verdict.parts]
    counts = counted((verdict.outcome for verdict in verdicts), OUTCOMES)
    return environment.get_template("report.html.j2").render(
        sections=sections,
        verdicts=verdicts,
        counts=counts,
        tested=counted((part.outcome for part in tested if part.of_paper and part.models), OUTCOMES),
        terms=_terms(sections),
        outcomes={name: OUTCOMES[name] for name in counts},
        style=Markup(style),  # noqa: S704 - a file of the package
        script=Markup(script),  # noqa: S704 - a file of the package
        script_hash=f"sha256-{digest}",
    )


def bound(sentence: str) -> str:
    r"""With spaces that no line is broken at around "=" and other signs, and before "%" and "networks".

    >>> bound("r = 0.9 over 3 seeds, 95 % of all")
    'r\xa0=\xa00.9 over 3\xa0seeds, 95\xa0% of all'
    """
    return re.sub(r" (?=[=<>] )|(?<= [=<>]) |(?<=\d) (?=%|networks?\b|seeds?\b)", "\xa0", sentence)


def _terms(sections: Sequence[Section]) -> list[Term]:
    """The glossary of a page."""
    if not sections:
        return []
    names = dict.fromkeys(name for section in sections for name in tally(section["result"]))
    return glossary(together([section["result"] for section in sections]), names)


def file_names(studies: Sequence[Study]) -> list[str]:
    """A plain file name for each study of a folder, no two alike, whatever their case: the first come has the plainest.

    No study has the name of another's further figure.

    Args:
        studies: all of the folder, in the order of `spurlab.studies.studies_in`.
    """
    names: list[str] = []
    taken: set[str] = set()
    for study in studies:
        stem = file_stem(study)
        for name in (stem if i == 1 else f"{stem}-{i}" for i in count(1)):
            files_of = {f"{name}{ending}".casefold() for ending in figure_endings(study)}
            if not files_of & taken:
                break
        names.append(name)
        taken |= files_of
    return names


def _headings(results: Sequence[StudyResult], names: Sequence[str]) -> list[str]:
    """The title of each study; of those that share one, with what it alone has of them, else with the file name."""
    tellings = [_telling(result.study) for result in results]
    headings = []
    for result, name, telling in zip(results, names, tellings, strict=True):
        title = result.study.title
        alike = [other for one, other in zip(results, tellings, strict=True) if one.study.title == title]
        own = (words for words, *others in zip(telling, *alike, strict=True) if words and others.count(words) == 1)
        headings.append(f"{title} ({next(own, name)})" if len(alike) > 1 else title)
    return headings


def _telling(study: Study) -> tuple[str, ...]:
    """What may tell a study from others of its title."""
    datasets = in_a_row([dataset_title(str(name)) for name in study.axis("dataset")])
    counts = in_a_row([f"{n:,}" for n in study.axis("n")])
    return datasets, f"profile {study.profile}" if study.profile else "", f"n = {counts}"


def _values(column: "pd.Series[Any]") -> str:
    """Each value once; "" where there is none."""
    shown = list(dict.fromkeys(setting_text(value) for value in column.drop_duplicates()))
    return "" if shown == ["none"] else ", ".join(shown)


def _moment(text: str) -> str:
    """An ISO 8601 moment to the minute; what it is not stays as it is."""
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d(\.\d+)?)?(\+00:00|Z)?", text)
    return f"{parts[1]} {parts[2]} UTC" if parts else text


def _span(column: "pd.Series[str]") -> str:
    moments = sorted(str(moment) for moment in column.dropna().unique())
    return " to ".join(dict.fromkeys(_moment(moment) for moment in (*moments[:1], *moments[-1:])))
