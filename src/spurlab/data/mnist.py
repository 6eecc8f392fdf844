"""MNIST: handwritten digits, LeCun, Bottou, Bengio and Haffner (1998), http://yann.lecun.com/exdb/mnist/."""

from spurlab.data.idx import idx_dataset

ENTRY = idx_dataset(
    "mnist",
    "MNIST",
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    title="MNIST",
    licence="usually given as CC BY-SA 3.0; the official page states none",
    origin="Yann LeCun, Corinna Cortes, Christopher Burges, derived from NIST data: http://yann.lecun.com/exdb/mnist/",
    class_names=tuple("0123456789"),
)
