"""One calibrated stand-in style for all tests of scores and corrections."""

import pytest

from tests.ganst.stand_in import StandIn, make_stand_in


@pytest.fixture(scope="session")
def stand_in() -> StandIn:
    return make_stand_in()
