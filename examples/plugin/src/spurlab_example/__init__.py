"""One plug-in of each kind for Spurlab, a file each. Spurlab finds them by the entry points in ``pyproject.toml``."""
