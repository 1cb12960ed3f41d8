import pytest

from ich_jax import errors
from ich_jax.studies import shards


@pytest.mark.parametrize("shard", ["2/2", "1", "a/b", "0/0"])
def test_shards_that_are_none(shard: str) -> None:
    with pytest.raises(errors.ConfigError, match="expected i/n"):
        shards.parse_shard(shard)
