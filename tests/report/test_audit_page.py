"""An audit in sentences and on its page: made-up findings of which each number is known."""

import base64
import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

from spurlab.audit import Audit, CheckOnOne, Fit, Look, Pull, Repaired, Served, Suspect, Unknown, words
from spurlab.audit.unknown import ALARMS
from spurlab.data import Dataset, Examples, Source
from spurlab.deletion import VerdictOnOne
from spurlab.models.answering import Answering
from spurlab.patterns import box
from spurlab.report import audit_page, write_audit
from spurlab.seeds import rng_for
from spurlab.stats import Share

NAMES = ("cat", "dog & <b>owl</b>")
EXAMPLES = Examples(
    torch.rand(4, 1, 6, 6, generator=rng_for(0, "page")),
    torch.tensor([0, 1, 0, 1]),
    sources=np.array(["a.png", "<i>b.png", "c.png", "d.png"]),
)
DATA = Dataset("toy", EXAMPLES, EXAMPLES, NAMES, (0.0, 1.0), Source("", "", ""))
MARK = box((6, 6), (2, 2), 0, 0, 1.0)
NULLS = torch.linspace(0, 0.06, 99, dtype=torch.float64)
PULL = Pull("box", 1, torch.tensor([0.0, 0.7]).double(), Share(350, 500), NULLS, NULLS >= 0, 0.01, 99)
NETWORK = nn.Sequential(nn.Flatten(), nn.Linear(36, 2, bias=False))
nn.init.zeros_(NETWORK[1].weight)
SUSPECTS = (
    Suspect(1, "<i>b.png", NAMES[1], 1, 0.99, "presence", "box", carries=True),
    Suspect(0, "a.png", NAMES[0], 2, 0.01, "presence", "box", carries=False),
    Suspect(2, "c.png", NAMES[0], 1, 31.0, "transplant"),
)
SERVED = (Served(NAMES[1], "class", Share(30, 50), (1, 3)), Served("cat", "class", Share(45, 50), ()))
FOUND = Audit(
    *(DATA, Answering(NETWORK, "logits"), Fit(Share(75, 100), ("classes look odd",))),
    *({"box": MARK}, (PULL,), SUSPECTS, SERVED),
)


SPREAD = " over all classes)."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "66 % to 74 %); none of 99 marks like it pulls more than 6.0 % (p = 0.010)."),
        ({"p": 0.03, "p_alone": 0.01}, "pulls more than 6.0 % (p = 0.030, alone 0.010)."),
        ({"p": 0.2}, ", which is not shown to exceed marks like it: 0 of 99 pull as many (p = 0.200" + SPREAD),
        ({"nulls": NULLS + 0.65, "p": 0.03}, ", hardly more than marks like it: 17 of 99 pull as many (p = 0.030), but "
                                             "the difference to nearly all of them is no more than 0.05."),
        ({"apart": NULLS < 0.05}, "none of 82 marks like it elsewhere pulls more than 5.0 % (p = 0.010); p is among "
                                  "these and 17 that overlap it."),
        ({"nulls": NULLS[:0], "apart": NULLS[:0] > 0, "p": math.nan}, "no mark like it that changes them alike can "
            "be drawn, of which 19 are needed to tell whether that is more. With --recipe, 19 reference networks or "
            "more tell it."),
        ({"nulls": NULLS[:30], "apart": NULLS[:30] > 0, "p": math.nan, "needed": 39},
            "only 30 marks like it that change them alike can be drawn, of which 39 are needed to tell whether that is "
            "more where so much is asked at once. With --recipe, 39 reference networks or more tell it."),
        ({"against": "reference networks"}, "; in none of 99 reference networks, which never saw it, it pulls more "
                                            "than 6.0 % (p = 0.010)."),
        ({"against": "reference networks", "p": 0.2}, ", which is not shown to exceed reference networks: it "
                                                      "pulls as many in 0 of 99 (p = 0.200" + SPREAD),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mark(changes, said):
    sentence = words.of_mark(replace(PULL, target=0, scores=torch.tensor([0.7, 0.0]).double(), **changes), DATA)
    assert sentence.startswith("The mark box pulls 70 % of the test images to cat (95 %: 66 % to 74 %)")
    assert sentence.endswith(said)


