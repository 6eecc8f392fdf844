"""Every function that a user calls shows how, in an example that runs with the tests (``--doctest-modules``)."""

import ast
import inspect
import re
from pathlib import Path

import spurlab
from spurlab import (
    Common,
    Dataset,
    Ensemble,
    Examples,
    Member,
    Pattern,
    Planted,
    Rare,
    Recipe,
    audit,
    checking,
    claims,
    commands,
    data,
    deletion,
    explain,
    measures,
    methods,
    metrics,
    models,
    patterns,
    prevention,
    privacy,
    report,
    stats,
    studies,
    theory,
    training,
)

ROOMS = (
    *(audit, checking, claims, commands, data, deletion, explain, measures, methods, metrics, models, patterns),
    *(prevention, privacy, report, stats, studies, theory, training),
)
# Called by other rooms alone: nothing that a user does begins with these. In the order of the alphabet.
OF_OTHER_ROOMS = (
    "claims.by_chance",
    "claims.check",
    "data.own.without_paths",
    "measures.is_of_plugin",
    "measures.package_of",
    "measures.plugin_measures",
    "methods.attempt.clock",
    "methods.attempt.isolated",
    "methods.attempt.retraining_seconds",
    "methods.method.copy_for",
    "methods.method.device_of",
    "methods.method.dropping_out",
    "methods.method.finite",
    "methods.method.outputs_fit",
    "methods.method.stored_as_not_finite",
    "models.asking.answer_of",
    "models.asking.arguments_for",
    "models.asking.evaluating",
    "models.asking.fitting",
    "models.asking.logits_of",
    "models.asking.unwrapped",
    "models.boosted_trees.check_has_gradients",
    "models.boosted_trees.no_gradients",
    "models.text.takes_words",
    "models.text.trial_inputs",
    "models.trying.batch_norm_explained",
    "models.trying.check_answers",
    "models.trying.check_trains",
    "models.trying.makes_new",
    "models.trying.unsaved_difference",
    "models.user.check_user_name",
    "models.user.without_users_code",
    "models.zoo.check_takes_words",
    "models.zoo.is_grown",
    "models.zoo.is_perceptron",
    "models.zoo.made",
    "models.zoo.seeded",
    "patterns.kept.drawn_anew",
    "patterns.kept.make_named",
    "patterns.kept.mark_record",
    "patterns.kept.mark_recorded",
    "patterns.mark.marked_all",
    "patterns.own.tell_carriers",
    "report.page.file_names",
    "report.page.file_stem",
    "report.views.check",
    "studies.making.carried_out",
    "studies.making.perform",
    "studies.results.rows_of",
    "studies.study.only_read",
    "studies.training_sets.planted",
    "studies.work.groups_of",
    "studies.work.work_of",
    "training.batches.check_drawn_upon",
    "training.engines.clip",
    "training.engines.flush_denormals",
    "training.stacked.can_stack",
    "training.stacked.layout_for",
    "training.stacked.predicted_at_once",
    "training.stacked_cnn.can_stack_cnn",
)
# One takes half a minute, the other needs an extra.
NOT_RUN = ("commands.auditing.demo_in", "data.hugging_face.from_hugging_face")
# What users make by hand, or through `fit`.
MADE = (Common, Dataset, Ensemble, Examples, Member, Pattern, Planted, Rare, Recipe)


def exported(module):
    """By mypy's rule: what a module defines, and what it imports ``as`` its own name."""
    names = set()
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names if alias.asname == alias.name}
    return {name: getattr(module, name) for name in names if not name.startswith("_")}


def has_example(what):
    """One that calls it and runs: of lines that are skipped nobody learns when they are wrong."""
    lines = [line.lstrip() for line in (what.__doc__ or "").splitlines()]
    run = (line for line in lines if line.startswith((">>>", "...")) and "+SKIP" not in line)
    return any(re.search(rf"\b{what.__name__}\b[(.]", line) for line in run)


FUNCTIONS = {
    f"{what.__module__.removeprefix('spurlab.')}.{what.__name__}": what
    for names in ({name: getattr(spurlab, name) for name in spurlab.__all__}, *map(exported, ROOMS))
    for what in names.values()
    if inspect.isfunction(what)
}


def test_every_function_of_a_user_has_an_example():
    """Who names one here in vain, since it is gone or has an example by now, is told so too."""
    missing = [name for name, what in FUNCTIONS.items() if not has_example(what)]
    assert sorted(missing) == sorted([*OF_OTHER_ROOMS, *NOT_RUN])
    assert list(OF_OTHER_ROOMS) == sorted(OF_OTHER_ROOMS)


def test_what_is_not_run_is_shown_all_the_same():
    for name in NOT_RUN:
        assert "# doctest: +SKIP" in FUNCTIONS[name].__doc__, name


def test_what_users_make_has_an_example():
    assert [what.__name__ for what in MADE if ">>> " not in what.__doc__] == []


def test_the_walk_meets_what_users_call():
    """It would find nothing missing among nothing."""
    assert {
        "training.fit.fit",
        "data.catalogue.load",
        "checking.checks.check",
        "commands.running.run",
    } <= FUNCTIONS.keys()
    assert len(FUNCTIONS) > 200


def test_a_skipped_line_is_no_example():
    def shown():
        """Does nothing.

        >>> shown()  # doctest: +SKIP
        """

    def run():
        """Does nothing.

        >>> run()
        """

    def named():
        """Does nothing.

        >>> named is None
        False
        """

    assert [has_example(what) for what in (shown, run, named)] == [False, True, False]
