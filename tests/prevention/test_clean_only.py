"""Training on the clean examples alone: what a plain training on them gives, whatever else there is."""

from toys import same

from spurlab.data import Examples
from spurlab.methods import untrained
from spurlab.patterns import Planted
from spurlab.prevention import CleanOnly
from spurlab.prevention.method import own_seed
from spurlab.training import Member, train_one


def test_it_is_a_plain_training_of_as_many_steps(model, data, clean, recipe):
    """Batches of 16: 8 an epoch of the 120 training examples, 4 of the 60 clean ones: twice the 12 epochs."""
    seed = own_seed(5, "clean-only")
    longer = recipe.but(epochs=24, milestones=(16,))
    by_hand, _ = train_one(untrained(model, seed, None), Member(Planted.none(clean), seed), longer)
    after = CleanOnly(recipe, 5)(model, data, clean)
    assert same(after, by_hand)


def test_the_spurious_training_data_do_not_matter(model, data, clean, recipe):
    others = Examples(data.inputs.flip(0) + 1, data.labels, data.groups)
    one, other = (CleanOnly(recipe)(model, examples, clean) for examples in (data, others))
    assert one(clean.inputs).equal(other(clean.inputs))
