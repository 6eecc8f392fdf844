"""The table of methods: what the command line offers, studies name and tests walk through."""

from spurlab.deletion.bad_teacher import BadTeacher
from spurlab.deletion.dampening import SelectiveDampening
from spurlab.deletion.ekfac import ByEkfac
from spurlab.deletion.fisher import FisherForgetting
from spurlab.deletion.gradient_ascent import GradientAscent
from spurlab.deletion.incremental import Incremental
from spurlab.deletion.influence import GroupInfluence, SecondOrderInfluence
from spurlab.deletion.inverse import ByLissa
from spurlab.deletion.l1_sparse import L1Sparse
from spurlab.deletion.last_layer_newton import LastLayerNewton
from spurlab.deletion.last_layers import CatastrophicLastLayers, ExactLastLayers
from spurlab.deletion.method import Deletion
from spurlab.deletion.neggrad_plus import NegGradPlus
from spurlab.deletion.prune import PruneFinetune
from spurlab.deletion.random_labels import RandomLabels
from spurlab.deletion.reference_influence import ReferenceInfluence
from spurlab.deletion.retrain import Retrain
from spurlab.deletion.salun import SalUn
from spurlab.deletion.scrub import Scrub
from spurlab.deletion.sisa import Sisa
from spurlab.methods import Entry, Table

# A new method is one file and one line here. Names with a number in them are older than settings in a name.
DELETIONS = Table[Deletion](
    "deletion method",
    {
        "retrain": Entry.of("retrained", Retrain, "training"),
        "sisa": Entry.of("SISA, 5 shards", Sisa, "training", family="SISA"),
        "incremental": Entry.of("incremental, schedule restarted", Incremental, "training", family="incremental"),
        "incremental-1e-2": Entry.of("incremental, rate 0.01", Incremental, "training", rate=1e-2),
        "incremental-1e-3": Entry.of("incremental, rate 0.001", Incremental, "training", rate=1e-3),
        "incremental-1e-4": Entry.of("incremental, rate 0.0001", Incremental, "training", rate=1e-4),
        "incremental-1e-5": Entry.of("incremental, rate 0.00001 (public code's)", Incremental, "training", rate=1e-5),
        "influence": Entry.of("group influence", GroupInfluence),
        "influence-lissa": Entry.of("group influence, LiSSA", GroupInfluence, dampings=(0.01,), inverse=ByLissa()),
        "influence-ekfac": Entry.of("group influence, EK-FAC", GroupInfluence, inverse=ByEkfac()),
        "influence-reference": Entry.of("group influence (public code)", ReferenceInfluence),
        "influence-reference-25": Entry.of("group influence (public code, MNIST)", ReferenceInfluence, scale=25.0),
        "influence-reference-1000": Entry.of("group influence (public code, CIFAR-10)", ReferenceInfluence, depth=1000),
        "influence-second": Entry.of("group influence, second order", SecondOrderInfluence),
        "newton": Entry.of("Newton step, last layer", LastLayerNewton),
        "fisher": Entry.of("Fisher forgetting", FisherForgetting),
        "dampening": Entry.of("selective synaptic dampening", SelectiveDampening),
        "gradient-ascent": Entry.of("gradient ascent", GradientAscent, "training"),
        "neggrad+": Entry.of("NegGrad+", NegGradPlus, "training"),
        "random-labels": Entry.of("random labels", RandomLabels, "training"),
        "salun": Entry.of("SalUn", SalUn, "training"),
        "scrub": Entry.of("SCRUB", Scrub, "training"),
        "bad-teacher": Entry.of("bad teacher", BadTeacher, "training"),
        "prune": Entry.of("pruned, then fine-tuned", PruneFinetune, "training"),
        "l1-sparse": Entry.of("l1-sparse", L1Sparse, "training"),
        "eu-k": Entry.of("EU-2: last two layers anew", ExactLastLayers, "training", family="EU-k"),
        "cf-k": Entry.of("CF-2: last two layers go on", CatastrophicLastLayers, "training", family="CF-k"),
    },
    "deletion",
)
deletion_named = DELETIONS.named