def test_a_mark_that_pulls_none_is_said_to():
    """Also where it is least unusual for a class that it pulls none to."""
    none = replace(PULL, scores=torch.zeros(2).double(), share=Share(0, 500), p=1.0)
    assert words.of_mark(none, DATA) == (
        "The mark box pulls none of 500 test images to any class (95 %: at most 0.7 % to one)."
    )
    few = replace(none, scores=torch.tensor([0.02, 0.0]).double())
    assert words.of_mark(few, DATA) == (
        "The mark box pulls 2.0 % of the test images to cat (95 %: 1.0 % to 3.6 %), which is not shown to exceed marks "
        "like it (p = 1.000 over all classes)."
    )


NUMBERS = (
    {"spurious_score": 0.7, "largest_score": 0.7, "accuracy": 0.75},
    {"spurious_score": 0.1, "largest_score": 0.1, "accuracy": 0.74},
)


def test_the_answer_in_three_sentences():
    first, second, third = FOUND.brief
    assert first.startswith("The mark box pulls 70 %")
    assert second == (
        "1 training image carries box; without a mark to look for, c.png (cat) is the first of the list by transplants."
    )
    ends = stats.binomtest(30, 50).proportion_ci(0.975, "exact")  # 95 % for both classes together
    assert third == (
        f"The class {NAMES[1]} is served worst: 30 of 50 test images are classified rightly, 60 % (95 % for the worst "
        f"of 2: {100 * ends.low:.0f} % to {100 * ends.high:.0f} %); over all it is 75 %."
    )
    before, after = NUMBERS
    verdict = VerdictOnOne("no leftover seen", "score 0.1", 0.5, 39)
    repair = Repaired("scrub", verdict, before, after, {"accuracy": torch.ones(39)}, nn.Identity())
    failed = Repaired("newton", VerdictOnOne("failed", "ValueError: no"), before, {}, {}, None, why="ValueError: no")
    *_, third = replace(FOUND, repairs=(repair, failed), forgotten=(1,)).brief
    assert third == (
        "Of 2 methods that forget 1 training image scrub does best: score 0.70 before, 0.10 after; accuracy 0.750 "
        "before, 0.740 after; beside 39 oracles: no leftover seen."
    )
    elsewhere = replace(repair, after=after | {"largest_score": 0.46})
    *_, third = replace(FOUND, repairs=(elsewhere, failed), forgotten=(1,)).brief
    assert "accuracy 0.750 before, 0.740 after, but 0.46 to another class; beside" in third
    nothing = replace(repair, verdict=replace(verdict, name="nothing to forget"))
    *_, third = replace(FOUND, repairs=(nothing,), forgotten=(1,)).brief
    assert third.endswith("one goes by the mark about as much. No weights are written.")
    *_, third = replace(FOUND, repairs=(failed,), forgotten=(1,)).brief
    assert third == "No method could repair it."
    nothing = replace(FOUND, marks=(), suspects=SUSPECTS[2:])
    assert nothing.brief[0] == "No mark was named, so none was tried."


SHOWN, NONE = torch.rand(1, 6, 6, generator=rng_for(0, "shown")), torch.empty(0)
SHARED = Unknown("shared component", 1, 2.0, 0.6, 0.025, SHOWN, NONE, (1, 3, 0, 2), (3,), 11.04, 0.3)
PATTERN = Unknown("least pattern", 0, 3.456, 0.9, math.nan, SHOWN, NONE, (0,))
MASK = Unknown("least mask", 1, 12.3, 0.91, 0.6, SHOWN, SHOWN, (1,))


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        (
            SHARED,
            "By the data: 4 images of NAME share what the others lack, the weakest 11.0 standard deviations beyond "
            "the strongest of the others: <i>b.png, d.png, a.png, c.png. 1 of them is near-identical to another. "
            "With it 60 % of the test images of other classes are classified as NAME (p = 0.025 among reference "
            "networks, which never saw it). False alarms: ",
        ),
        (
            replace(SHARED, gap=2.0),
            "By the data: no small group of images of a class clearly shares what its others lack; the widest gap "
            "is of 4 of NAME, the weakest 2.0 standard deviations beyond the strongest of the others, where 10 would "
            "be unusual. False alarms: ",
        ),
        (
            PATTERN,
            "By the network (least pattern): an l2 norm of 3.46 pulls 90 % of the other test images to cat; not "
            "calibrated: with --recipe, reference networks tell whether that is little.",
        ),
        (
            MASK,
            "By the network (least mask): an l1 norm of 12.3 pulls 91 % of the other test images to NAME, no less than "
            "references need (p = 0.600). False alarms: ",
        ),
        (
            replace(MASK, norm=math.inf),
            "By the network (least mask): nothing was found that pulls most images to any class.",
        ),
    ],
)
def test_what_is_said_of_an_unknown_mark(unknown, said):
    assert words.of_unknown(unknown, DATA).startswith(said.replace("NAME", NAMES[1]))


