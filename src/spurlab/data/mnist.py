"""MNIST: handwritten digits, LeCun, Bottou, Bengio and Haffner (1998), http://yann.lecun.com/exdb/mnist/."""

from pathlib import Path

from spurlab.data.download import download_file
from spurlab.data.idx import IdxFiles
from spurlab.data.official import FilesEntry

FILES = IdxFiles(
    folder="MNIST/raw",
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)


def download(folder: Path) -> None:
    """Fetch the four files from torchvision's mirrors, with its checksums."""
    from torchvision.datasets import MNIST  # noqa: PLC0415  # slow to import, rarely needed

    for file, md5 in MNIST.resources:
        download_file("mnist", file, MNIST.mirrors, md5, folder)


ENTRY = FilesEntry(
    name="mnist",
    title="MNIST",
    licence="usually given as CC BY-SA 3.0; the official page states none",
    origin="Yann LeCun, Corinna Cortes, Christopher Burges, derived from NIST data: http://yann.lecun.com/exdb/mnist/",
    class_names=tuple("0123456789"),
    shape=(1, 28, 28),
    sizes=(60_000, 10_000),
    layouts=(FILES,),
    places=(Path("/usr/share/datasets/mnist"),),
    download=download,
)
