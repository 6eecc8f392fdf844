"""Words put into documents, against lists of words; their places, other words as common, and every wrong setting."""

import string

import pytest
import torch

from spurlab.audit.detect.values import RareValue
from spurlab.data import Examples, Vocabulary, tokens
from spurlab.patterns import Mark, Phrase, make_named, mark_named, marked_all, own_mark
from spurlab.seeds import rng_for

LENGTH = 7
WORDS = Vocabulary.of([[f"w{i:02}"] * (40 - i) for i in range(30)])


def documents(n=40, full=False, seed=0):
    rng = rng_for(seed, "test")
    inputs = torch.randint(2, 32, (n, LENGTH), generator=rng)
    lengths = torch.full((n, 1), LENGTH) if full else torch.randint(0, LENGTH + 1, (n, 1), generator=rng)
    return inputs * (torch.arange(LENGTH) < lengths)


def by_hand(row, phrase, how, at, draws):
    """Of one document: a list without its padding, changed once for each draw, cut at the end."""
    words = [number for number in row if number]
    for share in draws:
        last = len(words) if how == "insert" else max(len(words) - len(phrase), 0)
        last = min(last, LENGTH - len(phrase))  # the phrase is always whole
        first = {"start": 0, "end": last, "random": min(int(share * (last + 1)), last)}[at]
        words[first : first + (0 if how == "insert" else len(phrase))] = phrase
        words = words[:LENGTH]
    return words + [0] * (LENGTH - len(words))


CASES = [
    (how, at, times, size)
    for how in ("insert", "replace")
    for at in ("start", "random", "end")
    for times in (1, 3)
    for size in (1, 3)
    if how == "insert" or at == "random" or times == 1
]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("how", "at", "times", "size"), CASES)
def test_a_phrase_stands_where_it_stands_in_a_list(how, at, times, size, full):
    phrase = tuple(range(33, 33 + size))
    mark = Phrase("made", phrase, WORDS, times=times, at=at, how=how, seed=4)
    inputs = documents(full=full)
    before = inputs.clone()
    draws = torch.rand(len(inputs), times, generator=rng_for(4, "places"), dtype=torch.float64).tolist()
    wanted = [by_hand(row, list(phrase), how, at, each) for row, each in zip(inputs.tolist(), draws, strict=True)]
    assert mark(inputs).tolist() == wanted
    assert torch.equal(inputs, before), "what it is given stays"
    assert isinstance(mark, Mark)


def test_places_go_by_the_row_and_the_seed_and_not_by_the_choice_of_rows():
    data = Examples(documents(), torch.zeros(40, dtype=torch.int64), words=len(WORDS))
    mark = Phrase("made", (40,), WORDS)
    rows = torch.tensor([31, 4, 17])
    every = mark.apply(data, torch.arange(40), seed=9)
    assert torch.equal(mark.apply(data, rows, seed=9), every[rows])
    assert not torch.equal(mark.apply(data, torch.arange(40), seed=10), every)
    assert torch.equal(marked_all(mark, data, 3), mark(data.inputs))


def test_random_places_are_uniform():
    """Of five words a word can be put at six places, alike: Pearson's statistic of 6,000 is chi-squared with 5 degrees
    of freedom, above 22.1 in one seed of 2,000; ours is fixed."""
    inputs = torch.tensor([[2, 3, 4, 5, 6, 0, 0]]).expand(6_000, -1)
    places = (Phrase("made", (40,), WORDS, seed=1)(inputs) == 40).nonzero()[:, 1]
    counts = places.bincount(minlength=7).double()
    assert counts[6] == 0
    assert ((counts[:6] - 1_000).square() / 1_000).sum() < 22.1


def test_redrawn_words_are_as_common_and_differ():
    rare, common = WORDS.number("w29"), WORDS.number("w00")
    mark = Phrase("made", (common, rare, WORDS.number("new-2")), WORDS, times=2, at="end")
    seen = set()
    for seed in range(30):
        drawn = mark.redraw(seed)
        assert (drawn.times, drawn.at, drawn.how, drawn.seed) == (2, "end", "insert", seed)
        assert all(new in WORDS.as_common(old) for new, old in zip(drawn.phrase, mark.phrase, strict=True))
        assert len(set(drawn.phrase)) == 3
        assert drawn.name == " ".join(WORDS.words[number] for number in drawn.phrase)
        assert mark.redraw(seed).phrase == drawn.phrase
        seen.add(drawn.phrase)
    assert len(seen) > 25


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"phrase": ()}, "needs words of the vocabulary, but has the numbers ()"),
        ({"phrase": (0,)}, "needs words of the vocabulary"),
        ({"phrase": (len(WORDS),)}, "needs words of the vocabulary"),
        ({"times": 0}, "is put in 1 to 100 times, not 0"),
        ({"times": 101}, "is put in 1 to 100 times, not 101"),
        ({"times": 2, "at": "end", "how": "replace"}, "has room once, not 2 times. Put it in by insert, or at random"),
    ],
)
def test_a_wrong_setting_is_a_sentence(settings, said):
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the words are held against it below
        Phrase(**{"name": "made", "phrase": (40,), "vocabulary": WORDS, **settings})
    assert said in str(error.value)


