"""What do marks look like, and how large are they?
================================================

The patterns of the paper are squares in a corner (S1 to S3), noise over the whole image (R1 to R3) and a constant (Co).
This draws them on four images, beside marks of one's own, and measures how far they move an image.
"""

# %%
# A mark is a value that maps inputs to marked inputs, and leaves those that it gets alone.

from pathlib import Path

from spurlab import MARKS, empirical_norm, load, make_pattern
from spurlab.patterns import own_mark
from spurlab.report import pattern_gallery

data = load("fashion-mini@500")
images = data.test.inputs[:6]
ready = {name: make_pattern(name, data.shape) for name in MARKS if MARKS[name].template.axes == 3}
own = {
    "box": own_mark("box,row=20,col=4,size=6x3,value=.6", data.shape),
    "faint noise": own_mark("noise,r=.2", data.shape),
}

# %%
# Large marks are learnt more easily: the norm says how far the mark moves an image in the mean, after clipping.

strips = {"clean": images}
for name, mark in {**ready, **own}.items():
    strips[name] = mark(images)
    print(f"{name}: norm {empirical_norm(images, strips[name]).mean():.2f}")

# %%

figure = pattern_gallery(strips, "Six test images under each mark")
Path("out").mkdir(exist_ok=True)
figure.savefig("out/marks.png", dpi=150)
figure

# %%
# **What this can say.** How a mark looks to a person, which is not how it looks to a network: R1 can hardly be seen and
# is learnt. A picture of your own is a mark, too: ``own_mark("logo.png,at=top-right,size=8", data.shape)``.
