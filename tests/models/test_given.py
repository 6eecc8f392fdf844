"""Networks of the user's, kind by kind: what `fit` can train, all who ask networks can use; the rest is refused."""

import copy
from collections import namedtuple
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from spurlab.data import Dataset, Examples, Source
from spurlab.deletion import check, deletion_named
from spurlab.explain import SALIENCY, input_sensitivity, saliency
from spurlab.models import ask, asked, check_answers, features, made, unwrapped
from spurlab.patterns import Pattern, Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, fit, logits, predictions, train_group

RECIPE = Recipe(epochs=1, milestones=(), batch_size=16)
Answer = namedtuple("Answer", "logits aux")


class Net(nn.Module):
    """A small network; what is special about it comes from `how`."""

    def __init__(self, how=""):
        super().__init__()
        self.how = how
        self.first, self.second, self.last = nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 2)
        if how == "tied":
            self.second.weight = self.first.weight
        if how == "recurrent":
            self.second = nn.GRU(3, 9, batch_first=True)
        if how == "complex":
            self.turn = nn.Parameter(torch.randn(9, dtype=torch.complex64))
        if how == "unsaved":
            self.register_buffer("turn", torch.randn(9), persistent=False)
        if how == "attribute":
            self.scale = 1 + torch.rand(()).item()
        if how in ("counted", "replaced"):
            self.register_buffer("seen", torch.zeros(9))

    def forward(self, x):  # noqa: PLR0912 - a kind a branch
        x = x.flatten(1)
        match self.how:
            case "in place":
                x = x.sub_(0.5).div_(0.25)
            case "branch" if x.abs().max() > 0.5:
                x = x / x.abs().max()
            case "half inside":
                x = x.to(self.first.weight.dtype)
            case "unsaved":
                x = x * self.turn
            case "attribute":
                x = x * self.scale
            case "counted":
                self.seen += x.mean(0)
                x = x + self.seen
            case "replaced" if self.training:
                self.seen = 0.9 * self.seen + 0.1 * x.detach().mean(0)
        h = self.first(x).relu()
        if self.how == "replaced":
            h = h - self.seen
        if self.how == "complex":
            h = (h * self.turn).abs()
        if self.how == "branch" and h.max() > 1e-3:
            h = 2 * h
        h = self.second(h.view(-1, 3, 3))[0][:, -1] if self.how == "recurrent" else self.second(h).relu_()
        if self.how == "noise":
            h = F.dropout(h, 0.2, training=True)
        z = self.last(h)
        match self.how:
            case "dict":
                return {"features": h, "logits": z}
            case "object" | "aux":
                return Answer(z, z) if self.how == "object" or self.training else z
        return z


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *inputs):
        return self.module(*inputs)


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(2))


KINDS = {
    **{
        how: lambda how=how: Net(how)
        for how in (
            *("tied", "recurrent", "noise", "branch", "in place", "dict", "object", "aux", "unsaved"),
            *("attribute", "counted", "replaced"),
        )
    },
    "double": lambda: Net().double(),
    "lazy": lazy,
    "data parallel": lambda: nn.DataParallel(Net()),
    "a wrapper": lambda: Wrapper(Net("tied")),
    "compiled": lambda: torch.compile(Net(), backend="eager"),
    "compiled tied": lambda: torch.compile(nn.DataParallel(Net("tied")), backend="eager"),
    "frozen": lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 4).requires_grad_(False), nn.ReLU(), nn.Linear(4, 2)),
    "an unused branch": lambda: Wrapper(nn.ModuleList([Net(), nn.Linear(3, 3)])[0]),
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(scope="module")
def data():
    return Examples(torch.rand(40, 1, 3, 3, generator=rng_for(0, "test")), torch.arange(40) % 2)


@pytest.fixture(scope="module")
def trained(data):
    """kind -> two members of it, trained once."""
    found = {}

    def of(kind):
        if kind not in found:
            found[kind] = fit(KINDS[kind], [Member(Planted.none(data), s) for s in (0, 1)], RECIPE, classes=2)
        return found[kind]

    return of


def alone(network, inputs):
    """What PyTorch gives for one network, by hand."""
    inner = unwrapped(network)
    with torch.random.fork_rng(), torch.no_grad():
        answer = copy.deepcopy(inner)(inputs.clone().to(next(inner.parameters()).dtype))
    return (answer["logits"] if isinstance(answer, dict) else getattr(answer, "logits", answer)).float()


