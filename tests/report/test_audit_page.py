"""An audit in sentences and on its page: made-up findings of which each number is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spurlab.audit import Audit, Fit, Pull, Repaired, Served, Suspect
from spurlab.data import Dataset, Examples, Source
from spurlab.deletion import VerdictOnOne
from spurlab.models.answering import Answering
from spurlab.patterns import box
from spurlab.report import audit_words, write_audit
from spurlab.stats import Share

NAMES = ("cat", "dog & <b>owl</b>")
EXAMPLES = Examples(
    torch.rand(4, 1, 6, 6), torch.tensor([0, 1, 0, 1]), sources=np.array(["a.png", "<i>b.png", "c.png", "d.png"])
)
DATA = Dataset("toy", EXAMPLES, EXAMPLES, NAMES, (0.0, 1.0), Source("", "", ""))
MARK = box((6, 6), (2, 2), 0, 0, 1.0)
NULLS = torch.linspace(0, 0.06, 99, dtype=torch.float64)
PULL = Pull("box", 1, torch.tensor([0.0, 0.7], dtype=torch.float64), Share(350, 500), NULLS, 0.01)
SUSPECTS = (
    Suspect(1, "<i>b.png", NAMES[1], 1, 0.99, "presence", "box", carries=True),
    Suspect(0, "a.png", NAMES[0], 2, 0.01, "presence", "box", carries=False),
    Suspect(2, "c.png", NAMES[0], 1, 31.0, "transplant"),
)
SERVED = (Served(NAMES[1], "class", Share(30, 50), (1, 3)), Served("cat", "class", Share(45, 50), ()))
FOUND = Audit(
    *(DATA, Answering(nn.Identity(), "logits"), Fit(Share(75, 100), ("classes look odd",))),
    *({"box": MARK}, (PULL,), SUSPECTS, SERVED),
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "66 % to 74 %); none of 99 marks like it pulls more than 6.0 % (p = 0.010)."),
        ({"p": 0.2}, ", no more than marks like it: 0 of 99 pull as many (p = 0.200)."),
        ({"nulls": NULLS + 0.65, "p": 0.03}, ", hardly more than marks like it: 17 of 99 pull as many (p = 0.030), but "
                                             "the difference to nearly all of them is no more than 0.05."),
        ({"nulls": NULLS[:0], "p": math.nan}, "no mark like it can be drawn, of which 19 are needed to tell whether "
                                              "that is more. With --recipe, reference networks tell it."),
        ({"against": "reference networks"}, "; in none of 99 reference networks, which never saw it, it pulls more "
                                            "than 6.0 % (p = 0.010)."),
        ({"against": "reference networks", "p": 0.2}, ", no more than reference networks: it pulls as many in 0 of 99 "
                                                      "(p = 0.200)."),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mark(changes, words):
    said = audit_words.of_mark(replace(PULL, target=0, scores=torch.tensor([0.7, 0.0]).double(), **changes), NAMES)
    assert said.startswith("The mark box pulls 70 % of the test images to cat (95 %: 66 % to 74 %)")
    assert said.endswith(words)


def test_the_answer_in_three_sentences():
    first, second, third = audit_words.brief(FOUND)
    assert first.startswith("The mark box pulls 70 %")
    assert second == (
        "1 training image carries box; without a mark to look for, c.png (cat) is the first of the list by transplant."
    )
    assert third.startswith(
        f"The class {NAMES[1]} is served worst: 30 of 50 test examples are classified rightly (60 %"
    )
    before, after = {"spurious_score": 0.7, "accuracy": 0.75}, {"spurious_score": 0.1, "accuracy": 0.74}
    verdict = VerdictOnOne("no leftover seen", "score 0.1", 0.5, 39)
    repair = Repaired("scrub", verdict, before, after, {"accuracy": torch.ones(39)}, nn.Identity())
    failed = Repaired("newton", VerdictOnOne("failed", "ValueError: no"), before, {}, {}, None, why="ValueError: no")
    *_, third = audit_words.brief(replace(FOUND, repairs=(repair, failed), forgotten=(1,)))
    assert third == (
        "Of 2 methods that forget 1 training image scrub leaves least: score 0.70 before, 0.10 after; accuracy 0.750 "
        "before, 0.740 after; beside 39 oracles: no leftover seen."
    )
    *_, third = audit_words.brief(replace(FOUND, repairs=(failed,), forgotten=(1,)))
    assert third == "No method could repair it."
    nothing = replace(FOUND, marks=(), suspects=SUSPECTS[2:])
    assert audit_words.brief(nothing)[0] == "No mark was named, so none was tried."


def test_names_of_files_and_classes_are_text_on_the_page(tmp_path):
    page = write_audit(FOUND, tmp_path, "spurlab audit --data '<x>'").read_text()
    assert "<i>b.png" not in page
    assert "<b>owl</b>" not in page
    assert "&lt;i&gt;b.png" in page
    assert "classes look odd" in page
    assert "spurlab audit --data &#39;&lt;x&gt;&#39;" in page
    assert page.count('src="data:image/png;base64,') == 2 * 6 + 3 + 2  # marks above and below, suspects, wrong ones


def test_the_record_is_what_the_command_prints():
    record = FOUND.record()
    assert (record["accuracy"], record["warnings"]) == (0.75, ["classes look odd"])
    (mark,) = record["marks"]
    assert (mark["class"], mark["score"], mark["null_draws"]) == (NAMES[1], pytest.approx(0.7), 99)
    assert (mark["p_value"], mark["verdict"]) == (0.01, "goes by it")
    assert [one["worst"] for one in record["groups"]] == [["<i>b.png", "d.png"], []]
    assert record["repair"] == []
