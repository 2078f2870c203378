"""Official releases: read, checked and converted. Imports neither torch nor mmdet."""