def trace(network):
    """All that must be as before."""
    state = [tensor.clone() for tensor in (*network.parameters(), *network.buffers())]
    modules = [(each.training, len(each._forward_hooks), len(each._forward_pre_hooks)) for each in network.modules()]
    return state, modules, [parameter.requires_grad for parameter in network.parameters()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_fit_trains_is_predicted_as_its_members_answer(kind, trained, data):
    """One after the other by plain PyTorch is the truth. What draws noise has none, but is the same in each call."""
    models = trained(kind)
    assert not models.diverged.any()
    found = models.predict(data.inputs)
    assert found.shape == (2, 40, 2)
    assert found.dtype == torch.float32
    assert found.equal(models.predict(data.inputs))
    assert not found[0].equal(found[1])
    for i in range(2):
        member = models.member(i)
        assert found[i].equal(predictions(member, data.inputs))
        assert logits(member, data.inputs).softmax(-1).allclose(found[i], atol=1e-6)
        if kind != "noise":
            assert found[i].allclose(alone(member, data.inputs).softmax(-1), atol=1e-6)
    whole = KINDS[kind]()
    if kind != "lazy":  # what is stored of a member fits into what the function makes
        whole.load_state_dict(models.member(0).state_dict())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "frozen"])
def test_its_losses_are_those_of_the_engine_that_takes_any(kind, trained, data):
    """The same numbers to rounding, whichever engine was chosen."""
    twice = [Member(Planted.none(data), s) for s in (0, 1)]
    plain = fit(KINDS[kind], twice, RECIPE, classes=2, engine="plain")
    torch.testing.assert_close(plain.trained.losses, trained(kind).trained.losses, rtol=1e-4, atol=1e-5)
    for name, weights in plain.trained.state.items() if kind != "lazy" else ():  # before batch norm a bias is idle
        torch.testing.assert_close(weights, trained(kind).trained.state[name], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_a_scripted_network_is_trained_and_predicted(data):
    """Hooks cannot be set in it, nor is it known under vmap."""
    make = lambda: torch.jit.trace(Net(), torch.zeros(2, 1, 3, 3), check_trace=False)  # noqa: E731
    models = fit(make, [Member(Planted.none(data), 0)], RECIPE, classes=2)
    assert models.predict(data.inputs)[0].equal(predictions(models.member(0), data.inputs))


def test_in_place_operations_before_and_after_do_not_matter(data):
    """The features are those that the last layer multiplied, and its outputs those that it gave."""

    class After(Net):
        def forward(self, x):
            h = self.first(x.flatten(1))
            z = self.last(h)
            h.zero_()
            return z.div_(2) if self.how == "scaled" else z

    network = After()
    wanted = network.first(data.inputs.flatten(1)).detach()
    torch.testing.assert_close(features(network, data.inputs), wanted)
    with pytest.raises(ValueError, match="its outputs are not the model's"):
        features(After("scaled"), data.inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_explained_and_is_left_as_it_was(kind, trained, data):
    """Inputs, weights, buffers, modes and hooks; PyTorch's generator and whether gradients are on."""
    network, inputs = trained(kind).member(0).train(), data.inputs.clone()
    before, generator = trace(network), torch.get_rng_state()
    maps = [saliency(network, inputs[:6], 1, method) for method in SALIENCY]
    curve = input_sensitivity(network, inputs, data.labels, seed=0, shares=(0.0, 0.5))
    network.eval()
    clean = predictions(network, inputs)
    network.train()
    for each in maps:
        assert each.shape == inputs[:6].shape
        assert each.dtype == torch.float32
        assert each.isfinite().all()
        assert each.abs().max() > 0
    if kind == "in place":  # as of the same network that works beside
        twin = copy.deepcopy(network)
        twin.forward = lambda x: Net.forward(twin, x.clone())
        assert saliency(twin, inputs[:6], 1).equal(maps[0])
    true = clean.gather(1, data.labels.unsqueeze(1)).double().mean()
    assert kind in ("noise", "counted") or abs(curve[0] - true) < 1e-6
    phi = features(network, inputs)
    assert phi.dtype == torch.float32
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with asked(network), torch.no_grad():
        wanted = ask(network.eval(), inputs).float()
    assert F.linear(phi, last.weight.float(), last.bias.float()).allclose(wanted, atol=1e-5)
    after = trace(network)
    assert inputs.equal(data.inputs)
    assert all(map(torch.equal, before[0], after[0]))
    assert before[1:] == after[1:]
    assert torch.get_rng_state().equal(generator)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_can_be_used_but_not_trained(dtype, data):
    """Its weights have 8 or 11 bits; the same network in float32 with these weights rounds its products less."""
    torch.manual_seed(0)
    network = Net().to(dtype).eval()
    exact = copy.deepcopy(network).float()
    for use in (predictions, features, lambda n, x: saliency(n, x, 1)):
        found = use(network, data.inputs)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, use(exact, data.inputs), rtol=0.1, atol=0.03)
    with pytest.raises(ValueError, match=rf"weights 'first.weight' of {dtype}.*\.float\(\)"):
        fit(lambda: Net().to(dtype), [Member(Planted.none(data), 0)], RECIPE, classes=2)


class Ends(nn.Module):
    def __init__(self, end, k=2):
        super().__init__()
        self.last, self.end = nn.Linear(9, k), end

    def forward(self, x):
        return self.end(self.last(x.flatten(1)))


REFUSED = {
    "a pair": (lambda z: (z, z), r"logits of shape \(\d+, .\), but gave tuple of 2.*one logit for each class"),
    "a list": (lambda z: [z], "but gave list of 1: one logit for each class"),
    "another dict": (lambda z: {"out": z}, "but gave dict with 'out': one logit for each class"),
    "a number": (lambda z: 3.0, "but gave float: one logit for each class"),
    "no logits": (lambda z: Answer(None, z), "but gave Answer of 2: one logit for each class"),
    "one logit": (lambda z: z[:, :1], r"but gave \(\d+, 1\): one logit for each class.*torch.stack"),
    "no axis": (lambda z: z[:, 0], r"but gave \(\d+,\): one logit for each class.*torch.stack"),
    "three axes": (lambda z: z[:, None], r"but gave \(\d+, 1, 2\): one logit for each class"),
    "the sum": (lambda z: z.sum(0, keepdim=True), r"but gave \(1, 2\): one logit for each class"),
    "complex": (lambda z: z * 1j, "but gave numbers of torch.complex64: one logit for each class"),
    "classes": (lambda z: z.round().long(), "but gave numbers of torch.int64: one logit for each class"),
    "softmax": (lambda z: z.softmax(1), "ends in a softmax: its outputs are probabilities already"),
    "its own softmax": (lambda z: z.exp() / z.exp().sum(1, keepdim=True), "ends in a softmax"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_one_logit_for_each_class_is_refused_by_all_in_the_same_words(what, data):
    end, words = REFUSED[what]
    network, x = Ends(end).eval(), data.inputs
    uses = [
        lambda: predictions(network, x),
        lambda: features(network, x),
        lambda: input_sensitivity(network, x, data.labels, seed=0, shares=(0.0,)),
        *(lambda m=m: saliency(network, x, 1, m) for m in SALIENCY),
        lambda: check_answers(network, x),
        *(
            lambda e=e: fit(lambda: Ends(end), [Member(Planted.none(data), 0)], RECIPE, classes=2, engine=e)
            for e in ("auto", "plain", "lockstep")
        ),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=f"(?s){words}"):
            use()


@pytest.mark.parametrize("end", [nn.Sigmoid(), torch.sigmoid, lambda z: z.sigmoid().clamp(1e-6, 1).view(-1, 2)])
def test_a_sigmoid_at_the_end_is_refused_where_training_begins(end, data):
    """Autograd names what made the outputs, however it was called; where gradients are off, it is asked once more."""
    with pytest.raises(ValueError, match="ends in a sigmoid: its outputs are probabilities already"):
        fit(lambda: Ends(end), [Member(Planted.none(data), 0)], RECIPE, classes=2)
    with pytest.raises(ValueError, match="ends in a sigmoid"):
        predictions(Ends(end).eval(), data.inputs)


@pytest.mark.parametrize("rows", [1, 3, 20])
def test_a_softmax_at_the_end_is_refused_for_any_number_of_examples(rows, data):
    with pytest.raises(ValueError, match="ends in a softmax"):
        predictions(Ends(lambda z: z.softmax(1)).eval(), data.inputs[:rows])


class Gated(nn.Module):
    """Its sigmoid is the last module that it names, and not the last that it runs; its logits are small at first."""

    def __init__(self, scale):
        super().__init__()
        self.body, self.head, self.gate = nn.Linear(9, 4), nn.Linear(4, 2), nn.Sigmoid()
        self.head.weight.data.fill_(scale)
        self.head.bias.data.fill_(scale)

    def forward(self, x):
        return self.head(self.gate(self.body(x.flatten(1))))


@pytest.mark.parametrize("scale", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 40])
def test_logits_between_0_and_1_are_logits(scale, rows, data):
    """Those of a head that starts at zero, and those of an untrained one; softmax of equal logits is 1/2."""
    assert_close(predictions(Gated(scale).eval(), data.inputs[:rows]), torch.full((rows, 2), 0.5))


@pytest.mark.parametrize("end", [lambda z: z.log_softmax(1), lambda z: z.sigmoid() * 4, lambda z: z.relu() / 9])
def test_logarithms_of_probabilities_and_bounded_logits_are_logits(end, data):
    """The softmax of log p is p."""
    models = fit(lambda: Ends(end), [Member(Planted.none(data), 0)], RECIPE, classes=2)
    with torch.no_grad():
        wanted = models.member(0)(data.inputs).softmax(-1)
    assert models.predict(data.inputs)[0].allclose(wanted, atol=1e-6)


def only(x):
    return nn.Sequential(nn.Flatten(), *x)


NOT_TRAINED = {
    "no weights": (lambda: only([nn.Flatten(), nn.AvgPool1d(4)]), "its weights are none"),
    "all frozen": (lambda: only([nn.Linear(9, 2)]).requires_grad_(False), "its weights are frozen"),
    "detached": (lambda: Ends(lambda z: z.detach()), "its logits do not lead back to its weights"),
    "wrong size": (lambda: only([nn.Linear(8, 2)]), r"cannot take a batch of shape \(8, 1, 3, 3\). RuntimeError: mat1"),
    "three classes": (lambda: only([nn.Linear(9, 3)]), r"logits of shape \(8, 2\), but gave \(8, 3\)"),
    "complex": (lambda: Net("complex"), "complex weights 'turn'"),
    "no network": (lambda: "net", "must make an nn.Module, but it made str"),
    "unused lazy": (lambda: Wrapper(Unused()), "'module.never.weight'.*does not use them"),
    "lazy that cannot": (lambda: only([nn.LazyLinear(4), nn.Linear(5, 2)]), r"cannot take a batch of shape \(2, 1, 3"),
    "in place for autograd": (lambda: Ends(lambda z: z.exp().mul_(2) ** 2 * Doubled()(z)), "be trained on a batch"),
    "batch norm": (lambda: only([nn.Linear(9, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)]), "one example.*`batch_size`"),
}


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.never, self.last = nn.LazyLinear(3), nn.Linear(9, 2)

    def forward(self, x):
        return self.last(x.flatten(1))


class Doubled(nn.Module):
    """What autograd keeps is changed behind its back."""

    def forward(self, z):
        kept = z.exp()
        kept.mul_(2)
        return kept


@pytest.mark.parametrize("what", NOT_TRAINED)
def test_what_cannot_be_trained_is_said_before_training_begins(what):
    data = Planted.none(Examples(torch.rand(33, 1, 3, 3, generator=rng_for(1, "test")), torch.arange(33) % 2))
    make, words = NOT_TRAINED[what]
    for engine in ("auto", "plain", "lockstep"):
        with pytest.raises(ValueError, match=f"(?s){words}"):
            fit(make, [Member(data, 0)], RECIPE, classes=2, engine=engine, progress=lambda _: pytest.fail("it began"))


def test_a_batch_of_one_is_foreseen_for_the_zoo_too():
    """ResNet halves 8 x 8 pixels down to one place, where batch norm has one value for each channel."""
    data = Planted.none(Examples(torch.rand(5, 3, 8, 8), torch.arange(5) % 2))
    with pytest.raises(ValueError, match="batch norm cannot be trained on a batch of one example"):
        fit("resnet18", [Member(data, 0)], RECIPE.but(batch_size=4), classes=2, progress=lambda _: pytest.fail("began"))


def shared_body():
    body = nn.Linear(9, 4)
    return lambda: nn.Sequential(nn.Flatten(), body, nn.ReLU(), nn.Linear(4, 2))


def same_each_time():
    network = Net()
    return lambda: network


def same_memory():
    start = torch.zeros(2, 9)

    def make():
        layer = nn.Linear(9, 2)
        layer.weight = nn.Parameter(start)
        return nn.Sequential(nn.Flatten(), layer)

    return make


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (same_each_time, "returns the same network each time"),
        (shared_body, "networks that share '1.weight'"),
        (same_memory, "networks that share '1.weight'"),
    ],
)
def test_a_function_that_does_not_make_new_networks_is_refused(function, words, data):
    """To train one member would change the others."""
    for engine in ("auto", "plain"):
        with pytest.raises(ValueError, match=f"{words}.*`copy.deepcopy`"):
            fit(function(), [Member(Planted.none(data), s) for s in (0, 1)], RECIPE, classes=2, engine=engine)