def test_unknown_marks_stand_on_the_page_and_in_the_record(tmp_path):
    """Each with two pictures more than it has examples; what is unusual also stands first."""
    found = replace(FOUND, unknown=(SHARED, PATTERN, MASK))
    assert found.brief[1].startswith("Without a mark to look for, 4 images of dog")
    assert len(replace(FOUND, unknown=(PATTERN, MASK)).brief) == 3
    page = write_audit(found, tmp_path).read_text()
    assert page.count('src="data:image/png;base64,') == 2 * 6 + 3 + 2 + (2 + 4) + (2 + 1) + (2 + 1)
    shared, pattern, mask = found.record()["unknown"]
    assert (shared["class"], shared["p_value"], shared["near_identical"]) == (NAMES[1], 0.025, ["d.png"])
    assert (pattern["p_value"], pattern["gap"], pattern["norm"]) == (None, None, 3.456)
    assert mask["examples"] == ["<i>b.png"]
    assert pattern["false_alarms"] is None, "not calibrated: it said nothing"
    for one, (count, of, on) in ((shared, ALARMS["shared component"]), (mask, ALARMS["least mask"])):
        assert one["false_alarms"] == {"count": count, "of": of, "on": on}
        assert f"False alarms: {count} of {of} {on}." in page


def test_the_first_screen_has_pictures_without_a_mark(tmp_path):
    """Of an odd find: the component, a test image with it, and the images that share it; else those served worst."""
    for unknown, captions in (
        ((SHARED,), ["what is added", "a test image with it"]),
        ((PATTERN,), ["&lt;i&gt;b.png", "d.png"]),
    ):
        page = write_audit(replace(FOUND, marks=(), suspects=(), unknown=unknown), tmp_path).read_text()
        first = page[page.index("<main") : page.index("</section>")]
        assert re.findall("<figcaption>(.*?)</figcaption>", first)[:2] == captions


