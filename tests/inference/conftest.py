"""The packaged base model, loaded once for all tests that need it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model_cache(request: pytest.FixtureRequest) -> Path:
    """Kept between runs: de-quantising the base takes half a minute."""
    assert request.config.cache is not None
    return Path(request.config.cache.mkdir("models"))
