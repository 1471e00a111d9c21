"""FakePlatform: an in-memory platform for tests."""

from adapters.fake.platform import FakePlatform

__all__ = ["FakePlatform"]
