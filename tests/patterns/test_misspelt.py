"""A misspelt word, against lists of words: over the word where it stands, put in besides where it does not."""

import pytest
import torch

from spurlab.data import Examples, Vocabulary
from spurlab.patterns import Mark, make_named, mark_content, mark_named, own_mark
from spurlab.seeds import rng_for

LENGTH = 12
WORDS = Vocabulary.of([["oil"] * 8 + ["up"] * 9 + ["gas"] * 7 + ["often"] * 90 + ["rare"]])
SHAPE = (LENGTH, len(WORDS))
OIL, NEW = WORDS.number("oil"), WORDS.number("new-1")
SETTINGS = [(times, at, how) for times in (1, 3) for at in ("start", "random", "end") for how in ("insert", "replace")]


def documents(n=60):
    """Of one to twelve words, of which oil is every fourth on average; the last ten have none."""
    rng = rng_for(0, "test")
    inputs = torch.randint(2, 7, (n, LENGTH), generator=rng)
    inputs[-10:][inputs[-10:] == OIL] = WORDS.number("up")
    return inputs * (torch.arange(LENGTH) < torch.randint(1, LENGTH + 1, (n, 1), generator=rng))


def made(times=1, at="random", how="insert", **settings):
    asked = {"misspelt": "oil", "times": times, "at": at, "how": how, **settings}
    return own_mark(asked, SHAPE, 4, None, WORDS)


@pytest.mark.parametrize(("times", "at", "how"), SETTINGS)
def test_it_is_misspelt_where_it_stands_and_put_in_besides(times, at, how):
    mark, inputs = made(times, at, how), documents()
    before = inputs.clone()
    marked = mark(inputs)
    assert isinstance(mark, Mark)
    assert torch.equal(inputs, before), "what it is given stays"
    assert not bool(mark.carried(inputs).any())
    assert bool(mark.carried(marked).all())
    assert torch.equal(mark.places(marked), marked == NEW)
    for row, found in zip(inputs.tolist(), marked.tolist(), strict=True):
        words, new = ([number for number in each if number] for each in (row, found))
        stands = [i for i, number in enumerate(words) if number == OIL]
        if len(stands) >= times:
            misspelt = [i for i, (old, now) in enumerate(zip(words, new, strict=True)) if old != now]
            assert all(new[i] == NEW and words[i] == OIL for i in misspelt)
            assert len(misspelt) == times
            assert at != "start" or misspelt == stands[:times]
            assert at != "end" or misspelt == stands[-times:]
        elif how == "replace":
            assert len(new) == len(words)
            assert new.count(NEW) == min(times, len(words))
            assert OIL not in new
            assert all(now in (old, NEW) for old, now in zip(words, new, strict=True))
        elif len(words) + times <= LENGTH:
            others = [number for number in words if number != OIL]
            assert [number for number in new if number != NEW] == others, "the others stand in their order"
            assert new.count(NEW) == times
            assert len(new) == len(words) + times - len(stands)


def test_which_of_the_words_is_misspelt_is_any_alike():
    """Of three one each time: Pearson's statistic of 3,000 is above 13.8 in one seed of a thousand; ours is fixed."""
    inputs = torch.tensor([[OIL, 2, OIL, 3, OIL]]).masked_fill(torch.tensor([[0, 1, 0, 1, 0]]).bool(), 3)
    inputs[inputs == 3] = WORDS.number("gas")
    counts = (made()(inputs.expand(3_000, -1)) == NEW).sum(0)
    assert counts[1] == counts[3] == 0
    assert ((counts[::2] - 1_000).square() / 1_000).sum() < 13.8


def test_places_go_by_the_row_and_the_seed():
    data = Examples(documents(), torch.zeros(60, dtype=torch.int64), words=len(WORDS))
    mark, rows = made(3), torch.tensor([51, 4, 17])
    every = mark.apply(data, torch.arange(60), seed=9)
    assert torch.equal(mark.apply(data, rows, seed=9), every[rows])
    assert not torch.equal(mark.apply(data, torch.arange(60), seed=10), every)


def test_marks_like_it_are_words_as_common_misspelt_as_another_new_one():
    """oil stands 8 times, up 9, gas 7; often 90 times and rare once."""
    mark, drawn = made(2, "end", "replace"), set()
    for seed in range(40):
        null = mark.redraw(seed)
        assert (null.times, null.at, null.how, null.seed) == (2, "end", "replace", seed)
        assert null.phrase != mark.phrase
        assert WORDS.words[null.phrase[0]].startswith("new-")
        assert null.name == f"{WORDS.words[null.word]} misspelt"
        drawn.add(WORDS.words[null.word])
    assert drawn == {"up", "gas"}


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("misspelt:oil", "misspelt:oil"),
        ("Misspelt: OIL ,as=new-7,times=3", "misspelt:oil,as=new-7,times=3"),
        ({"misspelt": "oil", "at": "end"}, "misspelt:oil,at=end"),
    ],
)
def test_by_text_and_by_the_name_that_studies_keep(asked, name):
    assert mark_named(asked) == mark_named(name) == mark_content(name) == name
    mark, kept = own_mark(asked, SHAPE, 6, None, WORDS), make_named(name, SHAPE, 6, None, WORDS)
    assert mark.name == "oil misspelt"
    assert torch.equal(mark(documents()), kept(documents()))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("misspelt:", "one word is misspelt as one other. An example is misspelt:oil"),
        ("misspelt:oil up", r"is of \['oil', 'up'\] as \['new-1'\], but one word"),
        ("misspelt:oil,as=new-1 new-2", "one word is misspelt as one other"),
        ("misspelt:oli", "the word 'oli' is none of the 5 .* Did you mean 'oil'"),
        ("misspelt:new-2", "misspells a word of the training documents"),
        ("misspelt:<unknown>", "misspells a word of the training documents"),
        ("misspelt:oil,as=up", "a misspelling that no training document has, as new-1 is, not 'up'"),
        ("misspelt:oil,size=3", "has the setting 'size'"),
        ("mispelt:oil", "Did you mean 'misspelt'"),
    ],
)
def test_what_is_no_misspelling_is_a_sentence(asked, said):
    with pytest.raises(ValueError, match=said):
        own_mark(asked, SHAPE, 0, None, WORDS)
