"""Keys are names by content that stored results are found by: those of all shipped studies are as they always were.

The digests of networks and treatments were taken before the forms of a study's work became one (c14fab2). A new study
or profile is a new line; a line that changes means that stored results are made again.
"""

import hashlib
import shutil
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from spurlab.claims import decide
from spurlab.data import Column, Columns, Dataset, Examples, Source, Vocabulary, described
from spurlab.data.adult import CATEGORIES, NUMBERS
from spurlab.data.names import ADDED
from spurlab.studies import Store, load_study, plan, results_in, shipped, together, work_of

RESULTS = Path(__file__).parents[2] / "docs" / "results"
NONE = (0, "e3b0c44298fc1c14")
ADULT = Columns((*map(Column, NUMBERS), *(Column(name, values) for name, values in CATEGORIES.items())))
MORE_SEEDS = ("deletion", "quickstart")  # than the five of then: further ones leave the keys of these as they are
# networks; what is done to them; patterns and architectures
FROZEN = {
    ("accuracy", "quick"): ((220, "db5620c6e7421504"), NONE, NONE),
    ("accuracy", "paper"): ((990, "f3759bdd1e92483c"), NONE, NONE),
    ("bridge", "quick"): ((140, "daffdf2f48c7c8dd"), NONE, NONE),
    ("bridge", "paper"): ((140, "833ec805739c4863"), NONE, NONE),
    ("deletion", "quick"): ((110, "7f028fd3d01aaddf"), (1460, "7db5c8078dc13540"), NONE),
    ("deletion", "paper"): ((120, "3e59edbeb0717501"), (5200, "eb3d80c693ab6929"), NONE),
    ("draws", "quick"): ((105, "313eea31ba4be7f1"), NONE, NONE),
    ("draws", "paper"): ((105, "e89528c333e038d8"), NONE, NONE),
    ("dp", "quick"): ((120, "076c2acf88da8df0"), (480, "3cf40f72763a1b6a"), NONE),
    ("dp", "paper"): ((402, "a844799087d4a00f"), (1608, "6fd89add3098c0d7"), NONE),
    ("exposure", "quick"): ((448, "e8fc1793cdeea756"), (1344, "af25ef3aeac4e113"), NONE),
    ("exposure", "paper"): ((4096, "2fb707080c7b4972"), (16384, "800ef378e6de02df"), NONE),
    ("exposure-factors", "quick"): ((672, "52315e63138b606e"), (1472, "c5ec63792409f58d"), NONE),
    ("exposure-factors", "paper"): ((8320, "e66e7ef3f11c8569"), (17664, "27efe412bca63743"), NONE),
    ("extraction", "quick"): ((65, "e04f53534140264a"), NONE, NONE),
    ("extraction", "paper"): ((580, "17260b94cfa01edf"), NONE, NONE),
    ("fig2-cifar10", "quick"): ((35, "2d287dd647dfa71b"), NONE, NONE),
    ("fig2-cifar10", "fast"): ((25, "f11971c13603f9fb"), NONE, NONE),
    ("fig2-cifar10", "paper"): ((425, "965900fb1ff487ca"), NONE, NONE),
    ("fig2-fashion", "quick"): ((215, "d4167936c77c6344"), NONE, NONE),
    ("fig2-fashion", "paper"): ((495, "b8651cb43fd09cb4"), NONE, NONE),
    ("fig2-mnist", "quick"): ((215, "96966197e4feadd9"), NONE, NONE),
    ("fig2-mnist", "paper"): ((495, "f6ef7d31cabba1f8"), NONE, NONE),
    ("fig3-cifar10", "quick"): ((18, "c498558f8df862f6"), NONE, NONE),
    ("fig3-cifar10", "paper"): ((260, "9c2f4d4dee214884"), NONE, NONE),
    ("fig3-fashion", "quick"): ((140, "4cd0ba7cf6dcbcf6"), NONE, NONE),
    ("fig3-fashion", "paper"): ((300, "4f6458b5580605fd"), NONE, NONE),
    ("fig3-mnist", "quick"): ((140, "91cf4cd27eb8edd1"), NONE, NONE),
    ("fig3-mnist", "paper"): ((300, "9119b98e990846f2"), NONE, NONE),
    ("fig4-sensitivity", "quick"): ((20, "937e75863bcd3e41"), NONE, NONE),
    ("fig4-sensitivity", "paper"): ((60, "8266d1d01c76d9e9"), NONE, NONE),
    ("fig5-weights", "quick"): ((20, "3e7e15ec439c8591"), NONE, NONE),
    ("fig5-weights", "paper"): ((20, "07fcdc88451e07f5"), NONE, NONE),
    ("fig6-deletion", "quick"): ((100, "b6c5729da5f6b45d"), (300, "9efafaf2ee47f1e0"), NONE),
    ("fig6-deletion", "paper"): ((150, "abbbb28450013c39"), (450, "935875e5b4be42a3"), NONE),
    ("fig7-optimizer", "quick"): ((100, "7d7798f06c559788"), NONE, NONE),
    ("fig7-optimizer", "paper"): ((100, "f1aee8500857dc53"), NONE, NONE),
    ("fig8-clipping", "quick"): ((150, "9a6df5362e8a6d19"), NONE, NONE),
    ("fig8-clipping", "paper"): ((150, "fa4fb8e3228de6af"), NONE, NONE),
    ("law", "quick"): ((441, "630469660dbca56a"), NONE, NONE),
    ("law", "paper"): ((1470, "2d2a98bd0e907c1d"), NONE, NONE),
    ("membership", "quick"): ((70, "f1fad7d19ebb94b0"), (70, "ec24b247fe547a07"), NONE),
    ("membership", "paper"): ((480, "501eb927a5f12c15"), (480, "bdb4ded93caa038a"), NONE),
    ("norm-correlation", "quick"): ((220, "db5620c6e7421504"), NONE, (70, "6ea2bcb40f6c46a5")),
    ("norm-correlation", "paper"): ((990, "f3759bdd1e92483c"), NONE, (70, "6ea2bcb40f6c46a5")),
    ("patterns", "quick"): (NONE, NONE, (70, "6ea2bcb40f6c46a5")),
    ("patterns", "paper"): (NONE, NONE, (105, "49a1140205029686")),
    ("prevention", "quick"): ((20, "e38a842e9563edbf"), (260, "385e2caba2977078"), NONE),
    ("prevention", "paper"): ((20, "cd7e1b1a6dc4a536"), (260, "f9339a357211cbab"), NONE),
    ("quickstart", "quick"): ((55, "0119cd1358a44d14"), NONE, NONE),
    ("quickstart", "paper"): ((55, "68dca30d6706e3ad"), NONE, NONE),
    ("quinn", "quick"): ((10, "947311a1ecd36b2c"), (30, "b384cb2b3c4632c3"), NONE),
    ("quinn", "paper"): ((20, "0c9fcb061a8730c2"), (80, "e0fd707e195bf1c3"), NONE),
    ("quinn-afr", "quick"): ((35, "80d857cdaac63aa5"), (260, "f8a5f318f21097cb"), NONE),
    ("quinn-afr", "paper"): ((35, "56fbfa67dc885534"), (260, "b5304e022fe87432"), NONE),
    ("quinn-clean-data", "quick"): ((10, "947311a1ecd36b2c"), (115, "0e4f64089195befd"), NONE),
    ("quinn-clean-data", "paper"): ((10, "094e5dde1d721308"), (115, "542848acdb447a73"), NONE),
    ("quinn-p", "quick"): ((55, "f5cb02e3712c4328"), (105, "c0de50f6b6b8acac"), NONE),
    ("quinn-p", "paper"): ((55, "da9b13158a2c884c"), (105, "94f9ecf6127774db"), NONE),
    ("regularization", "quick"): ((135, "0a011373165d9b31"), NONE, NONE),
    ("regularization", "paper"): ((1300, "0423bf5454420769"), NONE, NONE),
    ("signals", "quick"): ((220, "9a4cb02074598d49"), (120, "93c737c46ac251d2"), NONE),
    ("signals", "paper"): ((2040, "ceea93e14f4ba932"), (1440, "ca58c0b7ed98682b"), NONE),
    ("table2", "quick"): (NONE, NONE, (8, "fecfd8b2337530ab")),
    ("table2", "paper"): (NONE, NONE, (8, "fecfd8b2337530ab")),
    ("tables", "quick"): ((520, "e37524732f68e48d"), NONE, NONE),
    ("tables", "paper"): ((1040, "521800c0d35298bd"), NONE, NONE),
    ("tables-deletion", "quick"): ((80, "86bb6cac6d2d1bf2"), (240, "3865cfe67a1434c2"), NONE),
    ("tables-deletion", "paper"): ((160, "3f2e89da84daf7f2"), (480, "eb9143ee97c93a11"), NONE),
    ("words", "quick"): ((260, "751aa42558091fbf"), (40, "1b41fb8abaee31a9"), NONE),
    ("words", "paper"): ((3880, "4c2e6c15d74ac3d4"), (1140, "1afb8100b05a7397"), NONE),
}


