"""Packs: folders of rules with a manifest, and how they are found."""
