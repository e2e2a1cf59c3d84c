"""What `monitor` costs, measured by anyone: see README.md. Run from the repository's root; not part of the package."""
