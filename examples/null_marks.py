"""Does my network go by this mark?
================================

One network is given, with its data, and a suspicion: a watermark, faint noise over the whole image. The network's score
for the mark alone says little, since any noise may move a network. So the mark is compared with *null marks*: other
noise of the same strength, that nobody planted. Nothing is trained to answer.
"""

# %%
# Two networks to ask: one learnt from clean images, of the other's training images 40 carried the watermark.

from pathlib import Path

from matplotlib.figure import Figure

from spurlab import RECIPES, Member, Planted, fit, load, make_pattern, plant
from spurlab.audit import pull

TARGET, SEED = 0, 0

data = load("fashion-mini@4000")
watermark = make_pattern("R1", data.shape, SEED)
lessons = {"marked": plant(data.train, watermark, TARGET, 40, SEED), "clean": Planted.none(data.train)}
recipe = RECIPES["quick"].lasting(8)
networks = fit("small-mlp", [Member(lesson, SEED) for lesson in lessons.values()], recipe, classes=data.classes)

# %%
# Of each network: the share of test images that the watermark pulls to a class, and how many other watermarks pull as
# much. p is the rank among them, over all classes at once, so it needs no correction for ten classes.

found = {
    name: pull(networks.member(i), data.test, watermark, draws=199, seed=SEED, name="watermark")
    for i, name in enumerate(lessons)
}
for name, one in found.items():
    print(f"{name}: {one}")

# %%

figure = Figure(figsize=(7, 3.8), layout="constrained")
for axes, (name, one) in zip(figure.subplots(2, 1, sharex=True), found.items(), strict=True):
    axes.hist(one.nulls, bins=[i / 40 for i in range(41)], color="#BBBBBB", label=f"{one.draws} other watermarks")
    axes.axvline(one.score, color="#D55E00", label="the watermark")
    title = f"learnt from {name} images: {one.verdict} (p = {one.p:.3g})"
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel("null marks")
axes.set_xlabel("share of test images that are pulled to the class")
axes.legend(frameon=False)
Path("out").mkdir(exist_ok=True)
figure.savefig("out/null_marks.png", dpi=150)
figure

# %%
# **What one network can say.** The mark was chosen since it shows the effect: for the stronger noise R3 on 20 images
# the marked network's p was .145, since it goes by other such noise, too; and a square (S3) has no marks like it on
# these images, so that its answer is "not tested". With 199 null marks p is never below .005. What is said is about
# this network, not about others trained on the same data. A network that goes by *any* noise goes by this one no more
# than by its like, and then nothing is shown. ``spurlab audit`` asks the same of a network and images in files, looks
# for the training images that teach the mark, and tries repairs.
