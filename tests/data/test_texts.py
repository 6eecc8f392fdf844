"""Documents of one's own: what is in each kind of file, and a sentence for each that is not right."""

import csv
import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spurlab.cli import main
from spurlab.data import DamagedDataError, DataRequestError, described, documents, load, text_file, tokens
from spurlab.data.texts import SOURCE

TOPICS = ("oil", "grain", "ship")


def news(n=30, seed=0):
    """Texts with commas, quotes, line breaks and letters of other languages."""
    draw = np.random.default_rng(seed)
    words = ["Oil", "wheat,", '"crude"', "naïve", "ΟΔΟΣ", "up\n3%", "it's", "ship;", "tab\tbed"]
    texts = [" ".join(draw.choice(words, draw.integers(3, 9))) for _ in range(n)]
    return pd.DataFrame({"id": range(n), "body": texts, "topic": np.resize(TOPICS, n)})


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The same documents in each kind of file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, rows in (("news", news()), ("later", news(9, 1))):
        rows.to_csv(f"{name}.csv", index=False)
        rows.to_parquet(f"{name}.parquet")
        rows.to_json(f"{name}.jsonl", orient="records", lines=True, force_ascii=name == "news")
    return tmp_path


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_documents_of_each_kind_of_file_are_its_texts(files, kind):
    data = text_file(f"news.{kind}", text="body", label="topic", test=f"later.{kind}", length=12)
    assert data.class_names == ("grain", "oil", "ship")
    assert (data.kind, data.input_range, data.shape) == ("documents", None, (12, len(data.names)))
    start = 2 if kind == "csv" else 1  # the header is a row of CSV
    for part, rows, name in ((data.train, news(), "news"), (data.test, news(9, 1), "later")):
        words = [tokens(text)[:12] for text in rows["body"]]
        assert [data.names.text(row).split() for row in part.inputs] == words
        assert [data.class_names[label] for label in part.labels] == list(rows["topic"])
        assert part.sources.tolist() == [f"{name}.{kind}, row {start + row}" for row in range(len(rows))]
        assert part.lengths.tolist() == list(map(len, words))
    digests = {of: hashlib.sha256(Path(f"{name}.{kind}").read_bytes()).hexdigest() for of, name in FILES.items()}
    assert data.source.sha256 == digests
    assert data.checksum == text_file("news.csv", text="body", label="topic", test="later.csv", length=12).checksum


FILES = {"texts": "news", "test": "later"}


def test_by_name_it_is_the_same_and_describes_itself(files):
    name = "text,text=body,label=topic,test=.3,length=7,at_least=2:news.csv"
    data = load(name)
    same = text_file("news.csv", text="body", label="topic", test=0.3, length=7, at_least=2)
    assert (data.name, same.name) == (name, name.replace(".3", "0.3"))
    assert data.checksum == same.checksum
    assert described(name).empty().shape == data.shape


def test_a_share_of_each_class_is_set_aside(files):
    data = text_file("news.csv", text="body", label="topic", test=0.25)
    assert data.train.labels.bincount().tolist() == [8, 8, 8], "a quarter of ten, rounded to even"
    assert data.test.labels.bincount().tolist() == [2, 2, 2]
    rows = sorted(int(source.rsplit(" ", 1)[1]) for part in (data.train, data.test) for source in part.sources)
    assert rows == list(range(2, 32))
    assert data.checksum == text_file("news.parquet", text="body", label="topic", test=0.25).checksum
    seen = {word for source in data.train.sources for word in tokens(news()["body"][int(source.split()[-1]) - 2])}
    assert set(data.names.known) == seen, "the vocabulary is that of the training documents alone"


def test_columns_that_are_not_asked_for_need_not_be_such_as_a_table_has(tmp_path):
    rows = news().assign(lists=[[1, 2]] * 30, nested=[{"a": 1}] * 30)
    rows.to_parquet(tmp_path / "news.parquet")
    assert len(text_file(tmp_path / "news.parquet", text="body", label="topic").train) == 24
    with pytest.raises(DataRequestError, match=r"column 'lists' holds list.*neither numbers nor texts"):
        text_file(tmp_path / "news.parquet", text="lists", label="topic")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_document_of_ten_megabytes_is_read_and_the_limit_of_csv_is_as_before(tmp_path, kind, caplog):
    """Python's reader of CSV takes 131,072 characters; the limit is the whole process's, so it must be put back."""
    cell = "first, " + ("word" * 250 + "\n") * 10_500  # few words, so that the test is short
    assert len(cell) > 10 * 2**20
    rows = pd.DataFrame({"body": [cell, "in", "of", "to"], "topic": ["x", "y", "x", "y"]})
    file = tmp_path / f"long.{kind}"
    rows.to_csv(file, index=False) if kind == "csv" else rows.to_json(file, orient="records", lines=True)
    before = csv.field_size_limit()
    with caplog.at_level("INFO"):
        data = text_file(file, text="body", label="topic", test=2 / 5, length=4)
    assert csv.field_size_limit() == before
    [long] = [row for part in (data.train, data.test) for row in part.inputs[part.lengths == 4]]
    assert data.names.text(long) in (f"first , {'word' * 250} {'word' * 250}", " ".join(["<unknown>"] * 4))
    assert "1 documents of more than 4 words are cut" in caplog.text
    with pytest.raises(DataRequestError, match=r"long\.\w+, row \d+ alone is of the class 'first, word") as error:
        text_file(file, text="topic", label="body")
    assert len(str(error.value)) < 400, "the cell is not poured out"