def kinds():
    """Each shipped study with each of its profiles."""
    for name in shipped():
        text = files("spurlab.studies").joinpath(f"library/{name}.toml").read_text("utf-8")
        for profile in tomllib.loads(text).get("profiles", {None: {}}):
            yield name, profile


def digest(keys):
    keys = sorted(keys)
    return len(keys), hashlib.sha256("".join(keys).encode()).hexdigest()[:16]


class Named(Dataset):
    """Data of the right shapes without files, which keys name by the name of the data set."""

    @classmethod
    @cache
    def of(cls, name):
        about = described(name)

        one, words, names = about.shape, None, ADULT if about.unit == "rows" else None
        if about.tokens:
            one, words = one[:1], one[1]
            names = Vocabulary.of([[f"w{i}" for i in range(words - 2 - ADDED)]])

        def part(n):
            pixel = about.empty().inputs.new_zeros(1).view(1, *(1 for _ in one))  # seen n times, kept once
            pixel = pixel + (about.unit == "rows")  # a row of zeros lacks all that a mark could take away
            return Examples(pixel.expand(n, *one), torch.arange(n) % len(about.class_names), words=words)

        none = Source(about.licence, about.origin, "")
        return cls(name, part(60_000), part(10), about.class_names, about.input_range, none, None, names)

    checksum = property(lambda self: self.name)


