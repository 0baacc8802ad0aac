"""Capture files: one recorded exchange each, read, written, and masked as they are written."""
