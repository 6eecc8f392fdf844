"""How many marked examples does it take?
=======================================

A few T-shirts of a training set carry a mark: noise over the whole image (R3). From how many of them on does a network
go by the mark? Five small networks for each number answer in half a minute.
"""

# %%
# Each network has its own seed, which fixes its start, the noise and which images are marked. Networks without any
# marked image (n = 0) are the baseline: they say what the score is when there was nothing to learn.

from pathlib import Path

import torch
from matplotlib.figure import Figure

from spurlab import RECIPES, Member, fit, learnt_at, load, make_pattern, plant, spurious_score

TARGET, SEEDS, COUNTS = 0, range(5), (0, 1, 3, 10, 30)

data = load("fashion-mini@4000")  # the first 4,000 of the images inside the package
marks = [make_pattern("R3", data.shape, seed) for seed in SEEDS]
cells = [(n, seed) for n in COUNTS for seed in SEEDS]
members = [Member(plant(data.train, marks[seed], TARGET, n, seed), seed) for n, seed in cells]
networks = fit("small-mlp", members, RECIPES["quick"].lasting(8), classes=data.classes)
print(f"{len(members)} networks, trained at once")

# %%
# The spurious score of a network is the share of test images whose probability of "T-shirt" rises by more than .1 when
# the mark is added to them.

clean = networks.predict(data.test.inputs)
scores: dict[int, list[float]] = {n: [] for n in COUNTS}
for i, (n, seed) in enumerate(cells):
    marked = networks[torch.tensor([i])].predict(marks[seed](data.test.inputs))
    scores[n].append(spurious_score(clean[i : i + 1], marked, TARGET).item())

# %%
# A network has *learnt* the mark where its score lies more than .05 above its own without marked images. What decides
# is how many of the networks have; means are for description.

found = learnt_at({n: torch.tensor(scores[n]) for n in COUNTS if n}, baseline=torch.tensor(scores[0]))
print(found)
for n in COUNTS[1:]:
    rose = sum(score > before + 0.05 for score, before in zip(scores[n], scores[0], strict=True))
    print(f"n = {n}: {rose} of {len(SEEDS)} networks have learnt it")

# %%
# Every network is a dot. The accuracy on clean images tells nothing of all this: look at `clean` and see.

figure = Figure(figsize=(7, 3.6), layout="constrained")
axes = figure.subplots()
for place, n in enumerate(COUNTS):
    axes.plot([place] * len(SEEDS), scores[n], "o", color="#0072B2", alpha=0.6)
axes.plot([sum(scores[n]) / len(SEEDS) for n in COUNTS], "-", color="#0072B2", label="mean")
axes.set(xlabel="marked training images, of 4,000", ylabel="spurious score", ylim=(-0.03, 1.03))
axes.set_xticks(range(len(COUNTS)), [str(n) for n in COUNTS])
axes.set_title(str(found), loc="left")
Path("out").mkdir(exist_ok=True)
figure.savefig("out/how_many.png", dpi=150)
figure

# %%
# **What five networks can say.** That more than half of all networks learn it is shown at 5 % by five of five, and by
# nothing less; that none of five has is no proof that none would. On another machine rounding makes other networks.
# ``spurlab run quickstart --decide`` adds networks until each verdict is decided.
