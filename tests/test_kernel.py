"""A small notebook in a real kernel: what its cells put out, and what of it is kept in the file."""

import base64
import json
import os
from pathlib import Path

import pytest

import spurlab

nbclient = pytest.importorskip("nbclient", reason="notebooks are executed by nbclient: pip install spurlab[test]")
nbformat = pytest.importorskip("nbformat", reason="notebooks are read by nbformat: pip install spurlab[test]")
pytest.importorskip("ipykernel", reason="the kernel is that of ipykernel: pip install spurlab[test]")

CELLS = {
    "import": """
        import sys
        import time
        from dataclasses import replace
        import matplotlib as mpl
        from matplotlib.figure import Figure
        import spurlab
        from spurlab import Member, Rare, fit, load, make_pattern, plant, report, terminal
        terminal.AFTER, terminal.AGAIN = 0.0, 0.01  # seconds: progress from the first moment on
        settings = mpl.rcParams.copy()
        data = load("fashion-mini@200")
        data = replace(data, class_names=("<script>alert(1)</script>", *data.class_names[1:]))
        mark = make_pattern("S3", data.shape, 0)""",
    "dataset": "data",
    "examples": "data.train",
    "planted": "planted = plant(data.train, mark, Rare(0, 5), seed=0)\nplanted",
    "ensemble": "fit('mlp', [Member(planted, 0)], spurlab.RECIPES['quick'].lasting(1), classes=10, workers=0)",
    "recipe": "spurlab.RECIPES['quick']",
    "interrupted": """
        try:
            with terminal.status_line("waiting for <nothing>"):
                time.sleep(0.2)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass""",
    "figure": "figure = report.pattern_gallery({'clean': data.test.inputs[:2]}, 'costs $5 or $6')\nfigure",
    "untouched": """
        assert isinstance(figure, Figure)
        assert 'matplotlib.pyplot' not in sys.modules
        assert mpl.rcParams.copy() == settings""",
    "inline": "%matplotlib inline\nfigure",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell put out, as it stands in the file."""
    folder = tmp_path_factory.mktemp("notebook")
    source = Path(spurlab.__file__).parents[1]
    cells = {name: [line.removeprefix(" " * 8) for line in code.splitlines()] for name, code in CELLS.items()}
    cells = [nbformat.v4.new_code_cell("\n".join(lines).strip()) for lines in cells.values()]
    file = folder / "small.ipynb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")])))
        for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
            patch.setenv(name, str(folder / name.lower()))
        done = nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=300).execute()
    nbformat.write(done, file)
    kept = json.loads(file.read_text("utf-8"))["cells"]
    return dict(zip(CELLS, (cell["outputs"] for cell in kept), strict=True))


def data_of(output):
    """The one output of a cell, by mime type."""
    [only] = output
    assert only["output_type"] in ("execute_result", "display_data")
    return {kind: "".join(lines) for kind, lines in only["data"].items()}


@pytest.mark.parametrize("name", ["dataset", "examples", "planted", "recipe"])
def test_a_value_is_shown_in_html_and_in_a_line(outputs, name):
    shown = data_of(outputs[name])
    assert shown.keys() == {"text/html", "text/plain"}
    assert len(shown["text/html"]) < 60_000
    assert len(shown["text/plain"].splitlines()) == 1
    assert len(shown["text/plain"]) < 200


def test_the_name_of_a_class_is_no_element(outputs):
    html = data_of(outputs["dataset"])["text/html"]
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert html.count("data:image/png;base64,") == 10


def test_progress_is_one_output_that_changes_and_ends_in_what_it_took(outputs):
    assert outputs["import"] == []
    progress, result = outputs["ensemble"]
    assert progress["output_type"] == "display_data"
    assert progress["data"].keys() == {"text/plain"}
    assert "".join(progress["data"]["text/plain"]).startswith("training: 1 of 1 epochs, all networks together (took ")
    assert data_of([result])["text/plain"].startswith("<Ensemble of 1 mlp networks")
    [stopped] = outputs["interrupted"]
    assert stopped["data"]["text/plain"] == ["waiting for <nothing> (stopped after 0 s)"]


def test_a_figure_is_a_picture_without_pyplot_and_with_it(outputs):
    """The signature of a PNG, and in its header the size: 200 dots an inch, shown at half of that."""
    for name in ("figure", "inline"):
        shown = data_of(outputs[name])
        picture = base64.b64decode(shown["image/png"])
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 100_000
    [output] = outputs["figure"]
    width = int.from_bytes(base64.b64decode("".join(output["data"]["image/png"]))[16:20], "big")
    assert output["metadata"]["image/png"]["width"] == width // 2
    assert outputs["untouched"] == []