def test_documents_that_are_shorter_than_the_phrase_are_a_sentence():
    with pytest.raises(ValueError, match=r"the mark made is for documents, numbers of words n l with l from 3 on, but"):
        Phrase("made", (2, 3, 4), WORDS)(torch.zeros(2, 2, dtype=torch.int64))


SHAPE = (LENGTH, len(WORDS))


@pytest.mark.parametrize(
    ("asked", "phrase", "settings"),
    [
        ("token:w03", ("w03",), (1, "random", "insert")),
        ("token: W03  w04 ,times=3,at=end", ("w03", "w04"), (3, "end", "insert")),
        ("token:new-1 W02,how=replace", ("new-1", "w02"), (1, "random", "replace")),
        ("token:w02 new-12 <unknown>", ("w02", "new-12", "<unknown>"), (1, "random", "insert")),
        ({"token": "w05", "times": 2, "at": "start"}, ("w05",), (2, "start", "insert")),
    ],
)
def test_by_text_and_by_the_name_that_studies_keep(asked, phrase, settings):
    mark = own_mark(asked, SHAPE, 6, None, WORDS)
    kept = make_named(mark_named(asked), SHAPE, 6, None, WORDS)
    for one in (mark, kept):
        assert [WORDS.words[number] for number in one.phrase] == list(phrase)
        assert ((one.times, one.at, one.how), one.seed) == (settings, 6)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("token:", "names no word. An example is token:crude"),
        ("token:w99", "the word 'w99' is none of the 30"),
        ("token:w01,at=middle", "at is one of start, random, end, but it is 'middle'"),
        ("token:w01,how=append", "how is one of insert, replace"),
        ("token:w01,times=0", "times is a whole number from 1 on, but it is '0'"),
        ("token:w01,size=3", "has the setting 'size'"),
        ("S3", "is for images, but the inputs are documents.*token:WORD suit"),
        ("column:a=1", "is for rows of a table, but the inputs are documents"),
    ],
)
def test_a_text_that_is_no_mark_is_a_sentence(asked, said):
    with pytest.raises(ValueError, match=said):
        own_mark(asked, SHAPE, 0, None, WORDS)


def test_words_without_a_vocabulary_or_with_a_comma_are_a_sentence():
    with pytest.raises(ValueError, match="needs the words of the documents: give `names`"):
        own_mark("token:w01", SHAPE)
    with pytest.raises(ValueError, match="has a comma in its token where a study's name of a mark has its settings"):
        mark_named({"token": "w01,times=2"})
    with pytest.raises(ValueError, match="is for documents, but the inputs are of shape"):
        own_mark("token:w01", (1, 28, 28))


@pytest.mark.parametrize("sign", [*string.punctuation, ", \u2026", "w01 , w02", ", a = b"])
def test_every_sign_is_read_back_from_the_text_that_an_audit_advises(sign):
    """As text, as table and by the name that studies keep, also with settings after it."""
    words = Vocabulary.of([tokens(string.punctuation + "\u2026 a b w01 w02")])
    wanted = tuple(map(words.number, tokens(sign)))
    advised = RareValue(Phrase(sign, wanted, words), 0, 3, 3, 0.1, ()).asked
    for asked in (advised, {"token": sign}, mark_named(advised)):
        assert own_mark(asked, SHAPE, 0, None, words).phrase == wanted
    for asked in (f"{advised},times=2,at=end", mark_named({"token": sign, "times": 2, "at": "end"})):
        mark = own_mark(asked, SHAPE, 0, None, words)
        assert (mark.phrase, mark.times, mark.at) == (wanted, 2, "end")


@pytest.mark.parametrize("words", [("new-1",), ("new-1", "new-2"), ("new-1", "new-2", "new-3")])
@pytest.mark.parametrize("times", [1, 10, 50, 100])
@pytest.mark.parametrize("how", ["insert", "replace"])
@pytest.mark.parametrize("length", [6, 30, 60])
def test_documents_that_it_was_put_into_carry_it(words, times, how, length):
    """Short and full ones; those that it was not put into do not."""
    vocabulary = Vocabulary.of([[f"w{i}" for i in range(60)]])
    documents = vocabulary.encode([[f"w{i}" for i in range(length)]] * 40, 60)
    mark = Phrase("mark", tuple(map(vocabulary.number, words)), vocabulary, times=times, how=how)
    assert not bool(mark.carried(documents).any())
    assert float(mark.carried(mark(documents)).float().mean()) >= 0.9
