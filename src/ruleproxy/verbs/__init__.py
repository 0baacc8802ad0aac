"""The verbs: one file each, with its signature, its effect through the journal and its examples."""
