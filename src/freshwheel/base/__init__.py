"""What all others stand on: settings, facts about backends, nouns, failures, records on disk."""
