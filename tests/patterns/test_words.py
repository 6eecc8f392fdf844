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


CASES = [
    (how, at, times, size)
    for how in ("insert", "replace")
    for at in ("start", "random", "end")
    for times in (1, 3)
    for size in (1, 3)
]


def in_a_row(words, phrase, how, at, times):
    """Lists: so many phrases as fit before or after the words, or in the place of the first or the last of them."""
    room = LENGTH if how == "insert" else max(len(words), len(phrase))
    block = phrase * min(times, room // len(phrase))
    stay = LENGTH - len(block) if how == "insert" else len(words) - len(block)
    if at == "end":
        return words[: max(stay, 0)] + block
    return block + (words[:stay] if how == "insert" else words[len(block) :])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("how", "at", "times", "size"), CASES)
def test_a_phrase_stands_where_it_stands_in_a_list(how, at, times, size, full):
    phrase = tuple(range(33, 33 + size))
    mark = Phrase("made", phrase, WORDS, times=times, at=at, how=how, seed=4)
    inputs = documents(full=full)
    before = inputs.clone()
    marked = mark(inputs)
    assert torch.equal(inputs, before), "what it is given stays"
    assert isinstance(mark, Mark)
    for row, found in zip(inputs.tolist(), marked.tolist(), strict=True):
        words = [number for number in row if number]
        new = [number for number in found if number]
        assert found == new + [0] * (LENGTH - len(new)), "no padding between words"
        starts = [i for i in range(LENGTH) if tuple(found[i : i + size]) == phrase]
        if at != "random":
            assert new == in_a_row(words, list(phrase), how, at, times)
        elif how == "replace":
            assert len(starts) == max(1, min(times, len(words) // size)), "none on another"
            covered = {start + step for start in starts for step in range(size)}
            assert [word for i, word in enumerate(new) if i not in covered] == [
                word for i, word in enumerate(words) if i not in covered
            ]
            assert len(new) == max(len(words), size)
        else:
            others = [number for number in new if number not in phrase]
            assert others == words[: len(others)], "the words before it and behind it are in their order"
            if len(words) + times * size <= LENGTH:
                assert (others, len(starts)) == (words, times)
            whole = {start + step for start in starts for step in range(size)}
            cut = [i for i, number in enumerate(new) if number in phrase and i not in whole]
            assert cut == list(range(LENGTH - len(cut), LENGTH)), "none in another, but one may be cut at the end"
            assert starts


@pytest.mark.parametrize(
    ("how", "times", "size"),
    [("insert", 1, 1), ("insert", 1, 3), ("insert", 10, 1), ("replace", 1, 1), ("replace", 1, 3)],
)
def test_places_that_results_are_stored_for_stay(how, times, size):
    """One draw after the other, each a share of the places that there are."""
    phrase = list(range(33, 33 + size))
    inputs = documents()
    draws = torch.rand(len(inputs), times, generator=rng_for(4, "places"), dtype=torch.float64).tolist()
    mark = Phrase("made", tuple(phrase), WORDS, times=times, how=how, seed=4)
    for row, found, shares in zip(inputs.tolist(), mark(inputs).tolist(), draws, strict=True):
        words = [number for number in row if number]
        for share in shares:
            places = 1 + min(len(words) if how == "insert" else max(len(words) - size, 0), LENGTH - size)
            first = int(share * places)
            words[first : first + (0 if how == "insert" else size)] = phrase
            words = words[:LENGTH]
        assert found == words + [0] * (LENGTH - len(words))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("at", "how"), [("start", "insert"), ("end", "insert"), ("start", "replace"), ("end", "replace")]
)
def test_ten_words_at_an_end_stand_ten_times_in_full_documents_too(at, how, full):
    inputs = torch.tensor([[2] * (60 if full else 40) + [0] * (0 if full else 20)])
    found = Phrase("made", (40,), WORDS, times=10, at=at, how=how)(inputs)
    places = (found[0] == 40).nonzero().flatten().tolist()
    last = {"insert": 60 if full else 50, "replace": 60 if full else 40}[how]
    assert places == list(range(10) if at == "start" else range(last - 10, last))


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


ALIKE = {  # by counting: w00 to w29 stand 40, 39, ..., 11 times; others of half to twice as many are as common
    "w00": {f"w{i:02}" for i in range(1, 21)},  # 20 times and more
    "w10": {f"w{i:02}" for i in range(26)} - {"w10"},  # 30: 15 and more
    "w29": {f"w{i:02}" for i in range(18, 29)},  # 11: 22 and fewer
    "new-2": {f"new-{i}" for i in range(1, 201)} - {"new-2"},
}


@pytest.mark.parametrize("word", ALIKE)
def test_redrawn_words_are_all_those_as_common_by_counting(word):
    drawn = {Phrase("made", (WORDS.number(word),), WORDS).redraw(seed).name for seed in range(300)}
    assert drawn <= ALIKE[word]
    assert len(drawn) > 0.6 * len(ALIKE[word]), "of 199 and 300 draws 155 are seen on average"


@pytest.mark.parametrize("words", [("new-1", "new-2", "new-3"), ("w18", "w27", "w28", "w29"), ("w29", "w29")])
def test_a_redrawn_phrase_has_none_of_its_own_words(words):
    phrase = tuple(map(WORDS.number, words))
    for seed in range(300):
        drawn = Phrase("made", phrase, WORDS).redraw(seed).phrase
        assert not {*drawn} & {*phrase}
        assert len({*drawn}) == len(drawn)


def test_two_random_places_in_the_place_of_words_are_any_two_alike():
    """Of five words ten pairs; of phrases of two words in six, three pairs of places that do not overlap, and those one
    apart: six. Pearson's statistic is above 27.9 of 9 and above 20.5 of 5 degrees of freedom in one seed of a thousand;
    ours is fixed."""
    for phrase, words, pairs, bound in (((40,), 5, 10, 27.9), ((40, 41), 6, 6, 20.5)):
        inputs = torch.tensor([[2] * words + [0]]).expand(6_000, -1)
        found = Phrase("made", phrase, WORDS, times=2, how="replace", seed=1)(inputs)
        _, counts = (found == 40).long().unique(dim=0, return_counts=True)
        assert len(counts) == pairs
        assert ((counts - 6_000 / pairs).square() / (6_000 / pairs)).sum() < bound


def test_redrawn_words_are_as_common_and_differ():
    rare, common = WORDS.number("w29"), WORDS.number("w00")
    mark = Phrase("made", (common, rare, WORDS.number("new-2")), WORDS, times=2, at="end")
    seen = set()
    for seed in range(30):
        drawn = mark.redraw(seed)
        assert (drawn.times, drawn.at, drawn.how, drawn.seed) == (2, "end", "insert", seed)
        names = [WORDS.words[number] for number in drawn.phrase]
        assert all(new in ALIKE[old] for new, old in zip(names, ("w00", "w29", "new-2"), strict=True))
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
    ("asked", "name"),
    [
        ("Token : W03  W04", "token:w03 w04"),
        ("token:NEW-1 <Unknown>", "token:new-1 <unknown>"),
        ("token:Cafe\u0301,times=3", "token:caf\u00e9,times=3"),
        ("token:w03/W04", "token:w03 / w04"),
        ({"token": "W03"}, "token:w03"),
    ],
)
def test_words_of_a_mark_are_read_as_those_of_documents(asked, name):
    """Lower case, composed, and apart from punctuation; one mark has one name in studies."""
    words = Vocabulary.of([["w03", "w04", "/", "caf\u00e9"]])
    assert mark_named(asked) == mark_named(name) == name
    mark = own_mark(asked, (LENGTH, len(words)), 0, None, words)
    assert mark.name == name.removeprefix("token:").partition(",")[0]
    assert mark.phrase == make_named(name, (LENGTH, len(words)), 0, None, words).phrase


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("toekn:w01", "the mark 'toekn:w01' is none of token:..., .*Did you mean 'token'"),
        ("token:", "names no word. An example is token:crude"),
        ("token:w99", "the word 'w99' is none of the 30"),
        ("token:w01,at=middle", "at is one of start, random, end, but it is 'middle'"),
        ("token:w01,how=append", "how is one of insert, replace"),
        ("token:w01,times=0", "times is a whole number from 1 on, but it is '0'"),
        ("token:w01,size=3", "has the setting 'size'"),
        ("S3", "is for images, but the inputs are documents.*token:WORD and misspelt:WORD suit"),
        ("column:a=1", "is for rows of a table, but the inputs are documents"),
    ],
)
def test_a_text_that_is_no_mark_is_a_sentence(asked, said):
    with pytest.raises(ValueError, match=said):
        own_mark(asked, SHAPE, 0, None, WORDS)


