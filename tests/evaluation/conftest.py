"""Fixtures that several modules of these tests share."""

import pytest

from tests.evaluation import made


@pytest.fixture(scope="session")
def ideal():
    return made.ideal_evaluation()
