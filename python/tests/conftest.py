import os
import sys
from pathlib import Path

import pytest

# What the tests share: pytest's import mode leaves their folder out.
sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config):
    config.addinivalue_line("markers", "law: compares with an exact value; it does not depend on the version of PyTorch")


def pytest_ignore_collect(collection_path):
    """Tests of PyTorch models are left out where there is no PyTorch, unless this run is about them."""
    if collection_path.name not in ("test_model.py", "test_data.py", "test_refusals.py", "test_notebook.py", "test_same_draws.py", "test_module.py"):
        return None
    if os.environ.get("LLC_TORCH_IS_REQUIRED") == "1":
        return None
    try:
        import torch  # noqa: F401
    except ImportError:
        return True
    return None


@pytest.fixture
def runs(tmp_path):
    """A folder for records."""
    return tmp_path / "runs"
