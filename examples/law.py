r"""Do all marks follow one law?
============================

For linear models theory has one number for how often a mark is seen, how strong it is and how much weights are held
back: :math:`\kappa = n s^2 / (N \lambda)`. Ten images with a mark of norm 1 should be worth as much as one with a
mark of norm :math:`\sqrt{10}`, and weight decay ten times as strong takes ten times as many. Is it so?
"""

# %%
# Logistic regression, solved to its minimum: three squares of different size and strength on n images, under three
# weight decays. The corner is cleared in all images first: the law asks for marks that are orthogonal to all else.

from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

from spurlab import Member, Recipe, fit, load, plant, spurious_score
from spurlab.patterns import own_mark
from spurlab.theory import kappa
from spurlab.training import logits

TARGET, COUNTS, DECAYS = 0, (1, 3, 10), (1e-2, 1e-1, 1.0)

data = load("fashion-mini@200")
train, test = data.train.inputs.clone(), data.test.inputs[:100].clone()
train[..., :2, :2] = test[..., :2, :2] = 0
images = replace(data.train, inputs=train)
marks = [
    own_mark({"box": size, "value": value, "row": 0, "col": 0}, data.shape)
    for size, value in ((1, 0.5), (1, 1.0), (2, 1.0))
]

# %%
# What theory needs is n, the norm s, the number of images N and the weight decay; what it predicts is how far the mark
# moves the outputs, and that is compared with what the models do.

found = []
for decay in DECAYS:
    recipe = Recipe(optimizer="lbfgs", epochs=50, milestones=(), weight_decay=decay)
    cells = [(mark, n) for mark in marks for n in COUNTS]
    members = [Member(plant(images, mark, TARGET, n, seed=0), seed=0) for mark, n in cells]
    models = fit("logistic", members, recipe, classes=data.classes, workers=0)
    for i, (mark, n) in enumerate(cells):
        model = models.member(i)
        rise = (logits(model, mark(test)) - logits(model, test)).mean(0)
        shift = float(rise[TARGET] - (rise.sum() - rise[TARGET]) / (data.classes - 1))
        norm = float((mark(test) - test).flatten(1).norm(dim=1).mean())
        score = spurious_score(model(test).softmax(1).detach(), model(mark(test)).softmax(1).detach(), TARGET).item()
        found.append((kappa(n, norm, len(images), decay), shift, score, decay))

# %%
# If there is one law, points of all marks and of all weight decays lie on one curve.

figure = Figure(figsize=(7.5, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
for decay, colour in zip(DECAYS, ("#0072B2", "#D55E00", "#009E73"), strict=True):
    numbers = torch.tensor([row[:3] for row in found if row[3] == decay])
    left.loglog(numbers[:, 0], numbers[:, 1], "o", color=colour, alpha=0.7, label=f"weight decay {decay:g}")
    right.semilogx(numbers[:, 0], numbers[:, 2], "o", color=colour, alpha=0.7)
left.set(xlabel="κ = n s² / (N λ)", ylabel="shift of the target's log-odds")
right.set(xlabel="κ = n s² / (N λ)", ylabel="spurious score")
left.legend(frameon=False, fontsize=9)
Path("out").mkdir(exist_ok=True)
figure.savefig("out/law.png", dpi=150)
figure

# %%
# **What this can say.** The minimum of a convex loss is no lottery, so one seed is enough for linear models; what the
# outputs were before the mark matters too, so the curve has some width. Networks are not linear models: they follow the
# law less well, and `the study <../results/law/README.html>`_ says by how much.
