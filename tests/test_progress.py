"""What a command says while it works where there is no terminal."""

from spurlab.progress import Lines
from spurlab.studies import StudyProgress


def test_lines_say_the_start_and_then_only_now_and_then(capsys):
    moment = 0.0
    lines = Lines("fig2-mnist", lambda: moment)
    for moment, networks in ((0.0, 5), (100.0, 6), (119.0, 7), (120.0, 8), (121.0, 9), (240.0, 10)):
        lines(StudyProgress(done=networks - 5, total=20, seconds=moment, networks=networks, of=25))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "fig2-mnist: training 20 of 25 networks ...",
        "fig2-mnist: 8/25 networks, 11 min left",  # three in two minutes, seventeen to go
        "fig2-mnist: 10/25 networks, 12 min left",
    ]


def test_each_batch_that_is_added_is_said(capsys):
    """As seeds are added: those that are here, then eight more of which three are left, then a batch that is here."""
    lines = Lines("quickstart")
    for networks, of in ((15, 15), (20, 23), (23, 23), (30, 30), (31, 38)):
        lines(StudyProgress(done=0, total=of, seconds=0.0, networks=networks, of=of))
    assert capsys.readouterr().err.splitlines() == [
        "quickstart: all 15 networks are here already",
        "quickstart: then training 3 of 23 networks ...",
        "quickstart: then training 7 of 38 networks ...",
    ]


def test_a_study_that_waits_for_another_process_says_so(capsys):
    moment = 0.0
    lines = Lines("accuracy", lambda: moment)
    lines(StudyProgress(0, 10, 0.0, 0, 10))
    moment = 130.0
    lines(StudyProgress(0, 10, 130.0, 0, 10, waiting=4))
    assert "waiting for another process to finish 4 networks" in capsys.readouterr().err


def test_where_nothing_is_trained_nothing_is_said(capsys):
    Lines("table2")(StudyProgress(0, 0, 0.0, 0, 0))
    assert capsys.readouterr().err == ""


def test_deletions_are_named(capsys):
    lines = Lines("deletion")
    lines(StudyProgress(done=0, total=20, seconds=0.0, networks=5, of=25, treatments="deletions"))
    assert capsys.readouterr().err == "deletion: making 20 of 25 networks and deletions ...\n"
