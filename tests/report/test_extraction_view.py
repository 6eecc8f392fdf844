"""What is read from networks alone, against n."""

import pytest

from spurlab.report.views import answer, brief, study_figure, study_sheets


def test_what_is_read_stands_beside_networks_that_never_saw_the_pattern(results):
    result = results.make("extraction", large=True)
    [sentence] = answer(result)
    assert sentence.endswith("0.00 at n = 0 (0 of 5), 0.10 at n = 3 (0 of 5), 0.20 at n = 20 (5 of 5).")
    assert "a correlation of 0.20 at n = 20 (p <= .05 in 5 of 5 networks); 0.00 where networks" in brief(result)
    [sheet] = study_sheets(result)
    assert [line[sheet.headings.index("n")].value for line in sheet.lines] == [0, 3, 20]
    words = study_figure(result).get_label()
    assert "score of what was read: trigger inversion 0.90 at n = 0" in words
    assert "the planted pattern" in words


@pytest.mark.parametrize("measure", ["extracted_inversion_p", "extracted_inversion_score", "spurious_score"])
def test_without_one_of_the_numbers_the_others_are_told(measure, results):
    result = results.make("extraction", large=True)
    rows = result.rows[result.rows["measure"] != measure].reset_index(drop=True)
    assert "0.20 at n = 20" in answer(results.of(rows, "extraction"))[0]
