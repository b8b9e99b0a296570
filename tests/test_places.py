"""Places for threads that wait: exactly as many as there are, in threads, after errors, and in forked children."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import in_a_child_process

from auth0_blueprint.concurrency.places import Places


def test_no_more_threads_than_there_are_places_get_one() -> None:
    """A thousand times over, by 16 threads at once."""
    places, inside, most = Places(3), list[int](), list[int]()
    barrier = threading.Barrier(16)

    def enter() -> None:
        barrier.wait(10)
        for _ in range(1000):
            with places.take() as has_place:
                if has_place:
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(enter) for _ in range(16)]:
            future.result(30)
    assert 1 <= max(most) <= 3
    assert len(places._free) == 3


@pytest.mark.parametrize("number", [0, 1])
def test_a_place_is_given_back_after_an_error(number: int) -> None:
    places = Places(number)

    def fail() -> None:
        with places.take() as has_place:
            raise KeyError(has_place)

    for _ in range(3):
        with pytest.raises(KeyError, match=str(bool(number))):
            fail()


def test_a_forked_child_has_all_places() -> None:
    """Whoever held one in the parent does not exist there."""
    places = Places(1)
    with places.take():

        def taken() -> str:
            with places.take() as has_place:
                return str(has_place)

        assert in_a_child_process(taken) == "True"
        with places.take() as has_place:
            assert not has_place
