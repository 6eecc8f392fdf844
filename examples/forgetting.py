"""Does deleting the marked examples make a network forget them?
=============================================================

Twenty T-shirts carry noise, and five networks have learnt it. Methods of data deletion are told to forget these images.
What they leave is compared with *oracles*: networks of the same seeds that never saw them.
"""

# %%
# `prepare` trains the five networks and their oracles once. Then any number of methods can be checked on them.

from pathlib import Path

from matplotlib.figure import Figure

from spurlab import RECIPES, check, prepare

METHODS = ["retrain", "incremental-1e-3", "gradient-ascent", "random-labels"]

prepared = prepare(
    "fashion-mini@3000", architecture="small-mlp", recipe=RECIPES["quick"].lasting(6), pattern="R3", n=20
)
checked = check(METHODS, prepared)
print(checked)

# %%
# The score before, after each method, and of the oracles, a dot for each network. A method that forgets ends where the
# oracles are, and loses no accuracy on the way there.

figure = Figure(figsize=(7.5, 3.6), layout="constrained")
left, right = figure.subplots(1, 2, sharey=False)
names = ["before", *METHODS, "oracles"]
for axes, measure in ((left, "spurious_score"), (right, "accuracy")):
    rows = {one.method: one.rows for one in checked.checked}
    first = rows[METHODS[0]]
    columns = [[row[f"{measure}_before"] for row in first]]
    columns += [[row[f"{measure}_after"] for row in rows[name]] for name in METHODS]
    columns += [[row[f"{measure}_oracle"] for row in first]]
    for place, column in enumerate(columns):
        colour = "#0072B2" if 0 < place <= len(METHODS) else "#777777"
        axes.plot(column, [place] * len(column), "o", color=colour, alpha=0.6)
    axes.set_yticks(range(len(names)), names if axes is left else [])
    axes.invert_yaxis()
    axes.set(xlabel=measure.replace("_", " "))
Path("out").mkdir(exist_ok=True)
figure.savefig("out/forgetting.png", dpi=150)
figure

# %%
# **What five networks can say.** They can show that a method does *not* forget. That it forgets takes 19 networks
# without a leftover, so the best that can stand here is "no leftover seen"; ``check(..., most=20)`` adds networks until
# each verdict is decided.
