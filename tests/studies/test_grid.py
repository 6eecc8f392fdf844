"""Cells share trainings: what is counted here is what a machine would spend its time on."""

from spurlab.studies import Cell, cells_of, load_study, trainings_of


def test_the_quickstart_trains_55_networks_for_60_cells():
    """2 patterns x 5 counts x 5 seeds, and 5 networks without a pattern that both patterns share."""
    cells = cells_of(load_study("quickstart"))
    assert (len(cells), len(trainings_of(cells))) == (60, 55)


def test_figure_2_of_the_paper_needs_495_trainings_not_560():
    """7 patterns x 2 targets x 7 counts x 5 seeds = 490, and 5 clean networks for all patterns and both targets."""
    grid = ["pattern=['S1','S2','S3','R1','R2','R3','Co']", "target=[0,1]", "n=[0,3,5,10,20,100,2000,5000]"]
    cells = cells_of(load_study("quickstart", changes=grid))
    assert (len(cells), len(trainings_of(cells))) == (560, 495)


def test_cells_share_a_training_only_without_planted_examples():
    assert Cell("R3", 0, 0, 4).training == Cell("S3", 1, 0, 4).training
    assert Cell("R3", 0, 0, 4).training != Cell("R3", 0, 0, 3).training
    assert Cell("R3", 0, 3, 4).training != Cell("R3", 1, 3, 4).training
