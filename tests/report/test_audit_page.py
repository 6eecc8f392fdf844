"""An audit in sentences and on its page: made-up findings of which each number is known."""

import base64
import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from spurlab.audit import Audit, Fit, Pull, Repaired, Served, Suspect, Unknown
from spurlab.data import Dataset, Examples, Source
from spurlab.deletion import VerdictOnOne
from spurlab.models.answering import Answering
from spurlab.patterns import box
from spurlab.report import audit_page, audit_words, write_audit
from spurlab.seeds import rng_for
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


SPREAD = " of the largest score over all classes, each by its spread)."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "66 % to 74 %); none of 99 marks like it pulls more than 6.0 % (p = 0.010)."),
        ({"p": 0.2}, ", which is not shown to exceed marks like it: 0 of 99 pull as many (p = 0.200" + SPREAD),
        ({"nulls": NULLS + 0.65, "p": 0.03}, ", hardly more than marks like it: 17 of 99 pull as many (p = 0.030), but "
                                             "the difference to nearly all of them is no more than 0.05."),
        ({"nulls": NULLS[:0], "p": math.nan}, "no mark like it can be drawn, of which 19 are needed to tell whether "
                                              "that is more. With --recipe, reference networks tell it."),
        ({"against": "reference networks"}, "; in none of 99 reference networks, which never saw it, it pulls more "
                                            "than 6.0 % (p = 0.010)."),
        ({"against": "reference networks", "p": 0.2}, ", which is not shown to exceed reference networks: it "
                                                      "pulls as many in 0 of 99 (p = 0.200" + SPREAD),
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
        "Of 2 methods that forget 1 training image scrub does best: score 0.70 before, 0.10 after; accuracy 0.750 "
        "before, 0.740 after; beside 39 oracles: no leftover seen."
    )
    *_, third = audit_words.brief(replace(FOUND, repairs=(failed,), forgotten=(1,)))
    assert third == "No method could repair it."
    nothing = replace(FOUND, marks=(), suspects=SUSPECTS[2:])
    assert audit_words.brief(nothing)[0] == "No mark was named, so none was tried."


SHOWN, NONE = torch.rand(1, 6, 6), torch.empty(0)
SHARED = Unknown("shared component", 1, 2.0, 0.6, 0.025, SHOWN, NONE, (1, 3, 0, 2), (3,), 11.04, 0.3)
PATTERN = Unknown("least pattern", 0, 3.456, 0.9, math.nan, SHOWN, NONE, (0,))
MASK = Unknown("least mask", 1, 12.3, 0.91, 0.6, SHOWN, SHOWN, (1,))


@pytest.mark.parametrize(
    ("unknown", "words"),
    [
        (
            SHARED,
            "By the data: 4 examples of NAME share what the others lack, the weakest 11.0 standard deviations beyond "
            "the strongest of the others: <i>b.png, d.png, a.png, c.png. 1 of them is near-identical to another. "
            "With it 60 % of the test images of other classes are classified as NAME (p = 0.025 among reference "
            "networks, which never saw it). False alarms: ",
        ),
        (
            replace(SHARED, gap=2.0),
            "By the data: no few examples of a class clearly share what the others lack; the widest gap is that of 4 "
            "of NAME, the weakest 2.0 standard deviations beyond the strongest of the others, where 10 would be "
            "unusual. False alarms: ",
        ),
        (
            PATTERN,
            "By the network (least pattern): an l2 norm of 3.46 pulls 90 % of others to cat; not calibrated: with "
            "--recipe, reference networks tell whether that is little.",
        ),
        (
            MASK,
            "By the network (least mask): an l1 norm of 12.3 pulls 91 % of others to NAME, no less than references "
            "need (p = 0.600). False alarms: ",
        ),
        (
            replace(MASK, norm=math.inf),
            "By the network (least mask): nothing was found that pulls most images to any class.",
        ),
    ],
)
def test_what_is_said_of_an_unknown_mark(unknown, words):
    assert audit_words.of_unknown(unknown, FOUND).startswith(words.replace("NAME", NAMES[1]))


def test_unknown_marks_stand_on_the_page_and_in_the_record(tmp_path):
    """Each with two pictures more than it has examples; what is unusual also stands first."""
    found = replace(FOUND, unknown=(SHARED, PATTERN, MASK))
    assert audit_words.brief(found)[1].startswith("By the data: 4 examples of dog")
    assert len(audit_words.brief(replace(FOUND, unknown=(PATTERN, MASK)))) == 3
    page = write_audit(found, tmp_path).read_text()
    assert page.count('src="data:image/png;base64,') == 2 * 6 + 3 + 2 + (2 + 4) + (2 + 1) + (2 + 1)
    shared, pattern, mask = found.record()["unknown"]
    assert (shared["class"], shared["p_value"], shared["near_identical"]) == (NAMES[1], 0.025, ["d.png"])
    assert (pattern["p_value"], pattern["gap"], pattern["norm"]) == (None, None, 3.456)
    assert mask["examples"] == ["<i>b.png"]
    assert 0 <= mask["false_alarm_rate"] <= mask["false_alarm_interval"][1] < 1


def test_photos_are_embedded_in_the_size_in_which_they_are_shown():
    shown = audit_page._picture(torch.rand(3, 400, 300, generator=rng_for(0, "photo")), "a.jpg")
    content = base64.b64decode(shown["address"].partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (126, 168)


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
