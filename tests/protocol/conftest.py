"""What the tests of a connection share."""

from __future__ import annotations

import pytest
from tests.protocol.ends import Ends


@pytest.fixture
def ends() -> Ends:
    return Ends()