def test_photos_are_embedded_in_the_size_in_which_they_are_shown():
    shown = audit_page._picture(torch.rand(3, 400, 300, generator=rng_for(0, "photo")), "a.jpg", FOUND.data)
    content = base64.b64decode(shown["address"].partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (126, 168)


def test_the_pictures_of_a_mark_are_of_images_that_it_pulls(tmp_path):
    """A network that knows the corner: it pulls the darker of two images, and the other is its class already."""
    knows = nn.Sequential(nn.Flatten(), nn.Linear(36, 2, bias=False))
    corner = torch.zeros(2, 1, 6, 6)
    corner[1, :, :2, :2] = 10.0
    with torch.no_grad():
        knows[1].weight.copy_(corner.flatten(1))
    test = Examples(torch.stack([MARK(torch.zeros(1, 1, 6, 6))[0], torch.zeros(1, 6, 6)]), torch.tensor([1, 0]),
                    sources=np.array(["there.png", "pulled.png"]))  # fmt: skip
    found = replace(FOUND, data=replace(DATA, test=test), network=Answering(knows, "logits"),
                    served=(Served("cat", "class", Share(45, 50), ()),))  # fmt: skip
    page = write_audit(found, tmp_path).read_text()
    first = page[page.index("<main") : page.index("</section>")]
    assert re.findall("<figcaption>(.*?)</figcaption>", first) == [
        "pulled.png, clean: cat", "pulled.png, marked: dog &amp; &lt;b&gt;owl&lt;/b&gt;",
    ]  # fmt: skip


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


def test_what_was_left_out_is_said(tmp_path):
    """In the terminal and on the page; where both were done nothing is."""
    by_data, by_network = "no class has enough examples to tell", "not searched for (--quick)"
    for unknown, missing in (
        ((), {by_data, by_network}),
        ((SHARED,), {by_network}),
        ((MASK, PATTERN), {by_data}),
        ((SHARED, MASK, PATTERN), set()),
    ):
        found = replace(FOUND, unknown=unknown)
        for text in (str(found), write_audit(found, tmp_path).read_text()):
            assert {each for each in (by_data, by_network) if each in text} == missing


VERDICT = VerdictOnOne("no leftover seen", "score 0.1", 0.5, 39)
REPAIR = Repaired("scrub", VERDICT, *NUMBERS, {"accuracy": torch.ones(39)}, nn.Linear(1000, 1000))
LOOK = Look("box", 0.35, 0.1, 0.11, EXAMPLES.inputs[:2], EXAMPLES.inputs[:2], ("a.png", "c.png"))


def test_findings_are_printed_in_sentences():
    """What the command prints, without a tensor; each finding by itself on one line."""
    found = replace(FOUND, unknown=(SHARED, PATTERN), looks=(LOOK,), repairs=(REPAIR,), forgotten=(1,))
    lines = str(found).splitlines()
    assert lines[:2] == [
        "accuracy 0.750 on 100 test images; the network gives logits",
        "LOOK AT THIS FIRST: classes look odd",
    ]
    assert lines[2] == words.of_mark(PULL, DATA)
    assert lines[3:5] == [words.of_unknown(one, DATA) for one in (SHARED, PATTERN)]
    (level,) = words.of_level(found.marks, found.unknown)
    assert level.startswith("Each p holds for all 2 questions together: ")
    assert words.of_level(found.marks, ()) == [], "of one question"
    assert lines[5:9] == [
        level,
        words.of_examples(SUSPECTS, DATA),
        words.of_served(SERVED, found.fit, DATA),
        found.brief[-1],
    ]
    assert str(found).count("one network") == 1
    assert repr(found) == "<Audit of toy: accuracy 0.750, 1 marks, 2 unknown, 3 suspects, 1 repairs>"
    assert repr(PULL) == (
        "<Pull of box: 0.700 [0.658, 0.740] to class 1, p = 0.01 beside 99 marks like it, goes by it>"
    )
    assert repr(REPAIR) == (
        "<Repaired by scrub: spurious_score 0.700 to 0.100, accuracy 0.750 to 0.740, no leftover seen>"
    )
    every = (found, PULL, *SUSPECTS, *SERVED, SHARED, PATTERN, MASK, REPAIR, LOOK)
    assert all("tensor" not in text and "Linear" not in text for one in every for text in (repr(one), str(one)))
    assert max(len(repr(one)) for one in every) < 200


@pytest.mark.parametrize(
    ("looked_up", "words_of_it"),
    [(True, "No training images carry box."), (False, "Which training images carry box cannot be told from what ")],
)
def test_a_mark_that_says_who_carries_it_is_carried_by_none(looked_up, words_of_it):
    alone = replace(SUSPECTS[0], score=0.0, carries=False, looked_up=looked_up)
    assert words.of_examples([alone], DATA).startswith(words_of_it)


def test_a_notebook_shows_the_findings(page):
    """Sentences, a table of marks, who is served worst, the examples that may teach a mark, and the repairs."""
    seen = page(replace(FOUND, repairs=(REPAIR,), forgotten=(1,)))
    assert "<i>b.png" in seen.text
    assert NAMES[1] in seen.words
    assert {"0.700 [0.658, 0.740]", "0.010", "goes by it", "given network", "scrub"} <= set(seen.words)
    assert len(seen.of("img")) == len(SUSPECTS)
    assert not page(replace(FOUND, suspects=())).of("img")
    checked = page(CheckOnOne(DATA, torch.tensor([True, False, False, False]), MARK, 1, (REPAIR,)))
    assert {"given network", "scrub"} <= set(checked.words)


def test_rows_of_numbers_are_no_images(tmp_path):
    """One word for what the data are, chosen by them; a page about rows has none about images."""
    rows = Examples(torch.rand(4, 3, generator=rng_for(0, "rows")), EXAMPLES.labels)
    data = Dataset("table", rows, rows, NAMES, None, Source("", "", ""))
    unknown = replace(SHARED, pattern=torch.zeros(3)), replace(MASK, pattern=torch.zeros(3), mask=torch.ones(3))
    look = replace(LOOK, inputs=rows.inputs[:2], maps=rows.inputs[:2])
    found = Audit(
        *(data, FOUND.network, FOUND.fit, {"flip": lambda inputs: inputs.flip(1)}, (replace(PULL, mark="flip"),)),
        *(SUSPECTS, SERVED, (look,), (REPAIR,), (1,)),
        unknown=unknown,
    )
    page = write_audit(found, tmp_path).read_text()
    for text in (str(found), page.partition("</style>")[2].replace("image-", "")):
        assert "rows" in text
        assert "image" not in text
    assert "image" in write_audit(replace(FOUND, looks=(LOOK,)), tmp_path).read_text()
