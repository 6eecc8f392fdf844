r"""Which words of a document move the network's answer: one number for each word, of the methods in `SALIENCY`.

A word has no gradient, its vector has: what the vector of the i-th word, :math:`e_i`, contributes is summed over its
dimensions. Captum computes the numbers.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from spurlab.data import PADDING, UNKNOWN
from spurlab.errors import InputError, did_you_mean
from spurlab.models import answer_of, arguments_for, asked, logits_in, unwrapped


def word_saliency(
    model: nn.Module,
    documents: Int64[Tensor, "n l"],
    target: int | Int64[Tensor, " n"] | None = None,
    method: str = "gradient",
    *,
    steps: int = 50,
    absolute: bool = False,
    rows: int = 100,
) -> Float[Tensor, "n l"]:
    r"""How much each word of a document speaks for a class, in units of its logit.

    Args:
        model: logits ``n k`` for documents ``n l``; it looks their words up in one `nn.Embedding`.
        documents: numbers of words, 0 after the last.
        target: the class, for all documents or for each; None: the class that the network predicts for each.
        method: ``gradient``: :math:`e_i \cdot \partial z_t / \partial e_i`. ``integrated-gradients``: its mean on the
            straight way from the vectors of padding (the zoo's are zero); the numbers of a document sum to the rise of
            the logit on that way. ``occlusion``: how far the logit falls where ``<unknown>`` stands in the word's
            place, or where a network that takes an attention mask attends to nothing there; needs no gradient.
        steps: of ``integrated-gradients``, at how many points the gradient is taken.
        absolute: absolute values.
        rows: how many documents (``occlusion``) or points on the way go through the network at once.

    Returns:
        0 where there is no word. Positive: the word speaks for the class.

    Raises:
        ValueError: no documents, another method, a target that is no class, a network with no embedding or several.

    Source: Captum's LayerGradientXActivation, LayerIntegratedGradients (Sundararajan, Taly and Yan 2017,
    arXiv:1703.01365) and FeatureAblation.

    >>> from spurlab.models import WordBag
    >>> model, document = WordBag((4, 6), 2, "sum"), torch.tensor([[2, 5, 0, 0]])
    >>> words = word_saliency(model, document, target=1)
    >>> torch.allclose(words[0, 0], model.embedding.weight[2] @ model.linear.weight[1])
    True
    """
    if documents.ndim != 2 or documents.dtype != torch.int64:
        raise InputError(
            f"documents are numbers of words, int64 `n l`, but these are {documents.dtype} of shape "
            f"{tuple(documents.shape)}."
        )
    if method not in _METHODS:
        raise InputError(f"there is no saliency method {method!r}. {did_you_mean(method, _METHODS)}")
    if min(steps, rows) < 1:
        raise InputError(f"`steps` and `rows` must be 1 or more, but they are {steps} and {rows}.")
    network = unwrapped(model)

    def logits(batch: Tensor) -> Tensor:
        return logits_in(answer_of(network, batch), batch)

    found = [documents.new_zeros((0, documents.shape[1]), dtype=torch.float32)]
    with asked(model), torch.inference_mode(False), torch.enable_grad():
        network.eval()
        table = _table_of_words(network, documents)
        masked = "attention_mask" in arguments_for(network, documents)[1]
        settings = {"steps": steps, "rows": rows, "nothing": PADDING if masked else UNKNOWN}
        for batch in documents.to(table.weight.device).split(rows):
            classes = _classes(logits, batch, target, sum(map(len, found)))
            words = _METHODS[method](logits, table, batch, classes, settings)
            found.append((words * (batch != 0)).detach().float().cpu())
    return torch.cat(found).abs() if absolute else torch.cat(found)


def _table_of_words(network: nn.Module, documents: Int64[Tensor, "n l"]) -> nn.Embedding:
    """The table in which a network looks the words of documents up, seen as it does so.

    Raises ValueError: there is none, or there are several.
    """
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
    if len(tables) == 1:
        return tables[0]
    asked = list[nn.Embedding]()
    if tables:
        longest = (documents != 0).sum(1).argmax() if len(documents) else 0  # of no words, kinds of words are alike
        first = documents[longest : longest + 1].to(tables[0].weight.device)
        words = arguments_for(network, first)[1].get("input_ids", first)

        def look(table: nn.Module, given: tuple[Tensor, ...]) -> None:
            if isinstance(table, nn.Embedding) and given and given[0].shape == words.shape and given[0].equal(words):
                asked.append(table)

        hooks = [table.register_forward_pre_hook(look) for table in tables]
        try:
            with torch.no_grad():
                answer_of(network, first)
        finally:
            for hook in hooks:
                hook.remove()
    if len(asked) != 1:
        raise InputError(
            f"this {type(network).__name__} looks words up in {len(asked)} of its {len(tables)} tables of vectors "
            "(nn.Embedding), and one is needed to say what each word does."
        )
    return asked[0]


def _classes(
    logits: Callable[[Tensor], Tensor], batch: Int64[Tensor, "n l"], target: int | Tensor | None, before: int
) -> Int64[Tensor, " n"]:
    """The class of each document of a batch, of which so many came before."""
    with torch.no_grad():
        outputs = logits(batch)
    if target is None:
        return outputs.argmax(1)
    wanted = torch.as_tensor(target, device=batch.device)
    wanted = wanted.expand(len(batch)) if wanted.ndim == 0 else wanted[before : before + len(batch)]
    if wanted.shape != (len(batch),) or wanted.dtype != torch.int64:
        raise InputError("`target` must be one class for all documents, or one for each.")
    if len(wanted) and not 0 <= int(wanted.min()) <= int(wanted.max()) < outputs.shape[1]:
        raise InputError(f"`target` must be a class from 0 to {outputs.shape[1] - 1}, but it is {target}.")
    return wanted


def _by_gradient(
    logits: Callable[[Tensor], Tensor], table: nn.Embedding, batch: Tensor, classes: Tensor, _: Mapping[str, int]
) -> Tensor:
    from captum.attr import LayerGradientXActivation  # noqa: PLC0415  # slow to import

    vectors: Tensor = LayerGradientXActivation(logits, table).attribute(batch, target=classes)
    return vectors.sum(-1)


def _by_integrated_gradients(
    logits: Callable[[Tensor], Tensor], table: nn.Embedding, batch: Tensor, classes: Tensor, settings: Mapping[str, int]
) -> Tensor:
    from captum.attr import LayerIntegratedGradients  # noqa: PLC0415  # slow to import

    about: dict[str, Any] = {"n_steps": settings["steps"], "internal_batch_size": settings["rows"]}
    start = torch.zeros_like(batch)  # no words, whose vectors are zero
    vectors: Tensor = LayerIntegratedGradients(logits, table).attribute(batch, start, target=classes, **about)
    return vectors.sum(-1)


def _by_occlusion(
    logits: Callable[[Tensor], Tensor], _: nn.Embedding, batch: Tensor, classes: Tensor, settings: Mapping[str, int]
) -> Tensor:
    with torch.no_grad():
        whole = logits(batch).gather(1, classes.unsqueeze(1))
        falls = torch.zeros(batch.shape, device=batch.device)
        for place in range(int((batch != 0).sum(1).max()) if len(batch) else 0):
            hidden = batch.clone()
            hidden[:, place] = settings["nothing"]
            falls[:, place] = (whole - logits(hidden).gather(1, classes.unsqueeze(1))).squeeze(1)
    return falls


_METHODS = {
    "gradient": _by_gradient,
    "integrated-gradients": _by_integrated_gradients,
    "occlusion": _by_occlusion,
}
