"""The command by ``python -m spurlab``."""

from spurlab.cli import main

if __name__ == "__main__":
    main()
