"""How fast does JAX train the same networks: `vmap` over members, `scan` over steps, `jit`, with all threads?

Usage: python benchmarks/jax_peer.py [--full] [--json [FILE]]    (pip install jax)

Ten of the paper's MLPs (784-256-256-256-10) on 60,000 inputs of Fashion-MNIST's shape, batch 128, Adam with rate 0.01,
float32: what `benchmarks/training.py` trains, which has this as one of its rows where JAX is installed. Each member
gathers its own batches from the shared inputs. Seconds are for one epoch (469 steps) of one network, scaled from blocks
of steps; to compile is not timed, to draw the orders of the examples is.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lockstep import BATCH, CLASSES, RECIPE, STEPS, WIDTHS, Seen, fashion_mnist, memory, together
from reporting import Report, Row, parser_of
from spurlab.training.workers import Job

GROUP = 10


def installed() -> bool:
    """Whether the peer is here; no extra of Spurlab brings it."""
    return importlib.util.find_spec("jax") is not None


def trainer(members: int) -> tuple[Any, Callable[..., Any]]:
    """Untrained networks with their moments, and a function that trains them: (state, rows, inputs, labels) to state.

    `rows` are of shape members x steps x batch. The state that is given is used up.
    """
    import jax  # noqa: PLC0415 - optional
    from jax import numpy as jnp  # noqa: PLC0415

    rate, first, second, epsilon = RECIPE.learning_rate, 0.9, 0.999, 1e-8

    def initial(key: Any) -> list[Any]:
        layers = []
        for before, after in pairwise(WIDTHS):
            key, own = jax.random.split(key)
            bound = before**-0.5
            layers.append((jax.random.uniform(own, (after, before), minval=-bound, maxval=bound), jnp.zeros(after)))
        return layers

    def loss(layers: list[Any], x: Any, labels: Any) -> Any:
        for weight, bias in layers[:-1]:
            x = jax.nn.relu(x @ weight.T + bias)
        weight, bias = layers[-1]
        right = jnp.take_along_axis(jax.nn.log_softmax(x @ weight.T + bias), labels[:, None], 1)
        return -right.mean()

    def step(state: Any, rows: Any, inputs: Any, labels: Any) -> tuple[Any, Any]:
        layers, mean, square, done = state
        done = done + 1
        value, gradient = jax.value_and_grad(loss)(layers, inputs[rows], labels[rows])
        mean = jax.tree.map(lambda m, g: first * m + (1 - first) * g, mean, gradient)
        square = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, square, gradient)
        size, root = rate / (1 - first**done), jnp.sqrt(1 - second**done)
        layers = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v) / root + epsilon), layers, mean, square)
        return (layers, mean, square, done), value

    @partial(jax.jit, donate_argnums=0)
    def train(state: Any, rows: Any, inputs: Any, labels: Any) -> Any:
        def member(state: Any, rows: Any) -> Any:
            return jax.lax.scan(lambda state, rows: step(state, rows, inputs, labels), state, rows)[0]

        return jax.vmap(member)(state, rows)

    layers = jax.vmap(initial)(jax.random.split(jax.random.key(0), members))
    zeros = [jax.tree.map(jnp.zeros_like, layers) for _ in range(2)]
    return (layers, *zeros, jnp.zeros(members)), train


def jax_process(pipe: Connection, number: int, folder: Path, members: int, blocks: int, steps: int) -> None:
    """One process: trains a group with all threads and tells what it saw."""
    import jax  # noqa: PLC0415
    from jax import numpy as jnp  # noqa: PLC0415

    base, seen = Job.read(folder).base, Seen()
    inputs, labels = jnp.asarray(base.inputs.flatten(1).numpy()), jnp.asarray(base.labels.numpy().astype(np.int32))
    rng, examples = np.random.default_rng(number), len(base)
    start = time.perf_counter()
    orders = np.stack([rng.permutation(examples) for _ in range(members)])
    seen.orders = time.perf_counter() - start
    state, train = trainer(members)
    for block in range(blocks + 1):  # the first compiles
        at = block * steps * BATCH % (examples - steps * BATCH)
        rows = jnp.asarray(orders[:, at : at + steps * BATCH].reshape(members, steps, BATCH).astype(np.int32))
        start = time.perf_counter()
        state = jax.block_until_ready(train(state, rows, inputs, labels))
        if block > 0:
            seen.steps.append((time.perf_counter() - start) / steps)
    seen.peak, seen.own = memory()
    pipe.send(seen)


def time_jax(folder: Path, members: int, blocks: int, steps: int) -> tuple[list[float], Seen]:
    """Seconds of an epoch of one network, one for each block; and all that was seen."""
    (seen,) = together(1, jax_process, folder, members, blocks, steps)
    return [(seen.orders + STEPS * step) / members for step in seen.steps], seen


def main() -> None:
    """Measure, and tell."""
    asked = parser_of(__doc__, "more blocks of steps").parse_args()
    if not installed():
        raise SystemExit("JAX is not installed (pip install jax).")
    blocks = 9 if asked.full else 3
    report = Report(asked.json, blocks=blocks, steps=40)
    base, data = fashion_mnist()
    with tempfile.TemporaryDirectory(prefix="spurlab-bench-") as name:
        Job("mlp", base, CLASSES, "lockstep").write(Path(name))
        seconds, _ = time_jax(Path(name), GROUP, blocks, 40)
    report.show(
        f"JAX, {GROUP} members, float32, on {data}: {median(seconds):.4f} s for one epoch of one network "
        f"({min(seconds):.4f} - {max(seconds):.4f})"
    )
    report.end([Row(f"JAX, {GROUP} members, one process, float32", median(seconds), "s", seconds)], data=data)


if __name__ == "__main__":
    main()