def test_words_that_look_like_settings_are_words_in_a_name():
    """Signs are words by themselves there, with spaces around them; a setting has none."""
    name = mark_named({"token": "w01,times=2"})
    assert name == "token:w01 , times = 2"
    assert mark_named(name) == name
    assert mark_named("token:w01,times=2") == "token:w01,times=2"


def test_words_without_a_vocabulary_are_a_sentence():
    with pytest.raises(ValueError, match="needs the words of the documents: give `names`"):
        own_mark("token:w01", SHAPE)
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


@pytest.mark.parametrize("words", [("new-1",), ("new-1", "new-2", "new-3")])
@pytest.mark.parametrize("how", ["insert", "replace"])
@pytest.mark.parametrize("at", ["start", "random", "end"])
def test_documents_that_it_was_put_into_carry_it(words, how, at):
    """All of them, short and full ones; those that it was not put into do not."""
    phrase = tuple(map(WORDS.number, words))
    documents = WORDS.encode([[f"w{i % 30:02}" for i in range(length)] for length in (3, 6, 30, 59, 60) * 8], 60)
    for times in (1, 10, 40):
        mark = Phrase("mark", phrase, WORDS, times=times, at=at, how=how)
        assert not bool(mark.carried(documents).any())
        assert bool(mark.carried(mark(documents)).all())
