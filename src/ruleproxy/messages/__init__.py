"""What is edited: requests, responses and events as they came, and the journal of edits. Knows no rule."""
