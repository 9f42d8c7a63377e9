"""The roads of one call: a wheel is looked up, built, finished and delivered."""
