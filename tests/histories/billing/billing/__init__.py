"""The application whose code the revisions import."""
