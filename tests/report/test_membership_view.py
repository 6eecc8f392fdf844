"""The paper's figure of membership inference, both ways."""

from spurlab.report.views import answer, study_figure, study_sheets


def test_both_ways_to_count_stand_side_by_side(results):
    result = results.make("membership", large=False)
    code, right = answer(result)
    assert "as the paper's code counts: marked examples 0.900 at n = 3; all examples" in code
    assert "right: marked examples 0.500 at n = 3" in right
    [sheet] = study_sheets(result)
    assert [line[1].value for line in sheet.lines] == [0, 3, 0, 3]
    assert "0.900 at n = 3" in study_figure(result).get_label()
