"""How do I run a study in Python, and what does it say?
=====================================================

A study is a file; here a ready one, with some settings changed. It trains what is missing, keeps each network in a
folder, draws the figure and judges claims. Running it again trains nothing.
"""

# %%
# Noise on a few of 2,000 images, two optimizers and five seeds: a list is an axis of the grid. Networks without marked
# images (n = 0) are always there.

from spurlab import run
from spurlab.report import curves, groups, study_figure, verdict_of

CHANGES = [
    "dataset=fashion-mini@2000",
    "pattern=R3",
    "n=[0, 3, 30]",
    "seed=[0, 1, 2, 3, 4]",
    "recipe.epochs=5",
    "recipe.milestones=[4]",
    "recipe.optimizer=['adam', 'sgd']",
]

finished = run("quickstart", "out/study", changes=CHANGES)
print(len(finished.rows), "rows, one for each number that was measured")
print(finished.rows[["pattern", "n", "seed", "optimizer", "measure", "value"]].head())

# %%
# The figure that the command line writes.

figure = study_figure(finished)
figure

# %%
# What it says is in numbers first. Each curve has its n*, and claims of the documents that these rows bear on have a
# verdict: an outcome, and the sentence that was made from the numbers.

for group in groups(finished.rows):
    for curve in curves(group.rows):
        print(group.title, curve.pattern, "-", verdict_of(curve))
for verdict in finished.verdicts:
    print(verdict.outcome, "-", verdict.finding)

# %%
# Asked again, every network is found in the folder.

again = run("quickstart", "out/study", changes=CHANGES)
assert again.rows["value"].equals(finished.rows["value"])

# %%
# **What five networks can say.** Five of five show that more than half of all networks do it; four of five do not, and
# then a verdict stays undecided. ``run(..., decide=True)`` adds seeds until it is not, up to twenty.
