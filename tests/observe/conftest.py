"""Workers as the tests of the API have them."""

from tests.api.conftest import guarded, worker

__all__ = ["guarded", "worker"]
