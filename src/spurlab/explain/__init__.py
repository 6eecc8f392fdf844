"""What a trained network looks at."""

from spurlab.explain.pixel_importance import pixel_importance

__all__ = ["pixel_importance"]
