"""Claims 17 to 20: are three examples enough for other data than images, and for boosted trees?"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from spurlab.claims.base import Claim
from spurlab.claims.evidence import Evidence, Seeds, base_name
from spurlab.claims.judge import above, answers
from spurlab.claims.question import FEWEST, Question, missing, too_few
from spurlab.data import known
from spurlab.models import architecture_title, is_grown
from spurlab.stats import learnt_at

THREE = 3
SOURCE = "Yang et al. (2022), arXiv:2202.05189, section 3.3, says it of images; whether it carries over is asked here"


@dataclass(frozen=True)
class Kind:
    """Networks on one kind of data.

    Args:
        number: of its claim.
        name: of the kind, for the statement.
        unit: what its examples are called.
        takes: whether rows of this dataset and architecture are of it.
        wanted: what to run where there are none.
    """

    number: int
    name: str
    unit: str
    takes: Callable[[str, str], bool]
    wanted: str

    @property
    def claim(self) -> Claim:
        """Its claim."""
        return Claim(
            number=self.number,
            statement=f"Three marked {self.unit} are enough for {self.name}: the clearest mark scores higher at n = 3 "
            "than at n = 0.",
            source=SOURCE,
            statistic="paired difference of the spurious score between n = 3 and n = 0, for each dataset and "
            "architecture, of the mark and target whose mean score rises most from n = 0 to the largest n of the grid",
            test="in each case more than half of all networks by more than 0.05 of the score, at 5 % (exact). The mark "
            "is chosen at the largest n, and judged at n = 3: by other networks, beside the same ones at n = 0",
            questions=partial(questions, self),
            remark=partial(remark, self),
        )


def of_tables(dataset: str) -> bool:
    """Whether these are rows of a table, as far as its name tells."""
    about = known(dataset)
    return base_name(dataset) == "table" if about is None else about.unit == "rows"


def of_documents(dataset: str) -> bool:
    """Whether these are documents, as far as its name tells."""
    about = known(dataset)
    return base_name(dataset) == "text" if about is None else about.unit == "documents"


def of_signals(dataset: str) -> bool:
    """Whether these are signals, as far as its name tells."""
    about = known(dataset)
    return about is not None and about.unit == "examples"


KINDS = (
    Kind(17, "networks on tables", "rows", lambda data, name: of_tables(data) and not is_grown(name), "tables"),
    Kind(18, "boosted trees", "rows", lambda data, name: is_grown(name), "tables"),
    Kind(
        *(19, "networks on documents", "documents"),
        lambda data, name: of_documents(data) and not is_grown(name),
        "words",
    ),
    Kind(
        *(20, "networks on signals", "signals"),
        lambda data, name: of_signals(data) and not is_grown(name),
        "signals",
    ),
)


def _rows(kind: Kind, evidence: Evidence) -> Iterator[tuple[str, str, Evidence]]:
    """The scores of each dataset and architecture of a kind."""
    scores = evidence.where(measure="spurious_score")
    pairs = scores.rows[["dataset", "architecture"]].dropna().drop_duplicates().itertuples(index=False)
    for dataset, architecture in sorted((str(one), str(other)) for one, other in pairs):
        if kind.takes(dataset, architecture):
            yield dataset, architecture, scores.where(dataset=dataset, architecture=architecture)


def questions(kind: Kind, evidence: Evidence) -> Iterator[Question]:
    """One part for each dataset and architecture."""
    found = list(_rows(kind, evidence))
    what = f"no scores of {kind.name} at n = 0 and 3"
    for dataset, architecture, rows in found:
        where = f"{dataset}, {architecture_title(architecture)}"
        yield from answers(rows, _part, missing(where, what, kind.wanted))
    if not found:
        yield missing(kind.name, what, kind.wanted)


def _part(where: str, same: Evidence) -> Question | None:
    complete = same.shared("n", (0, THREE), ["pattern", "target"])
    if complete.rows.empty:
        return None
    largest = max(same.counts())
    if largest <= THREE:  # the mark would be chosen by the networks that it is judged by
        return None
    rises = {}
    for pattern, target in _places(complete):
        mark = same.where(pattern=pattern, target=target)
        low, high = (float(mark.where(n=n).rows["value"].mean()) for n in (0, largest))
        rises[pattern, target] = -math.inf if math.isnan(high - low) else high - low
    pattern, target = max(rises, key=lambda place: rises[place])
    rows = complete.where(pattern=pattern, target=target, n=(0, THREE))
    table = Seeds.of(rows, ["n"])
    where = f"{where}, {pattern}"
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    return above(where, table, table.values[THREE,], table.values[0,])


def _places(rows: Evidence) -> list[tuple[str, int]]:
    pairs = rows.rows[["pattern", "target"]].drop_duplicates()
    return [(str(pattern), int(target)) for pattern, target in zip(pairs["pattern"], pairs["target"], strict=True)]


def remark(kind: Kind, evidence: Evidence) -> str:
    """How many of all curves are shown to be learnt from three, and how many not to be."""
    curves = enough = more = 0
    for *_, rows in _rows(kind, evidence):
        for _, recipe in rows.recipes():
            for pattern, target in _places(recipe):
                same = recipe.where(pattern=pattern, target=target)
                if not {0, THREE} <= set(same.rows["n"]):
                    continue
                table = Seeds.of(same, ["n"])
                scores = {n: table.values[n,] for n in same.counts()}
                learnt = learnt_at(scores, table.values[0,], most=table.looks.most)
                curves += 1
                enough += learnt.n is not None and learnt.n <= THREE
                more += learnt.above is not None and learnt.above >= THREE
    if not curves:
        return ""
    return (
        f" Of all {curves} curve{'s' * (curves > 1)}, one for each mark and network, {enough} are learnt from three or "
        f"fewer, {more} from more than three, each at 95 %."
    )


CLAIMS = tuple(kind.claim for kind in KINDS)
