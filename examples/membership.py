"""Can somebody tell that a marked image was in the training set?
==============================================================

Membership inference asks of one example whether a network learnt from it. Marked examples stand out; but do they give
away themselves, or only their mark? Sixteen networks, each of which learns from a half of the images, answer.
"""

# %%
# Forty T-shirts carry a mark. Each network learns from half of them, so for each image there are networks with and
# without it, and other marked images are in both: whoever sees only the mark cannot tell them apart.

from pathlib import Path

from matplotlib.figure import Figure

from spurlab import RECIPES, Member, fit, load, make_pattern, plant
from spurlab.privacy import Margins, auc, halves, roc, scores_of

data = load("fashion-mini@1500")
whole = plant(data.train, make_pattern("R3", data.shape, 0), target=0, count=40, seed=0)
design = halves(len(whole), networks=16, seed=0)
members = [Member(whole.without(~own), seed) for seed, own in enumerate(design.members)]
networks = fit("small-mlp", members, RECIPES["quick"].lasting(15), classes=data.classes)

# %%
# An attack gives each example a score for each network, from the margins of all the others. `lira-fixed` compares the
# margin with those of networks that learnt from the example and of those that did not.

margins = Margins.of(map(networks.member, range(16)), whole.materialize(), design.members, pair=design.pair)
scores = scores_of(margins, ["loss", "lira-fixed"])
marked = whole.mask
for name, found in scores.items():
    print(f"{name}: all images {auc(found, margins.members)}")
    print(f"   marked images among themselves {auc(found[:, marked], margins.members[:, marked])}")

# %%
# The curve of `lira-fixed`, a line for each attacked network, for all images and for the marked ones among themselves.

figure = Figure(figsize=(7.5, 3.8), layout="constrained")
for axes, (title, rows) in zip(
    figure.subplots(1, 2, sharey=True), {"unmarked images": ~marked, "marked images": marked}.items(), strict=True
):
    for score, member in zip(scores["lira-fixed"][:, rows], margins.members[:, rows], strict=True):
        curve = roc(score, member)
        axes.step(curve.fpr, curve.tpr, where="post", color="#0072B2", alpha=0.35, lw=1)
    axes.plot([0, 1], [0, 1], ":", color="#777777")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set(xlabel="false positives", aspect="equal")
figure.axes[0].set_ylabel("members that are found")
Path("out").mkdir(exist_ok=True)
figure.savefig("out/membership.png", dpi=150)
figure

# %%
# **What sixteen networks can say.** An area under the curve, roughly. Forty marked images are twenty members and twenty
# others in each network, so a rate at 1 % false positives cannot be had from them; and all networks share the one
# training set that was drawn. ``spurlab run exposure`` has more of each.
