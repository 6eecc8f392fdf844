"""The zoo: plain small modules and a table of their names."""

from spurlab.models.mlp import mlp
from spurlab.models.zoo import ARCHITECTURES, Architecture, architecture_named, build, parameter_count, seeded

__all__ = ["ARCHITECTURES", "Architecture", "architecture_named", "build", "mlp", "parameter_count", "seeded"]
