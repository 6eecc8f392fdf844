"""MNIST-1D: short signals in ten classes, Greydanus and Kobak (2024), arXiv:2011.14439; by their own generator."""

from types import SimpleNamespace

import torch

from spurlab.data.examples import Examples
from spurlab.data.generated import Generated
from spurlab.lent import settings_kept

# The generator's defaults, stated so that the data stay the same where a later version has others.
ARGUMENTS = {
    "num_samples": 5000,
    "train_split": 0.8,
    "template_len": 12,
    "padding": [36, 60],
    "scale_coeff": 0.4,
    "max_translation": 48,
    "corr_noise_scale": 0.25,
    "iid_noise_scale": 0.02,
    "shear_scale": 0.75,
    "shuffle_seq": False,
    "final_seq_length": 40,
    "seed": 42,
}


def generate() -> tuple[Examples, Examples]:
    """4,000 training and 1,000 test signals of 40 values, mean 0 and standard deviation 1 over all; groups are labels.

    The global random states, which the generator seeds, are given back as they were. It draws with numpy's frozen
    `RandomState`. Between numpy 1.26 with scipy 1.11 and numpy 2.4 with scipy 1.17 the last bits of its float64 differ,
    and those of the float32 here do not.
    """
    from mnist1d.data import make_dataset  # noqa: PLC0415  # it brings pyplot; rarely needed

    with settings_kept():
        made = make_dataset(SimpleNamespace(**ARGUMENTS))
    columns = {key: torch.from_numpy(made[key]) for key in ("x", "y", "x_test", "y_test")}
    labels = columns["y"].long(), columns["y_test"].long()
    return (
        Examples(columns["x"].float(), labels[0], labels[0]),
        Examples(columns["x_test"].float(), labels[1], labels[1]),
    )


ENTRY = Generated(
    name="mnist1d",
    title="MNIST-1D",
    licence="Apache-2.0 (the generator)",
    origin="Sam Greydanus and Dmitry Kobak, arXiv:2011.14439, made by the generator in the package mnist1d with its "
    "default arguments: https://github.com/greydanus/mnist1d",
    class_names=tuple("0123456789"),
    shape=(40,),
    sizes=(4_000, 1_000),
    input_range=None,
    group_names=tuple("0123456789"),
    make=generate,
    arguments=ARGUMENTS,
    package="mnist1d",
)
