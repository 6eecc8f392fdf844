"""Whether a picture that is kept is the one that would be drawn today."""

import hashlib
from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from numpy.typing import NDArray

FINGERPRINT = "Fingerprint"  # what a PNG calls it


def fingerprint(figure: Figure) -> str:
    """Sixteen letters that change when the figure does: its words, and the numbers and colours of all that is drawn.

    Numbers count to three digits, and not how letters and lines are rendered: it is the same on all machines where the
    numbers are, and code that is written anew and draws the same keeps it. Of a figure that has not been drawn yet.
    """
    text = "\n".join([str(figure.get_label()), _digits(figure.get_size_inches()), *_artists(figure)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _artists(figure: Figure) -> Iterator[str]:
    for artist in figure.findobj():
        match artist:
            case Text() if artist.get_text():
                yield f"{artist.get_text()} {artist.get_color()}"
            case Line2D():
                how = f"{artist.get_color()} {artist.get_linestyle()} {artist.get_marker()}"
                yield f"{how} {_digits(artist.get_xydata())}"
            case Patch():
                corners = artist.get_patch_transform().transform(artist.get_path().vertices)
                yield f"{_digits(artist.get_facecolor())} {_digits(corners)}"
            case AxesImage():
                pixels: NDArray[np.float64] = np.nan_to_num(
                    np.ma.filled(np.ma.asarray(artist.get_array(), dtype=float), 0.0)
                )
                yield f"{pixels.shape} {_digits(artist.get_clim())} {_digits([pixels.mean(), pixels.std()])}"


def _digits(numbers: object) -> str:
    return " ".join(f"{number:.3g}" for number in np.asarray(numbers, dtype=float).round(4).ravel() + 0.0)