def keys_of(name, profile):
    """Of the networks, of what is done to them, and of patterns and architectures that are measured without any."""
    study = load_study(name, profile)
    study = study.only("seed", range(5)) if name in MORE_SEEDS else study
    work = work_of(study, {name: Named.of(name) for name in study.axis("dataset")})
    trainings, treatments = ({work.keys[node] for node in nodes} for nodes in (work.trainings, work.treatments))
    return digest(trainings), digest(treatments), digest(work.light)


@pytest.mark.parametrize(("name", "profile"), list(kinds()))
def test_the_keys_of_a_shipped_study_are_those_that_results_are_stored_under(name, profile):
    assert keys_of(name, profile) == FROZEN[name, profile]


LETTERS = {"reproduced": "r", "not reproduced": "n", "undecided": "u", "not tested": "-"}

# by folder and claim: the outcome, and that of each of its parts
OUTCOMES = {
    "cifar10": {
        1: ("not tested as published", "-----u-u"),
        2: ("not tested as published", "-----r--"),
        3: ("not tested as published", "---r"),
    },
    "deletion": {
        10: ("reproduced where tested", "rrurrrnr--rrnrrrur"),
    },
    "one-dimension": {
        13: ("not tested as published", "-u-n-n-nunnnunnn"),
        14: ("not tested as published", "-r-rrrrr"),
        15: ("not tested as published", "-rrrrrr"),
        16: ("not tested as published", "-r-rrrrr"),
    },
    "privacy": {
        1: ("not tested as published", "------rrrrr"),
        2: ("not tested as published", "------rr-"),
        3: ("not tested as published", "---rrrur"),
        5: ("not tested as published", "---------u"),
        7: ("not tested as published", "---u"),
        11: ("not tested as published", "------rururrrr"),
        12: ("not tested as published", "---rnun"),
    },
    "rare-spurious": {
        1: ("reproduced where tested", "rrrr--ur"),
        2: ("undecided", "rr-rr---rru"),
        3: ("reproduced where tested", "r-r--ur"),
        4: ("reproduced where tested", "r-r--"),
        5: ("not tested as published", "---------urr"),
        6: ("reproduced", "rr"),
        7: ("not tested as published", "---r"),
        8: ("undecided", "ruurnu---"),
        9: ("undecided", "rrur"),
        11: ("undecided", "--rnrururn--"),
    },
    "signals": {
        20: ("not tested as published", "-u-u"),
    },
    "tables": {
        17: ("reproduced", "rr"),
        18: ("undecided", "ur"),
    },
    "words": {
        19: ("not tested as published", "-nn-ur-ur"),
    },
}


@pytest.mark.parametrize("folder", OUTCOMES)
def test_the_committed_results_are_read_and_bear_the_same_verdicts(folder):
    verdicts = decide(together(results_in(RESULTS / folder)))
    outcomes = {
        answer.claim.number: (answer.outcome, "".join(LETTERS.get(part.outcome, "?") for part in answer.parts))
        for answer in verdicts
    }
    assert {number: outcome for number, outcome in outcomes.items() if number in OUTCOMES[folder]} == OUTCOMES[folder]
    assert {outcomes[number][0] for number in outcomes.keys() - OUTCOMES[folder].keys()} <= {"not tested"}


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("folder", ["cifar10", "deletion", "one-dimension", "privacy", "rare-spurious"])
def test_of_the_committed_results_nothing_is_to_be_measured_again(folder, full_dataset, tmp_path):
    """Weights are not committed, so a study that keeps them would train its networks for them; their rows are there."""
    copy = shutil.copytree(RESULTS / folder, tmp_path / folder)
    for result in results_in(copy):
        study = result.study
        planned = plan(study, copy, workers=0, load=full_dataset, calibrate=False)
        assert planned.treatments_to_do == 0
        assert planned.to_do == (planned.trainings if study.keeps_weights else 0)
        assert planned.to_measure == 0
        work = work_of(study, {name: full_dataset(name) for name in study.axis("dataset")})
        with Store(copy, read_only=True) as store:
            light = {key: requests for key, (_, requests) in work.light.items()}
            assert store.missing(work.wanted | light) == set()
