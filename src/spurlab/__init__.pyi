from .data import DATASETS as DATASETS
from .data import Dataset as Dataset
from .data import Examples as Examples
from .data import load as load
from .metrics import accuracy as accuracy
from .metrics import empirical_norm as empirical_norm
from .metrics import spurious_score as spurious_score
from .models import ARCHITECTURES as ARCHITECTURES
from .models import build as build
from .patterns import PATTERNS as PATTERNS
from .patterns import Pattern as Pattern
from .patterns import Planted as Planted
from .patterns import make_pattern as make_pattern
from .patterns import plant as plant
from .seeds import rng_for as rng_for
from .stats import Estimate as Estimate
from .stats import learnt_at as learnt_at
from .stats import paired_difference as paired_difference
from .training import RECIPES as RECIPES
from .training import Ensemble as Ensemble
from .training import Member as Member
from .training import Recipe as Recipe
from .training import fit as fit

__version__: str
