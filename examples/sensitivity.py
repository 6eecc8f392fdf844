"""How many of its pixels does a network need?
===========================================

If most of an image can be removed and the network is as sure as before, then it goes by little, and a small mark may be
enough to move it. Pixels are set to zero in random order, and the probability of the true class is followed.
"""

# %%
# Three architectures, three networks each.

from pathlib import Path

from matplotlib.figure import Figure

from spurlab import RECIPES, Member, Planted, fit, load
from spurlab.explain import input_sensitivity, sensitivity_examples

SEEDS = range(3)
NETWORKS = {"logistic": "logistic regression", "small-mlp": "small perceptron", "mlp": "perceptron"}
SHARES = [step / 10 for step in range(11)]

data = load("fashion-mini@2000")
examples = sensitivity_examples(data.train, seed=0, count=200)
members = [Member(Planted.none(data.train), seed) for seed in SEEDS]
curves = {}
for name, title in NETWORKS.items():
    networks = fit(name, members, RECIPES["quick"].lasting(8), classes=data.classes, workers=0)
    curves[title] = input_sensitivity(networks.predict, examples.inputs, examples.labels, seed=0, shares=SHARES)
    print(f"{title}: {curves[title][:, 0].mean():.3f} with all pixels, {curves[title][:, 5].mean():.3f} with half")

# %%
# A line for each network. One that stays high needs few of its pixels.

figure = Figure(figsize=(7, 3.6), layout="constrained")
axes = figure.subplots()
for (title, some), colour in zip(curves.items(), ("#009E73", "#D55E00", "#0072B2"), strict=True):
    for i, curve in enumerate(some):
        axes.plot(SHARES, curve, color=colour, alpha=0.7, label=title if i == 0 else None)
axes.set(xlabel="share of the lit pixels that are set to zero", ylabel="probability of the true class", ylim=(0, 1))
axes.legend(frameon=False)
Path("out").mkdir(exist_ok=True)
figure.savefig("out/sensitivity.png", dpi=150)
figure

# %%
# **What three networks can say.** That curves of two architectures which nowhere touch are apart in these networks. An
# image without half of its pixels is like nothing that the network has seen, so the curve is about its answer to such
# images too, not only about what it needs. The study ``fig4-sensitivity`` has the paper's networks.
