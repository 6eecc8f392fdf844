"""Rows are told as they are finished, each once, and whoever is told may fail."""

import pandas as pd
import pytest

from spurlab.studies import results_in
from spurlab.studies.store import Store

CHANGES = ("pattern=R3", "measure=['spurious_score', 'accuracy', 'empirical_norm']")


def plain(rows):
    """A table as a list of dicts, without an order."""
    records = [
        {name: None if name != "value" and pd.isna(value) else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]
    return sorted(records, key=repr)


def test_each_row_is_told_once_and_is_stored_before(ran, study_of, tmp_path):
    """The rows of the result, as dicts."""
    told, stored = [], []

    def on_row(row):
        told.append(row)
        with Store(tmp_path, read_only=True) as store:
            stored.append(row["training"] in store.everything().subjects)

    result = ran(study_of(*CHANGES), tmp_path, on_row=on_row)
    assert len(told) == len(result.rows) == 2 * 2 * 3
    assert sorted(told, key=repr) == plain(result.rows)
    assert all(stored)
    assert told[0]["measure"] == "empirical_norm"  # it takes no network, and so is there first


def test_what_was_there_is_not_told_again(ran, study_of, tmp_path):
    """One more seed, and one more measure of the networks that are there: these rows alone."""
    first = ran(study_of(*CHANGES), tmp_path)
    told = []
    assert len(ran(study_of(*CHANGES), tmp_path, on_row=told.append).rows) == len(first.rows)
    assert told == []
    more = ran(study_of(*CHANGES, "seed=[3, 5, 7]"), tmp_path, on_row=told.append)
    assert sorted(told, key=repr) == plain(more.rows[more.rows["seed"] == 7])
    told.clear()
    measures = "measure=['spurious_score', 'accuracy', 'empirical_norm', 'train_accuracy']"
    third = ran(study_of(*CHANGES, measures), tmp_path, on_row=told.append)
    assert sorted(told, key=repr) == plain(third.rows[third.rows["measure"] == "train_accuracy"])


def test_what_is_raised_ends_the_run_and_nothing_is_lost(ran, study_of, tmp_path):
    """A tracker that is gone: the error arrives as it is, what was stored stays, and the same call goes on."""
    told = []

    def on_row(row):
        told.append(row)
        if len(told) == 5:
            raise ConnectionError("the tracker is gone")

    with pytest.raises(ConnectionError, match="the tracker is gone"):
        ran(study_of(*CHANGES), tmp_path, on_row=on_row)
    [kept] = results_in(tmp_path)
    assert len(kept.rows) >= len(told)
    rest = []
    whole = ran(study_of(*CHANGES), tmp_path, on_row=rest.append)
    assert len(whole.rows) == 12
    assert len(rest) == 12 - len(kept.rows)
    assert not {repr(row) for row in rest} & {repr(row) for row in told}


def test_a_study_without_networks_tells_its_rows(ran, study_of, tmp_path):
    told = []
    result = ran(study_of("pattern=R3", "measure=['empirical_norm', 'parameters']"), tmp_path, on_row=told.append)
    assert sorted(told, key=repr) == plain(result.rows)
    assert told
