"""How do I run a study in Python, and what does it say?
=====================================================

A study is a file; here a ready one, with some settings changed. It trains what is missing, keeps each network in a
folder, draws the figure and judges claims. Running it again trains nothing.
"""

# %%
# Two patterns, three numbers of marked images and three seeds, on 3,000 images.

from spurlab import run
from spurlab.report import study_figure

CHANGES = [
    "dataset=fashion-mini@3000", "architecture=small-mlp", "pattern=['R3', 'S3']", "n=[0, 3, 30]", "seed=[0, 1, 2]",
    "recipe.epochs=6",
]  # fmt: skip

finished = run("quickstart", "out/study", changes=CHANGES)
print(len(finished.rows), "rows, one for each number that was measured")
print(finished.rows[["pattern", "n", "seed", "measure", "value"]].head())

# %%
# The figure that the command line writes, and the curves with their answers in numbers.

figure = study_figure(finished)
figure

# %%
# Verdicts are values: an outcome, and the sentence that was made from the numbers.

for verdict in finished.verdicts:
    print(verdict.outcome, "-", verdict.finding)

# %%
# Asked again, every network is found in the folder.

again = run("quickstart", "out/study", changes=CHANGES)
assert again.rows["value"].equals(finished.rows["value"])

# %%
# **What three networks can say.** Three of three would come about by chance once in eight if half of all networks did
# it, so verdicts stay undecided. ``run(..., decide=True)`` adds seeds until they are not, up to twenty.
