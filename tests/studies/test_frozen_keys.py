"""Keys are names by content that stored results are found by: those of all shipped studies are as they always were.

The digests were taken before the forms of a study's work became one (c14fab2). A new study or profile is a new line;
a line that changes means that stored results are made again.
"""

import hashlib
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from spurlab.claims import decide
from spurlab.studies import cells_of, load_study, results_in, shipped, together, trainings_of

RESULTS = Path(__file__).parents[2] / "docs" / "results"
FROZEN = {
    ("accuracy", "quick"): ((220, "db5620c6e7421504"), (0, "e3b0c44298fc1c14")),
    ("accuracy", "paper"): ((990, "f3759bdd1e92483c"), (0, "e3b0c44298fc1c14")),
    ("deletion", "quick"): ((110, "7f028fd3d01aaddf"), (1460, "7db5c8078dc13540")),
    ("deletion", "paper"): ((120, "3e59edbeb0717501"), (5200, "eb3d80c693ab6929")),
    ("fig2-cifar10", "quick"): ((35, "2d287dd647dfa71b"), (0, "e3b0c44298fc1c14")),
    ("fig2-cifar10", "paper"): ((425, "965900fb1ff487ca"), (0, "e3b0c44298fc1c14")),
    ("fig2-fashion", "quick"): ((215, "d4167936c77c6344"), (0, "e3b0c44298fc1c14")),
    ("fig2-fashion", "paper"): ((495, "b8651cb43fd09cb4"), (0, "e3b0c44298fc1c14")),
    ("fig2-mnist", "quick"): ((215, "96966197e4feadd9"), (0, "e3b0c44298fc1c14")),
    ("fig2-mnist", "paper"): ((495, "f6ef7d31cabba1f8"), (0, "e3b0c44298fc1c14")),
    ("fig3-cifar10", "quick"): ((18, "c498558f8df862f6"), (0, "e3b0c44298fc1c14")),
    ("fig3-cifar10", "paper"): ((260, "9c2f4d4dee214884"), (0, "e3b0c44298fc1c14")),
    ("fig3-fashion", "quick"): ((140, "4cd0ba7cf6dcbcf6"), (0, "e3b0c44298fc1c14")),
    ("fig3-fashion", "paper"): ((300, "4f6458b5580605fd"), (0, "e3b0c44298fc1c14")),
    ("fig3-mnist", "quick"): ((140, "91cf4cd27eb8edd1"), (0, "e3b0c44298fc1c14")),
    ("fig3-mnist", "paper"): ((300, "9119b98e990846f2"), (0, "e3b0c44298fc1c14")),
    ("fig4-sensitivity", "quick"): ((20, "937e75863bcd3e41"), (0, "e3b0c44298fc1c14")),
    ("fig4-sensitivity", "paper"): ((60, "8266d1d01c76d9e9"), (0, "e3b0c44298fc1c14")),
    ("fig5-weights", "quick"): ((20, "3e7e15ec439c8591"), (0, "e3b0c44298fc1c14")),
    ("fig5-weights", "paper"): ((20, "07fcdc88451e07f5"), (0, "e3b0c44298fc1c14")),
    ("fig6-deletion", "quick"): ((100, "b6c5729da5f6b45d"), (300, "9efafaf2ee47f1e0")),
    ("fig6-deletion", "paper"): ((150, "abbbb28450013c39"), (450, "935875e5b4be42a3")),
    ("fig7-optimizer", "quick"): ((100, "7d7798f06c559788"), (0, "e3b0c44298fc1c14")),
    ("fig7-optimizer", "paper"): ((100, "f1aee8500857dc53"), (0, "e3b0c44298fc1c14")),
    ("fig8-clipping", "quick"): ((150, "9a6df5362e8a6d19"), (0, "e3b0c44298fc1c14")),
    ("fig8-clipping", "paper"): ((150, "fa4fb8e3228de6af"), (0, "e3b0c44298fc1c14")),
    ("norm-correlation", "quick"): ((220, "db5620c6e7421504"), (0, "e3b0c44298fc1c14")),
    ("norm-correlation", "paper"): ((990, "f3759bdd1e92483c"), (0, "e3b0c44298fc1c14")),
    ("patterns", "quick"): ((10, "e0b8b6a528b817d1"), (0, "e3b0c44298fc1c14")),
    ("patterns", "paper"): ((15, "cee994c89506dd74"), (0, "e3b0c44298fc1c14")),
    ("prevention", "quick"): ((20, "e38a842e9563edbf"), (260, "385e2caba2977078")),
    ("prevention", "paper"): ((20, "cd7e1b1a6dc4a536"), (260, "f9339a357211cbab")),
    ("quickstart", "quick"): ((55, "0119cd1358a44d14"), (0, "e3b0c44298fc1c14")),
    ("quickstart", "paper"): ((55, "68dca30d6706e3ad"), (0, "e3b0c44298fc1c14")),
    ("quinn", "quick"): ((10, "947311a1ecd36b2c"), (30, "b384cb2b3c4632c3")),
    ("quinn", "paper"): ((20, "0c9fcb061a8730c2"), (80, "e0fd707e195bf1c3")),
    ("quinn-afr", "quick"): ((35, "80d857cdaac63aa5"), (260, "f8a5f318f21097cb")),
    ("quinn-afr", "paper"): ((35, "56fbfa67dc885534"), (260, "b5304e022fe87432")),
    ("quinn-clean-data", "quick"): ((10, "947311a1ecd36b2c"), (115, "0e4f64089195befd")),
    ("quinn-clean-data", "paper"): ((10, "094e5dde1d721308"), (115, "542848acdb447a73")),
    ("quinn-p", "quick"): ((55, "f5cb02e3712c4328"), (105, "c0de50f6b6b8acac")),
    ("quinn-p", "paper"): ((55, "da9b13158a2c884c"), (105, "94f9ecf6127774db")),
    ("regularization", "quick"): ((135, "0a011373165d9b31"), (0, "e3b0c44298fc1c14")),
    ("regularization", "paper"): ((1300, "0423bf5454420769"), (0, "e3b0c44298fc1c14")),
    ("table2", "quick"): ((8, "92737deda1345f39"), (0, "e3b0c44298fc1c14")),
    ("table2", "paper"): ((8, "92737deda1345f39"), (0, "e3b0c44298fc1c14")),
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


def keys_of(name, profile):
    """Of the networks and of what is done to them, each once; the checksum of a data set stands here for its name."""
    cells = cells_of(load_study(name, profile))
    trainings = {training.key(training.setting.dataset) for training in trainings_of(cells)}
    treatments = {each.treatment.key(each.setting.dataset) for each in cells if each.treatment is not None}
    return digest(trainings), digest(treatments)


@pytest.mark.parametrize(("name", "profile"), list(kinds()))
def test_the_keys_of_a_shipped_study_are_those_that_results_are_stored_under(name, profile):
    assert keys_of(name, profile) == FROZEN[name, profile]


# by folder and claim: the outcome, and that of each of its parts, by its first letter
OUTCOMES = {
    "deletion": {
        10: ("undecided", "rrurrrnruurrurrrur"),
    },
    "one-dimension": {
        13: ("not reproduced", "unnnunununuu"),
        14: ("reproduced", "rrrrrr"),
        15: ("reproduced", "rrrrrr"),
        16: ("reproduced", "rrrrrr"),
    },
    "rare-spurious": {
        1: ("undecided", "rrrruuur"),
        2: ("undecided", "rrurruuuu"),
        3: ("undecided", "ruruuur"),
        4: ("undecided", "ruruu"),
        5: ("undecided", "uuuuuuuuuurr"),
        6: ("reproduced", "rr"),
        7: ("undecided", "uuur"),
        8: ("undecided", "ruuruuuuu"),
        9: ("undecided", "ruur"),
        11: ("undecided", "uururururuuu"),
    },
}


@pytest.mark.parametrize("folder", OUTCOMES)
def test_the_committed_results_are_read_and_bear_the_same_verdicts(folder):
    verdicts = decide(together(results_in(RESULTS / folder)))
    found = {each.claim.number: (each.outcome, "".join(part.outcome[0] for part in each.parts)) for each in verdicts}
    assert {number: verdict for number, verdict in found.items() if number in OUTCOMES[folder]} == OUTCOMES[folder]
    assert {found[number][0] for number in found.keys() - OUTCOMES[folder].keys()} <= {"undecided"}
