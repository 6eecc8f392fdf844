"""Words and vocabularies, against counting and splitting written out plainly."""

import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.data import Vocabulary, tokens
from spurlab.data.names import ADDED, PADDING, UNKNOWN


def by_letters(text):
    """Letter by letter: letters and digits go on with a word, spaces and what is not seen end it, a sign is one."""
    words, open_ = [], False
    for letter in text.lower():
        if letter.isalnum():
            words[-1:] = [words[-1] + letter] if open_ else [*words[-1:], letter]
            open_ = True
            continue
        if open_ and ord(letter) >= 0x300 and unicodedata.category(letter) in ("Mn", "Mc"):
            words[-1] += letter
            continue
        open_ = False
        if not letter.isspace() and unicodedata.category(letter) not in ("Cc", "Cf", "Cs"):
            words.append(letter)
    return words


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(max_codepoint=0x5FF), max_size=40))
def test_a_text_is_split_as_letter_by_letter(text):
    assert tokens(text) == by_letters(unicodedata.normalize("NFC", text.lower()))


def test_signs_underscores_and_what_is_not_seen():
    assert tokens("It's a_b — 3.5%!") == ["it", "'", "s", "a", "_", "b", "—", "3", ".", "5", "%", "!"]
    assert tokens("\ufefffirst\u200bsecond \x00\ud800 \u202e") == ["first", "second"], "nothing that cannot be shown"
    assert tokens("new-1") == ["new", "-", "1"], "no document can have the added words"


def made(seed, documents=12, kinds=9):
    draw = random.Random(seed)
    return [[f"w{draw.randrange(kinds)}" for _ in range(draw.randrange(1, 15))] for _ in range(documents)]


@pytest.mark.parametrize("at_least", [1, 4, 12])
@pytest.mark.parametrize("seed", range(4))
def test_words_and_counts_are_those_of_counting_by_hand(seed, at_least):
    documents = made(seed)
    flat = [word for document in documents for word in document]
    often = [word for word in set(flat) if flat.count(word) >= at_least]
    wanted = sorted(sorted(often), key=flat.count, reverse=True)  # stable: alphabetical among equals
    vocabulary = Vocabulary.of(documents, at_least)
    assert vocabulary.known == tuple(wanted)
    assert vocabulary.words == ("", "<unknown>", *wanted, *(f"new-{i + 1}" for i in range(ADDED)))
    unknown = sum(word not in often for word in flat)
    assert vocabulary.counts == (0, unknown, *map(flat.count, wanted), *[0] * ADDED)
    assert len(vocabulary) == len(wanted) + 2 + ADDED == len(vocabulary.features)
    assert all(vocabulary.words[vocabulary.number(word)] == word for word in ("<unknown>", *wanted, "new-200"))


def test_documents_are_encoded_word_by_word_cut_and_padded():
    documents = [*made(5), ["never", "seen", "w1"], []]
    vocabulary = Vocabulary.of(documents[:-2], at_least=2)
    encoded = vocabulary.encode(documents, length=6)
    for row, document in zip(encoded.tolist(), documents, strict=True):
        numbers = [vocabulary.words.index(word) if word in vocabulary.words else UNKNOWN for word in document]
        assert row == (numbers + [PADDING] * 6)[:6]
    shown = [word if word in vocabulary.words else "<unknown>" for word in documents[0][:6]]
    assert vocabulary.text(encoded[0]) == " ".join(shown)


def test_words_as_common_are_those_of_half_to_twice_the_count_the_nearest_first():
    counts = {"a": 16, "b": 9, "c": 8, "d": 7, "e": 4, "f": 3}
    vocabulary = Vocabulary.of([[word] * count for word, count in counts.items()])

    def alike(word):
        return [vocabulary.words[number] for number in vocabulary.as_common(vocabulary.number(word))]

    assert alike("c") == ["b", "d", "e", "a"], "4 to 16; ties by the commoner word"
    assert alike("f") == ["e"], "of 2 to 6 there is one"
    assert alike("new-3") == [f"new-{i}" for i in range(1, ADDED + 1) if i != 3]


def test_where_no_word_is_as_common_the_twenty_nearest_are_given():
    vocabulary = Vocabulary.of([["often"] * 1000, *([f"w{i:02}"] * (i + 1) for i in range(30))])
    near = [vocabulary.words[number] for number in vocabulary.as_common(vocabulary.number("often"))]
    assert near == [f"w{i:02}" for i in range(29, 9, -1)]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("wheet", "the word 'wheet' is none of the 3 .* Did you mean 'wheat'"),
        ("zzz", "'zzz' is none of the 3 that the training documents have. A mark .* new-1 to new-200"),
        ("", "the word '' is none"),
        ("new-201", "'new-201' is none"),
    ],
)
def test_a_word_without_a_number_is_a_sentence(word, said):
    with pytest.raises(ValueError, match=said):
        Vocabulary.of([["wheat", "oil", "the"]]).number(word)


def test_words_of_all_scripts_stay_whole_and_one_word_is_one_however_it_is_written():
    assert tokens("हिन्दी में") == ["हिन्दी", "में"]
    assert tokens("cafe\u0301 café") == ["café", "café"]
