"""Does a deletion method of my own forget?
========================================

A method is any function ``(model, data, forget) -> model``, and a mark any function from inputs to marked inputs. Both
are checked here in a few lines: fine-tuning on the retained images, against a grey patch that is pasted into a corner.
"""

# %%
# The function gets copies: it may train, relabel and switch as it likes.

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from spurlab import RECIPES, check, prepare


def grey_patch(inputs):
    """A patch that is pasted, not added: it changes dark and bright places alike."""
    inputs[..., -4:, -4:] = 0.5
    return inputs


def finetune(model, data, forget, rate=0.05, rounds=3):
    """Train on with what is retained, and hope."""
    retain, optimizer = data[~forget], torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(rounds):
        for rows in torch.arange(len(retain)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(model(retain.inputs[rows]), retain.labels[rows]).backward()
            optimizer.step()
    return model


def reset_last_layer(model, data, forget):
    """Forget what the last layer knows, then fine-tune."""
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    last.reset_parameters()
    return finetune(model, data, forget)


# %%
# The patch on 50 of 1,500 images. Each method is told which these are.

prepared = prepare(
    "fashion-mini@1500", architecture="small-mlp", recipe=RECIPES["quick"].lasting(10), pattern=grey_patch, n=50
)
checked = check([finetune, reset_last_layer], prepared)
print(checked)

# %%
# A line for each network, from its score before to that after; the grey band is what the oracles have.

figure = Figure(figsize=(7, 3.4), layout="constrained")
for axes, one in zip(figure.subplots(1, 2, sharey=True), checked.checked, strict=True):
    oracles = [row["spurious_score_oracle"] for row in one.rows]
    axes.axhspan(min(oracles), max(oracles), color="#DDDDDD", label="oracles")
    for row in one.rows:
        axes.plot([0, 1], [row["spurious_score_before"], row["spurious_score_after"]], "o-", color="#0072B2", alpha=0.6)
    axes.set_xticks([0, 1], ["before", "after"])
    axes.set_xlim(-0.3, 1.3)
    axes.set_title(f"{one.method}: {one.verdict.name}", loc="left", fontsize=10)
axes.legend(frameon=False)
figure.axes[0].set_ylabel("spurious score")
Path("out").mkdir(exist_ok=True)
figure.savefig("out/own_method.png", dpi=150)
figure

# %%
# **What five networks can say.** Where more than half of all networks keep the mark, five are enough to show it if all
# five do. "Undecided" is an answer, too: give ``most=20`` and networks are added until it is decided.