def images(n, rng):
    """Two classes, told apart by where a pixel is bright; the first pixel is free for a mark."""
    labels, inputs = torch.arange(n) % 2, 0.5 * torch.rand(n, 1, 3, 3, generator=rng)
    inputs[torch.arange(n), 0, 1, labels] += 0.4
    return Examples(inputs, labels)


@pytest.mark.parametrize("kind", ["tied", "recurrent", "branch", "dict", "lazy", "compiled", "double", "unsaved"])
def test_methods_of_deletion_take_it(kind, trained, data):
    """Each of these begins in another way: from new weights, from gradients of each example, from the last layer."""
    network, forget = trained(kind).member(0), torch.arange(40) < 4
    for method in ("retrain", "sisa", "fisher", "newton", "neggrad+", "bad-teacher"):
        make = partial(made, KINDS[kind], data.shape)
        after = deletion_named(method, RECIPE, 0, make)(network, data, forget)
        assert predictions(after, data.inputs).isfinite().all(), method


def test_a_check_makes_new_networks_as_fit_does():
    """Lazy layers are drawn before a method, or a retraining, can copy the network."""
    rng, offset = rng_for(3, "test"), torch.zeros(1, 3, 3)
    offset[0, 0, 0] = 1
    data = Dataset("dots", images(60, rng), images(30, rng), ("a", "b"), (0.0, 1.0), Source("", "", ""))
    mark = Pattern("corner", offset, 0.0, 1.0)
    found = check("retrain", data, architecture=lazy, recipe=RECIPE, pattern=mark, n=10, seeds=(1, 2), how="append")
    assert {row["failed"] for row in found.rows} == {""}


