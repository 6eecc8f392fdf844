"""Fashion-MNIST: clothing, Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747; whole, and a small part."""

from dataclasses import replace
from pathlib import Path

from spurlab.data.idx import IdxFiles, idx_dataset

ENTRY = idx_dataset(
    "fashion-mnist",
    "FashionMNIST",
    sha256=(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    title="Fashion-MNIST",
    licence="MIT, Copyright 2017 Zalando SE",
    origin="Han Xiao, Kashif Rasul, Roland Vollgraf, Zalando Research: https://github.com/zalandoresearch/fashion-mnist",
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
)

# Made by scripts/make_fashion_mini.py; in the package, so that the first steps need no network.
MINI = replace(
    ENTRY,
    name="fashion-mini",
    title="Fashion-MNIST mini",
    origin=f"the first 1,000 training and 200 test images of each class, in the original order, of {ENTRY.origin}",
    sizes=(10_000, 2_000),
    layouts=(
        IdxFiles.of(
            "fashion_mini",
            (
                "d33512cfdc636a0d8972818e6659995be209a88891df7fa2109d7895922c8985",
                "620cb8e3b9348037c5ff9a07b02d773ab165330e072dfd19e0d21c59f8042dcf",
                "15a92dd1e9b16ea361928086e77df4dfa890c255c00b5a8c8162c1040ce8eef1",
                "234596aeb6eb48133ec99a62541f90bc0728c9559a681f1e0638037462458f2c",
            ),
        ),
    ),
    places=(Path(__file__).parent / "fashion_mini",),
    download=None,
)
