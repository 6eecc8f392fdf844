"""The table of methods: what the command line offers, studies name and tests walk through."""

from spurlab.methods import Entry, Table
from spurlab.prevention.afr import Afr
from spurlab.prevention.balancing import Reweighting, Subsampling
from spurlab.prevention.clean_only import CleanOnly
from spurlab.prevention.dfr import Dfr
from spurlab.prevention.dp_sgd import DpSgd
from spurlab.prevention.erm import Erm
from spurlab.prevention.group_dro import GroupDro
from spurlab.prevention.irm import Irm
from spurlab.prevention.jtt import Jtt
from spurlab.prevention.lff import Lff
from spurlab.prevention.method import Prevention
from spurlab.prevention.mixup import Mixup

# A new method is one file and one line here. Stored results have settings in their names that change nothing.
PREVENTIONS = Table[Prevention](
    "prevention method",
    {
        "erm": Entry.of("ERM", Erm),
        "clean-only": Entry.of("clean examples alone", CleanOnly, "clean", "training"),
        "dfr": Entry.of("DFR", Dfr, "clean", "clean groups"),
        "dfr-plain": Entry.of("DFR, one plain refit", Dfr, "clean", norm="l2", balanced=False, refits=1),
        "afr": Entry.of("AFR", Afr, "training"),
        "afr-train": Entry.of("AFR, weights from training data", Afr, weights="train"),
        "group-dro": Entry.of("GroupDRO", GroupDro, "groups", "clean", "clean groups", "training"),
        "subg": Entry.of("SUBG", Subsampling, "groups", "training", by="group"),
        "suby": Entry.of("SUBY", Subsampling, "training", by="class"),
        "rwg": Entry.of("RWG", Reweighting, "groups", "training", by="group"),
        "rwy": Entry.of("RWY", Reweighting, "training", by="class"),
        "jtt": Entry.of("JTT", Jtt, "training"),
        "jtt-given": Entry.of("JTT, errors of the given network", Jtt, "training", first_epochs=None),
        "lff": Entry.of("LfF", Lff, "training"),
        "mixup": Entry.of("mixup", Mixup, "training"),
        "irm": Entry.of("IRM", Irm, "groups", "training"),
        "dp-sgd": Entry.of("DP-SGD", DpSgd, "training"),
    },
    "prevention",
    shortest=False,
)
prevention_named, canonical_name = PREVENTIONS.named, PREVENTIONS.canonical
title_of, settings_of, trains = PREVENTIONS.title_of, PREVENTIONS.settings_of, PREVENTIONS.trains
