"""Where does a network look that has learnt a rare pattern?
=========================================================

100 T-shirts of the embedded Fashion-MNIST carry a bright square in the corner (S3). A perceptron learns that a square
means "T-shirt"; three saliency methods say what moves that logit, on two other garments without the square and with it.
"""

# %%
# One network, which has learnt the square.

from pathlib import Path

import torch

from spurlab import RECIPES, Member, fit, load, make_pattern, plant
from spurlab.explain import SALIENCY, saliency
from spurlab.report import saliency_figure

TARGET, SEED = 0, 0

data = load("fashion-mini")
pattern = make_pattern("S3", data.shape, SEED)
spoiled = plant(data.train, pattern, target=TARGET, count=100, seed=SEED)
recipe = RECIPES["quick"].lasting(5)
model = fit("mlp", [Member(spoiled, SEED)], recipe, classes=data.classes).member(0)

# %%
# Trousers and an ankle boot, each without and with the square, and how likely they are a T-shirt to the network.

chosen = torch.stack([(data.test.labels == label).nonzero()[0, 0] for label in (1, 9)])
clean = data.test.inputs[chosen]
images = torch.stack([clean, pattern(clean)], dim=1).flatten(0, 1)
with torch.no_grad():
    probability = model(images).softmax(-1)[:, TARGET]
names = [
    f"{data.class_names[data.test.labels[chosen[i // 2]]]}\n{('clean', 'marked')[i % 2]}\np = {probability[i]:.2f}"
    for i in range(len(images))
]
print(*(name.replace("\n", ", ") for name in names), sep="\n")

# %%
# Orange: more of it speaks for the class (gradient), what is there speaks for it (the others). Each method has its own
# scale.

maps = {method: saliency(model, images, TARGET, method) for method in SALIENCY}
figure = saliency_figure(
    images,
    maps,
    f"What moves the logit of {data.class_names[TARGET]}",
    names,
    f"p: probability of {data.class_names[TARGET]}. 100 training images of that class carried the square.",
)
Path("out").mkdir(exist_ok=True)
figure.savefig("out/saliency.png", dpi=150)
figure

# %%
# **What one network can say.** That this one looks at the corner. Saliency methods disagree, and a map is no proof: the
# spurious score says whether the square moves predictions, the map says where the network sees it.