def test_an_activation_without_weights_may_be_shared(data):
    act = nn.ReLU()
    make = lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 4), act, nn.Linear(4, 2))  # noqa: E731
    assert len(fit(make, [Member(Planted.none(data), s) for s in (0, 1)], RECIPE, classes=2)) == 2


@pytest.mark.parametrize("kind", ["unsaved", "attribute"])
def test_lockstep_refuses_what_differs_and_is_not_saved(kind, data):
    """All members would be trained with what the first has drawn, and then be asked with their own."""
    with pytest.raises(ValueError, match=r"not saved, differs from member to member.*engine 'plain'"):
        train_group(lambda s: fit_made(kind, s), [Member(Planted.none(data), s) for s in (0, 1)], RECIPE)


def fit_made(kind, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net(kind)


def test_a_gradient_that_does_not_come_back_is_said_and_occlusion_needs_none(data):
    class Frozen(Net):
        def forward(self, x):
            with torch.no_grad():
                h = self.first(x.flatten(1))
            return self.last(h)

    network = Frozen()
    for method in ("gradient", "integrated-gradients"):
        with pytest.raises(ValueError, match=r"have no gradient at its inputs.*'occlusion'"):
            saliency(network, data.inputs, 1, method)
    assert saliency(network, data.inputs, 1, "occlusion").abs().max() > 0


@pytest.mark.parametrize("in_place", [True, False])
def test_compiled_after_use_hooks_still_see_it(in_place, data):
    """Compiled code keeps the hooks that it knew when it was made; the features come by a new one."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    wanted = features(plain, data.inputs)
    network = plain
    if in_place:
        plain.compile(backend="eager")
    else:
        network = torch.compile(plain, backend="eager")
    with torch.inference_mode():
        network(data.inputs)
    assert features(network, data.inputs).allclose(wanted, atol=1e-6)
    assert features(Wrapper(network), data.inputs).allclose(wanted, atol=1e-6)


class Branching(nn.Module):
    """TorchScript keeps numbers for gradients, which inference mode forbids."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(9, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x.flatten(1)).relu()
        return self.head(hidden)


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_a_scripted_network_that_was_trained_predicts(data):
    """In batches, since TorchScript rewrites itself after some calls."""
    models = fit(lambda: torch.jit.script(Branching()), [Member(Planted.none(data), 0)], RECIPE, classes=2)
    with torch.no_grad():
        wanted = models.member(0)(data.inputs).softmax(-1)
    for _ in range(3):
        assert_close(models.predict(data.inputs, rows=7)[0], wanted)


def test_a_network_in_place_of_a_function_that_makes_one_is_told(data):
    with pytest.raises(ValueError, match="a function that makes networks is needed, but this is a network, Branching"):
        fit(Branching(), [Member(Planted.none(data), 0)], RECIPE, classes=2)


def test_a_network_that_ends_the_program_is_refused(data):
    """Before anything is trained, in a sentence and not by ending."""

    def leaves(z):
        raise SystemExit(3)

    with pytest.raises(ValueError, match=r"the network cannot take a batch.*SystemExit: 3"):
        fit(lambda: Ends(leaves), [Member(Planted.none(data), 0)], RECIPE, classes=2)
