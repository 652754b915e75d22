"""Settings for all tests."""

from hypothesis import settings

# The first example of a test pays for imports: what an example costs is not a property of the code.
settings.register_profile("repository", deadline=None)
settings.load_profile("repository")
