"""What is wrong with a study, in words."""

from collections.abc import Sequence

from pydantic import ValidationError

from spurlab.errors import did_you_mean

MUST_BE = {
    "too_short": "must not be empty",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}


def sentence_of(error: ValidationError, table: str = "", keys: Sequence[str] = ()) -> str:
    """The first thing that pydantic found, in our words.

    Args:
        error: pydantic's.
        table: what the keys belong to, e.g. ``recipe.``.
        keys: those that there are.
    """
    first = error.errors()[0]
    place = table + ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    place = place.removeprefix("grids.").removesuffix(".")
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}. {did_you_mean(place, keys)}"
    if first["type"] == "missing":
        return f"the key {place!r} is missing."
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    message = MUST_BE.get(first["type"], message)
    value = "" if first["type"] == "value_error" else f", but it is {first['input']!r}"
    names_key = message.startswith(("key ", "unknown key", "the key "))
    sentence = message if not place or names_key else f"key {place!r}: {message}{value}"
    sentence = sentence if sentence.endswith((".", "?")) else f"{sentence}."
    if first["type"] == "literal_error":
        choices = first["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        near = did_you_mean(str(first["input"]), choices)
        sentence += f" {near}" if near.startswith("Did") else ""  # all of them stand there already
    return sentence
