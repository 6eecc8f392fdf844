"""Study files that are damaged at random: a study that can be run, recorded and read again, or a short sentence.

Each input is made from its number alone (`spoilt`); ``SPURLAB_FUZZ`` says how many there are.
"""

import os
import random
from importlib.resources import files

import pytest

from spurlab.models import without_users_code
from spurlab.studies import StudyError, load_study, shipped
from spurlab.studies.records import unreadable
from spurlab.studies.study import MOST_ROWS

COUNT = int(os.environ.get("SPURLAB_FUZZ", "4000"))  # what one in 1,000 does is met with a chance of .98
SCREEN = 24 * 80
LIBRARY = files("spurlab.studies").joinpath("library")
FILES = [LIBRARY.joinpath(f"{name}.toml").read_bytes() for name in shipped()]
LINES = sorted({line for text in FILES for line in text.splitlines() if line.strip() and not line.startswith(b"#")})
TEXTS = """
[] {} [[]] "" ''' true nan inf -inf -1 0 1e308 -0.0 1979-05-27 1979-05-27T07:32:00Z 0x7fffffffffffffff ["none"] [1,[2]]
{name="quick"} [{epochs=3,milestones=[9],optimizer="adam"}] "evil.mod:make" ["a.b:c","mlp"] "npz:/dev/zero" "v8"
"npz:~nobody/x" "folder,9x9:/" "mnist@7:3,x" "\\u001b[2J" "\\ud800" "coloured-mnist,p=1e9" "mnistv8-3-0-0" ["dfr","dfr"]
"""
VALUES = [
    *(each.encode() for each in TEXTS.split()),
    *(b"1" + b"0" * 30, b"9" * 5000, b'"' + b"x" * 3000 + b'"', b"[" * 60 + b"]" * 60, b"[" * 2000, b"{a=" * 80),
    *(str(list(range(2000))).encode(), str([[i] for i in range(500)]).encode(), b'"\xed\xa0\x80"'),
    *(b'"afr gamma=1e400"', b'"dfr a:b"', b'["dfr c=1", "dfr c=1.0"]', b'"dfr c=nan"'),
]
KEYS = [
    *(b"dataset", b"architecture", b"pattern", b"target", b"n", b"seed", b"how", b"deletion", b"known", b"share"),
    *(b"prevention", b"clean", b"recipe", b"title", b"figure", b"claims", b"measure", b"weights", b"grids", b"name"),
    *(b"recipe.epochs", b"recipe.milestones", b"recipe.learning_rate", b"recipe.name", b"recipe.clip_norm", b"origin"),
    *(b"profiles", b"profiles.quick.recipe", b"recipe.loss", b"recipe.batch_size", b"grid", b".".join([b"a"] * 300)),
]


def spoilt(number):
    """The bytes of a shipped study with some lines, values or bytes replaced."""
    rng = random.Random(number)
    lines = rng.choice(FILES).splitlines()
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(lines) + 1)
        match rng.randrange(8):
            case 0:
                lines.insert(at, rng.choice(LINES))
            case 1:
                lines[at : at + 1] = [rng.choice(LINES)]
            case 2:
                del lines[at : at + rng.choice((1, 1, 3))]
            case 3:
                lines.insert(at, rng.choice(KEYS) + b" = " + rng.choice(VALUES))
            case 4 | 5 if lines:  # another value of a key that is there
                key, equals, _ = lines[at % len(lines)].partition(b"=")
                lines[at % len(lines)] = key + equals + b" " + rng.choice(VALUES)
            case 6:
                lines[at:at] = [b"[[grid]]", rng.choice(KEYS) + b" = " + rng.choice(VALUES)]
            case _:
                content = bytearray(b"\n".join(lines))
                for _ in range(rng.choice((1, 1, 4))):
                    place, size = rng.randrange(len(content) + 1), rng.choice((0, 1, 1, 9))
                    content[place : place + size] = rng.choice(
                        (rng.randbytes(size), content[place:][:40], b"", b'"', b"[")
                    )
                lines = bytes(content).split(b"\n")
    return b"\n".join(lines)


@pytest.mark.slow
def test_a_damaged_study_file_is_a_study_or_a_sentence(tmp_path):
    """One that is read names no code of the user's, is counted, and is the same one after it was recorded."""
    read = 0
    with without_users_code():
        for number in range(COUNT):
            path = tmp_path / f"spoilt{number}.toml"  # a new one: file systems wait for the disk when one is replaced
            path.write_bytes(spoilt(number))
            try:
                study = load_study(path, "paper" if number % 5 == 0 else None)
            except StudyError as error:
                message = str(error)
                assert path.name in message, number
                assert len(message) < SCREEN, number
                continue
            except Exception as error:
                raise AssertionError(f"input {number}: {type(error).__name__}: {error}") from error
            finally:
                path.unlink()
            read += 1
            assert not study.users, number
            assert len(study.measure) * sum(grid.cells_at_most for grid in study.grids) <= MOST_ROWS, number
            assert unreadable(study) == "", number
    assert COUNT < 1000 or COUNT / 20 < read < COUNT / 2  # else this tries little
