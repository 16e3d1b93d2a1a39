"""Tools for the user's own data in steps and notebooks: S3, and work in several processes."""
