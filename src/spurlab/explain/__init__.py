"""What a trained network looks at."""

from spurlab.explain.embedding import neighbour_purity as neighbour_purity
from spurlab.explain.embedding import tsne as tsne
from spurlab.explain.input_sensitivity import SHARES as SHARES
from spurlab.explain.input_sensitivity import input_sensitivity as input_sensitivity
from spurlab.explain.input_sensitivity import removal_ranks as removal_ranks
from spurlab.explain.input_sensitivity import sensitivity_examples as sensitivity_examples
from spurlab.explain.input_sensitivity import zeroed as zeroed
from spurlab.explain.localization import class_maps as class_maps
from spurlab.explain.localization import share_on as share_on
from spurlab.explain.pixel_importance import pixel_importance as pixel_importance
from spurlab.explain.saliency import SALIENCY as SALIENCY
from spurlab.explain.saliency import gradient as gradient
from spurlab.explain.saliency import integrated_gradients as integrated_gradients
from spurlab.explain.saliency import occlusion as occlusion
from spurlab.explain.saliency import saliency as saliency
from spurlab.explain.words import word_saliency as word_saliency
