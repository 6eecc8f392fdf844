r"""Do all marks follow one law?
============================

For linear models theory has one number for how often a mark is seen, how strong it is and how much weights are held
back: :math:`\kappa = n s^2 / (N \lambda)`. Ten images with a mark of norm 1 should be worth as much as one with a
mark of norm :math:`\sqrt{10}`, and weight decay ten times as strong takes ten times as many. Is it so?
"""

# %%
# Least squares with weight decay: squares of different size and strength on n images, under three weight decays. The
# corner is cleared in all images first: the law asks for marks that are orthogonal to all else.

from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

from spurlab import Member, Recipe, fit, load, plant
from spurlab.patterns import own_mark
from spurlab.theory import kappa, ridge_of_decay
from spurlab.training import logits

TARGET, COUNTS, DECAYS = 0, (1, 3, 10, 30), (1e-3, 1e-2, 1e-1)
SIZES = {"1 pixel, half bright": (1, 0.5), "1 pixel": (1, 1.0), "2 x 2": (2, 1.0), "4 x 4": (4, 1.0)}

data = load("fashion-mini@1000")
train, test = data.train.inputs.clone(), data.test.inputs[:200].clone()
train[..., :4, :4] = test[..., :4, :4] = 0
images = replace(data.train, inputs=train)
marks = {
    title: own_mark({"box": size, "value": value, "row": 0, "col": 0}, data.shape)
    for title, (size, value) in SIZES.items()
}

# %%
# Theory says: the mark raises the output of its class by the share :math:`\kappa / (1 + \kappa)` of what these images
# lacked to their label before. So measured is how far the mark raises it, over what was lacking.

found: dict[str, list[tuple[float, float]]] = {title: [] for title in marks}
cells = [(title, n) for title in marks for n in COUNTS]
planted = [plant(images, marks[title], TARGET, n, seed=0) for title, n in cells]
for decay in DECAYS:
    recipe = Recipe(optimizer="lbfgs", loss="mse", epochs=1, milestones=(), weight_decay=decay)  # solved in one step
    models = fit("logistic", [Member(each, 0) for each in planted], recipe, classes=data.classes, workers=0)
    for i, (title, n) in enumerate(cells):
        model, mark, carriers = models.member(i), marks[title], images.inputs[planted[i].rows]
        rise = (logits(model, mark(test)) - logits(model, test))[:, TARGET].mean()
        lacking = 1 - logits(model, carriers)[:, TARGET].mean()
        norm = float((mark(test[:1]) - test[:1]).norm())
        number = kappa(n, norm, len(images), ridge_of_decay(decay, data.classes))
        found[title].append((number, float(rise / lacking)))

# %%
# If there is one law, all marks and all weight decays lie on one curve, which theory draws without having seen them.

figure = Figure(figsize=(7, 3.8), layout="constrained")
axes = figure.subplots()
line = torch.logspace(-4, 3, 200)
axes.semilogx(line, line / (1 + line), color="#777777", label="κ / (1 + κ)")
for (title, points), look in zip(found.items(), ("o", "s", "^", "D"), strict=True):
    axes.semilogx(*zip(*points, strict=True), look, alpha=0.7, label=title)
axes.set(xlabel="κ = n s² / (N λ)", ylabel="rise of the output, of what was lacking")
axes.legend(frameon=False, fontsize=9)
Path("out").mkdir(exist_ok=True)
figure.savefig("out/law.png", dpi=150)
figure

# %%
# **What this can say.** The minimum of a convex loss is no lottery, so one model for each point is enough, and the law
# is exact here. Under cross-entropy it holds with another curve (`spurlab.theory.shift_softmax`). Networks are not
# linear models and follow it less well; ``spurlab run law`` says by how much.
