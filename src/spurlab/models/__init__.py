"""The zoo: plain small modules and a table of their names."""

from spurlab.models.cnn import cnn
from spurlab.models.given import (
    ask,
    asked,
    batch_norm_explained,
    check_answers,
    check_trains,
    fitting,
    logits_in,
    logits_of,
    makes_new,
    unsaved_difference,
    unwrapped,
)
from spurlab.models.images import Normalize
from spurlab.models.last_layer import features, features_layer
from spurlab.models.mlp import mlp
from spurlab.models.modes import evaluating
from spurlab.models.resnet import cifar_resnet, resnet
from spurlab.models.signals import ResidualMLP, SignalGRU, signal_cnn
from spurlab.models.user import check_user_name, is_user_name, source_digest, user_function, without_users_code
from spurlab.models.vgg import vgg16, vgg_mlp
from spurlab.models.zoo import (
    ARCHITECTURES,
    Architecture,
    architecture_named,
    architecture_title,
    build,
    is_perceptron,
    made,
    parameter_count,
    seeded,
    skeleton,
)

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Normalize",
    "ResidualMLP",
    "SignalGRU",
    "architecture_named",
    "architecture_title",
    "ask",
    "asked",
    "batch_norm_explained",
    "build",
    "check_answers",
    "check_trains",
    "check_user_name",
    "cifar_resnet",
    "cnn",
    "evaluating",
    "features",
    "features_layer",
    "fitting",
    "is_perceptron",
    "is_user_name",
    "logits_in",
    "logits_of",
    "made",
    "makes_new",
    "mlp",
    "parameter_count",
    "resnet",
    "seeded",
    "signal_cnn",
    "skeleton",
    "source_digest",
    "unsaved_difference",
    "unwrapped",
    "user_function",
    "vgg16",
    "vgg_mlp",
    "without_users_code",
]
