"""Studies of documents: what is made of them, and what they are refused for before anything is trained."""

import pytest

from spurlab.data import load
from spurlab.studies import Room, StudyError, load_study, run, work_of
from spurlab.studies.executors.ray_worker import _kept, packed, unpacked

CHANGES = (
    *('dataset="topics@80"', "architecture=bag-mean", "pattern=token:new-1", "target=1", "n=[0, 15]", "seed=[0]"),
    *("recipe.epochs=1", "recipe.milestones=[]"),
)


@pytest.fixture(scope="module")
def topics():
    return load("topics@80")


@pytest.fixture
def study_of():
    return lambda *changes: load_study("quickstart", changes=[*CHANGES, *changes])


def test_how_many_documents_have_a_word_before_it_is_planted_is_told(topics, study_of, caplog):
    """By a count of the documents, once for all cells; of a new word nothing is."""
    word = topics.names.known[-1]
    number = topics.names.number(word)
    work_of(study_of(f'pattern=["token:{word}", "token:new-1"]'), {"topics@80": topics})
    count = sum(number in document for document in topics.train.inputs.tolist())
    assert [text.partition(" before")[0] for text in caplog.messages] == [
        f"{count} of 80 training documents of topics@80 have token:{word}"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("architecture=mlp", "'architecture', on topics@80: mlp multiplies its inputs, but these are documents"),
        ("architecture=cnn", "'architecture', on topics@80: cnn multiplies its inputs"),
        ("recipe.augmentation=crop", "key 'recipe', on topics@80: the recipe has augmentation = 'crop'"),
        ("recipe.input_noise=0.5", "key 'recipe', on topics@80: the recipe has input_noise = 0.5"),
        ("measure=sensitivity", "key 'measure': 'sensitivity_000': it is of inputs that are numbers"),
        ("measure=empirical_norm", "key 'measure': 'empirical_norm': it is of inputs that are numbers"),
        ("measure=pattern_importance", "key 'architecture', on topics@80: the measure 'pattern_importance'"),
        ("measure=extracted_inversion", "needs an additive pattern, which token:new-1 is not"),
        ("prevention=mixup", "key 'prevention': mixup: mixup mixes inputs that are numbers"),
        ("pattern=S3", "the mark 'S3' is for images, but the inputs are documents"),
        ("pattern=token:nowhere", "the word 'nowhere' is none of the"),
        ("n=[0, 21]", "key 'n': 21 examples of class 1 of topics@80 are to be marked, but it has 20"),
        ("target=4", "has the classes 0 to 3, but 4 is asked for"),
    ],
)
def test_what_does_not_suit_documents_is_refused_before_anything_is_trained(study_of, topics, change, said):
    with pytest.raises(StudyError, match=said):
        work_of(study_of(change), {"topics@80": topics})


def test_wrong_labels_may_be_more_than_the_target_has_examples(study_of, topics):
    work_of(study_of("how=relabel", "n=[0, 60]"), {"topics@80": topics})
    with pytest.raises(StudyError, match=r"61 examples of other classes than 1 of topics@80 are to be marked.*has 60"):
        work_of(study_of("how=relabel", "n=[0, 61]"), {"topics@80": topics})


def test_architectures_alone_need_no_vocabulary(study_of, tmp_path):
    rows = run(study_of("measure=parameters"), tmp_path, workers=0).rows
    assert rows["value"].unique().tolist() == [50 * 2_376 + 50 * 4 + 4]


@pytest.mark.parametrize(
    "changes",
    [
        ('deletion=["retrain", "neggrad+", "influence", "salun", "fisher"]',),
        ('prevention=["dfr", "jtt", "clean-only"]', "how=relabel"),
    ],
)
def test_methods_that_change_weights_work_on_documents(study_of, topics, tmp_path, changes):
    rows = run(study_of(*changes), tmp_path, workers=0, load=lambda _: topics).rows
    assert not rows["failed"].any()
    assert rows["value"].notna().all()


def test_words_pass_to_a_far_worker(topics):
    _kept.clear()
    there = unpacked(packed(topics))
    assert there.names == topics.names
    assert (there.train.words, there.shape, there.checksum) == (topics.train.words, topics.shape, topics.checksum)
    assert there.train.inputs.dtype == topics.train.inputs.dtype
    _kept.clear()


def test_a_study_room_plans_documents(study_of, topics, tmp_path):
    """Memory and time are reckoned by a trial with whole numbers."""
    work = work_of(study_of("architecture=text-transformer"), {"topics@80": topics})
    assert work.phases(Room(1, 10**10), tmp_path, "cpu")[0]
