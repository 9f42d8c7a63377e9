"""The version of freshwheel, where the light column and the heavy one can both read it."""

__version__ = "0.1.0.dev0"
