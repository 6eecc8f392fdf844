"""The names of the paper's public code, as its readme writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spurlab.patterns import REFERENCE_DATASETS, REFERENCE_PATTERNS, ReferenceDataset, parse_reference_dataset


def test_the_readmes_examples():
    assert parse_reference_dataset("cifar10v8-3-0-0") == ReferenceDataset("cifar10", "S3", 3, 0, 0)
    assert parse_reference_dataset("mnistv8-3-0-0") == ReferenceDataset("mnist", "S3", 3, 0, 0)


def test_the_readmes_mapping_of_patterns():
    codes = "v1: S1, v3: S2, v8: S3, v18: R1, v19: R2, v20: R3, v30: Co"
    assert ", ".join(f"{code}: {name}" for code, name in REFERENCE_PATTERNS.items()) == codes


@given(
    st.sampled_from(list(REFERENCE_DATASETS.items())),
    st.sampled_from(list(REFERENCE_PATTERNS.items())),
    st.integers(0, 5000),
    st.integers(0, 9),
    st.integers(0, 10**6),
)
def test_every_name_of_the_template_is_read_back(dataset, pattern, count, target, seed):
    (code, name), (version, own) = dataset, pattern
    wanted = ReferenceDataset(name, own, count, target, seed)
    assert parse_reference_dataset(f"{code}{version}-{count}-{target}-{seed}") == wanted


@pytest.mark.parametrize(("code", "name"), [("mnist", "mnist"), ("fashion", "fashion-mnist"), ("cifar10", "cifar10")])
def test_a_bare_name_is_clean_data(code, name):
    assert parse_reference_dataset(code) == ReferenceDataset(name, pattern=None, count=0, target=None)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("twoclassmnistv8-3-0-1-0", "twoclassmnist"),
        ("cifar100", "cifar100"),
        ("cifar100coarse", "cifar100coarse"),
        ("cifar100v8-3-0-0", "cifar100"),
        ("cifar100coarsev8-3-0-0", "cifar100coarse"),
    ],
)
def test_data_that_is_not_there_yet_is_named_as_such(name, family):
    with pytest.raises(ValueError, match=f"the {family} data .* has not got yet"):
        parse_reference_dataset(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "mnist-3-0-0",
        "mnistv8",
        "mnistv8-3-0",
        "mnistv8-3-0-0-0",
        "mnistv8--3-0-0",
        "svhnv8-3-0-0",
        "mnistv8-3-0-0 ",
    ],
)
def test_other_names_are_answered_with_the_template(name):
    with pytest.raises(ValueError, match=r"\{v\}-\{n\}-\{target\}-\{seed\}"):
        parse_reference_dataset(name)


def test_an_unknown_pattern_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"v2, .* v1 \(S1\), v3 \(S2\)"):
        parse_reference_dataset("mnistv2-3-0-0")
