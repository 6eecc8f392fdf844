"""CIFAR-100: the photographs of CIFAR-10's kind in 100 classes, and the same in 20 superclasses.

Source: Krizhevsky (2009), https://www.cs.toronto.edu/~kriz/cifar.html, where the classes are listed. The md5 of the
archive is from that page. The sha256 of the two files in it are those of ankane/torchvision-ruby
(lib/torchvision/datasets/cifar100.rb), whose sums for CIFAR-10 are the ones that our copy has.
"""

from dataclasses import replace
from pathlib import Path

from spurlab.data.cifar10 import BATCH, HOSTS, BinaryBatches, PickledBatches, unpack
from spurlab.data.cifar10 import ENTRY as CIFAR10
from spurlab.data.download import download_file

ARCHIVE, ARCHIVE_MD5 = "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"

SUPERCLASSES = {  # in the order of the coarse labels
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
CLASSES = tuple(sorted(name for names in SUPERCLASSES.values() for name in names))  # in the order of the fine labels
COARSE_OF = tuple(  # the coarse label of each fine one; torchvision gives the fine ones alone
    next(label for label, names in enumerate(SUPERCLASSES.values()) if name in names) for name in CLASSES
)

FILES = BinaryBatches(
    sha256={
        "train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
        "test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
    },
    records={"train.bin": 5 * BATCH, "test.bin": BATCH},
    folder="cifar-100-binary",
    labels=2,  # the coarse one, then the fine one
    label=1,
)
PICKLED = PickledBatches(reader="CIFAR100", files=("train", "test", "meta"), folder="cifar-100-python")


def download(folder: Path) -> None:
    unpack(download_file("cifar100", ARCHIVE, HOSTS, ARCHIVE_MD5, folder), FILES, folder)


ENTRY = replace(
    CIFAR10, name="cifar100", title="CIFAR-100", class_names=CLASSES, layouts=(FILES, PICKLED), download=download
)
COARSE = replace(
    ENTRY,
    name="cifar100-coarse",
    title="CIFAR-100 (superclasses)",
    class_names=tuple(SUPERCLASSES),
    layouts=(replace(FILES, label=0), replace(PICKLED, labels=COARSE_OF)),
)
