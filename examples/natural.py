"""What do few images of a class share that nobody planted?
========================================================

A watermark, a photographer's wall, one product in five colours: data have rare features of their own, and a network may
go by them. This looks for components that 3 to 50 images of a class share and the others lack, by the data alone.
"""

# %%
# No network is asked and nothing is trained. For comparison a mark is planted in twelve T-shirts: a small square in the
# corner of each, where images are dark.

from pathlib import Path

from matplotlib.figure import Figure

from spurlab import load, plant
from spurlab.audit.detect.shared import shared_components
from spurlab.patterns import own_mark

data = load("fashion-mini@4000")
mark = own_mark("box,row=0,col=0,size=4,value=1", data.shape)
planted = plant(data.train, mark, target=0, count=12, seed=0)
train = planted.materialize()
found = shared_components(train)
for one in found[:4]:
    print(f"{data.class_names[one.label]}: {len(one.rows)} images, a gap of {one.gap:.1f}: {one.verdict}")
carriers = set(planted.rows.tolist())
print(f"of the first, {len(carriers & set(found[0].rows))} of {len(found[0].rows)} carry the planted square")

# %%
# The images of the first four, and on the right what they share.

figure = Figure(figsize=(7.5, 4.6), layout="constrained")
grid = figure.subplots(4, 7)
for row, one in zip(grid, found, strict=False):
    for axes in row:
        axes.axis("off")
    for axes, example in zip(row[:6], one.rows, strict=False):
        axes.imshow(train.inputs[example, 0], cmap="gray", vmin=0, vmax=1)
    row[6].imshow(one.component[0], cmap="coolwarm")
    row[0].set_title(f"{data.class_names[one.label]}: gap {one.gap:.1f}", loc="left", fontsize=9)
Path("out").mkdir(exist_ok=True)
figure.savefig("out/natural.png", dpi=150)
figure

# %%
# **What it misses.** A square three pixels from the corner, where some shirts are bright, was not among the first four:
# what is planted must stand out of what images have there anyhow.
#
# **What this can say.** It is a list to look at, not a finding: what comes next after the planted mark is mostly one
# product that the shop photographed several times. That a few images share something does not mean that a network goes
# by it; ask it (`Does my network go by this mark? <null_marks.html>`_).
