"""The one family of errors that this room raises: each message says what was asked, what was found and what to do."""


class DataError(ValueError):
    """A dataset cannot be given: a file is damaged or unreadable, a download failed, a name is unknown."""


class DataNotFoundError(DataError):
    """The files of a dataset are in none of the places where they were looked for, and were not downloaded."""