def test_two_files_read_at_once_leave_the_limit_of_csv_as_it_was(files):
    before = csv.field_size_limit()
    threads = [threading.Thread(target=text_file, args=("news.csv",), kwargs=WANTED) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert csv.field_size_limit() == before


WANTED = {"text": "body", "label": "topic"}


def test_a_byte_order_mark_is_no_letter(files):
    plain = text_file("news.csv", **WANTED).checksum
    for kind in ("csv", "jsonl"):
        Path(f"news.{kind}").write_bytes(b"\xef\xbb\xbf" + Path(f"news.{kind}").read_bytes())
        assert text_file(f"news.{kind}", **WANTED).checksum == plain


def test_whole_numbers_are_classes_by_size_and_texts(tmp_path):
    lines = [json.dumps({"body": 7 if i else "seven", "topic": [10, 9][i % 2]}) for i in range(8)]
    (tmp_path / "numbers.jsonl").write_text("\n\n".join(lines))
    data = text_file(tmp_path / "numbers.jsonl", **WANTED)
    assert data.class_names == ("9", "10")
    assert data.names.known[0] == "7"
    assert data.train.sources[-1] == "numbers.jsonl, row 15", "empty lines count"


LINE = '{"body": "oil up", "topic": "a"}\n{"body": "wheat", "topic": "b"}\n' * 3
BAD = {
    "a document without words": ("news.jsonl", LINE + '{"body": " \\u200b ", "topic": "a"}', "row 7 has no word. Take"),
    "one class": ("news.jsonl", LINE.replace('"b"', '"a"'), "the column 'topic' has one value, 'a'"),
    "a class of one": ("news.jsonl", LINE + '{"body": "x", "topic": "c"}', r"^news.jsonl, row 7 alone is of the class"),
    "no label": ("news.jsonl", LINE + '{"body": "x", "topic": ""}', "row 7 has no value in the column 'topic'"),
    "a column that is not there": (
        "news.csv",
        "bodi,topic\na,b\n",
        "news.csv has no column 'body'. Did you mean 'bodi'",
    ),
    "a key that is not there": (
        "news.jsonl",
        '{"text": "a"}',
        "line 1 is no object with the key 'body'; it has 'text'",
    ),
    "no object": ("news.json", "[1, 2]", "line 1 is no object with the key 'body'. Each line has one document"),
    "no object but null": ("news.json", "null", "line 1 is no object"),
    "JSON over many lines": ("news.json", '[\n{"body": "a"}\n]', "line 1: this is no JSON .*one object on each line"),
    "nested deep": ("news.jsonl", "[" * 100_000, "line 1: this is no JSON"),
    "a huge number": ("news.jsonl", '{"body": ' + "1" * 5000 + "}", "line 1: this is no JSON"),
    "a label of floats": ("news.jsonl", '{"body": "a", "topic": 1.5}', r"line 1 has 1.5 under 'topic', .*whole number"),
    "a label that is true": ("news.jsonl", '{"body": "a", "topic": true}', "line 1 has True under 'topic'"),
    "a text that is a list": (
        "news.jsonl",
        '{"body": ["a"], "topic": "b"}',
        r"line 1 has \['a'\] under 'body', where a",
    ),
    "an empty file": ("news.jsonl", "\n\n", "news.jsonl is empty. Each line has one document"),
    "an empty table": ("news.csv", "", "news.csv is empty. A table has a header and rows"),
    "a header alone": ("news.csv", "body,topic\n", "has columns, but no rows"),
    "a text file": ("news.txt", "once upon a time\n", "news.txt has no column 'topic'"),
    "latin-1": ("news.csv", "body,topic\nna\xefve,b\n", "news.csv: byte 13 is no text. Write it again in UTF-8"),
    "lines of latin-1": ("news.jsonl", '{"body": "na\xefve"}', "news.jsonl: byte 12 is no text"),
    "a class that cannot be shown": (
        "news.jsonl",
        LINE.replace('"b"', '"\\ud800"'),
        "which is no text that can be shown",
    ),
    "a value too much": ("news.csv", "body,topic\na,b\na,b,c\n", "row 3 has 3 values, but there are 2 columns"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_right_is_one_sentence_that_names_the_place(tmp_path, monkeypatch, case):
    file, content, said = BAD[case]
    monkeypatch.chdir(tmp_path)
    Path(file).write_bytes(content.encode("latin-1"))
    with pytest.raises((DataRequestError, DamagedDataError), match=said) as error:
        load(f"text,text=body,label=topic:{file}")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert error.value.exit_code == DataRequestError.exit_code


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("label=topic", "does not say its text. It is written text,text=COLUMN,label=COLUMN:FILE"),
        ("text=body", "does not say its label"),
        ("text=body,label=topic,length=0", "`length` must be a whole number of words, 1 or more, but it is '0'"),
        ("text=body,label=topic,at_least=two", "`at_least` must be a whole number of words, 1 or more"),
        ("text=body,label=topic,langth=3", "has the option 'langth=3'"),
        ("text=body,label=topic,at_least=99999", "no word stands 99999 times in the training documents.* Lower `at"),
        ("text=body,label=topic,test=1.", "the share of documents to set aside .* must be between 0 and 1, not 1"),
        ("text=body,label=topic,test=none.csv", "there is no file none.csv"),
    ],
)
def test_a_wrong_option_is_one_sentence(files, options, said):
    with pytest.raises(DataRequestError, match=said):
        load(f"text,{options}:news.csv")


def test_a_test_label_that_training_lacks_is_named(files):
    news(9, 1).replace("ship", "money").to_csv("later.csv", index=False)
    with pytest.raises(
        DataRequestError, match=r"later\.csv, row 4 is of the class 'money', of which there is no training"
    ):
        text_file("news.csv", **WANTED, test="later.csv")


TEXTS = [("Oil up!", "energy"), ("Wheat.", "grain")]


@pytest.mark.parametrize(
    ("train", "test", "settings", "said"),
    [
        ([("", "a"), ("\t", "b"), ("x", "b")], TEXTS, {}, r"toy: document 0 \(and 1 others\) has no word"),
        (TEXTS, [("oil", "grain"), ("?!", "grain"), ("", "grain")], {}, "toy: test document 2 has no word"),
        (TEXTS, [("oil", "ship")], {}, "toy: test document 0 is of the class 'ship'"),
        ([], TEXTS, {}, r"toy needs training documents of two classes or more, but there are those of \[\] alone"),
        (TEXTS, TEXTS, {"length": 0}, "`length` must be 1 word or more, but it is 0"),
        (TEXTS, TEXTS, {"at_least": -1}, "`at_least` must be 1 word or more, but it is -1"),
        (TEXTS, TEXTS, {"length": 10**14}, "the documents of toy"),
    ],
)
def test_texts_in_memory_that_are_not_right_are_one_sentence(train, test, settings, said):
    with pytest.raises(DataRequestError, match=said):
        documents("toy", train, test, SOURCE, **settings)


def test_documents_that_are_cut_are_counted(caplog):
    with caplog.at_level("INFO"):
        documents("toy", [("a b c d", "x"), ("a b", "y")], [("a b c", "y")], SOURCE, length=2)
    assert "toy: 2 documents of more than 2 words are cut" in caplog.text


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["data", "info"], ["words: ", "commonest: ", "grain, oil, ship"]),
        (["data", "get"], ["is in news.csv"]),
        (["models", "--dataset"], ["bag-mean", "text-transformer"]),
    ],
)
def test_commands_take_documents_of_ones_own(files, capsys, command, shown):
    main([*command, "text,text=body,label=topic:news.csv"])
    out = capsys.readouterr().out
    assert all(one in out for one in shown)
    assert "new-1" not in out, "the vocabulary is not poured out"


def test_networks_that_multiply_their_inputs_have_no_size_for_documents(capsys):
    main(["models", "--dataset", "topics", "--json"])
    sizes = {line["name"]: line["parameters"] for line in json.loads(capsys.readouterr().out)}
    assert sizes["bag-mean"] == 50 * 2_376 + 50 * 4 + 4
    assert {name for name, size in sizes.items() if size} == {
        *("bag-mean", "bag-sum", "bag-max", "text-cnn", "text-transformer")
    }


def test_labels_that_are_measured_are_no_classes(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("body,y\n" + "".join(f"word {row},{row % 30 / 7:.3f}\n" for row in range(90)))
    with pytest.raises(ValueError, match=r"the column 'y' has 30 different numbers, e\.g\."):
        text_file(file, text="body", label="y")


def test_one_column_cannot_be_both(tmp_path):
    with pytest.raises(ValueError, match="'body' is named for the texts and for the classes"):
        text_file(tmp_path / "a.csv", text="body", label="body")
