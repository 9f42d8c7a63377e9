"""Built wheels by build key: written once, checked when they are handed out, cleared away when nobody uses them."""
