"""The errors that this room raises. Each message says what was asked, what was found and what to do.

Two kinds under one name: what the caller can put right by asking otherwise is a ValueError too, what went wrong with
files, disk or network a RuntimeError.
"""

from spurlab.errors import FailureError, InputError, SpurlabError, shortened


class DataError(SpurlabError):
    """A dataset cannot be given."""

    def __str__(self) -> str:
        return shortened(super().__str__())


class DataRequestError(DataError, InputError):
    """It was asked for wrongly: the name is unknown, or ``SPURLAB_DATA`` names no folder."""


class DataNotFoundError(DataRequestError):
    """Its files are in none of the places where they were looked for, and a download is forbidden."""


class DataFailureError(DataError, FailureError):
    """A file or folder cannot be read or written, or a download failed."""


class DamagedDataError(DataFailureError):
    """A file is not what it should be.

    Args:
        damage: what was found, in whole sentences.
        advice: what to do about it; whoever knows the dataset may set it to something better.
    """

    def __init__(self, damage: str, advice: str = "Get the file again.") -> None:
        super().__init__(damage, advice)
        self.damage = damage
        self.advice = advice

    def __str__(self) -> str:
        return shortened(f"{self.damage} {self.advice}")
