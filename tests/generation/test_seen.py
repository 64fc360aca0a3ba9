"""Laws of what has been seen: a set of numbers, however they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from molvae.generation.seen import Seen

HASHES = st.one_of(
    st.integers(0, 2**64 - 1), st.integers(0, 20), st.integers(0, 20).map(lambda n: n << 40)
)


@given(st.lists(HASHES.filter(bool)))
def test_it_answers_as_a_set_does(numbers: list[int]) -> None:
    seen, truth = Seen(), set[int]()
    for number in numbers:
        assert seen.add(number) == (number not in truth)
        truth.add(number)
    assert len(seen) == len(truth)


def test_it_grows_without_forgetting() -> None:
    seen = Seen()
    numbers = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(1, 100_000)]
    assert all(map(seen.add, numbers))
    assert not any(map(seen.add, numbers))
    assert len(seen) == len(numbers)


def test_zero_is_a_hash_like_any_other() -> None:
    seen = Seen()
    assert seen.add(0)
    assert not seen.add(0)
