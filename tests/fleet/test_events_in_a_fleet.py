"""Events of all kinds take effect in 4 processes, each once, though Redis is killed meanwhile; in small."""

from __future__ import annotations

import pytest

from benchmarks.events import KINDS, run

pytestmark = pytest.mark.usefixtures("unmeasured", "redis_server")


@pytest.mark.parametrize("keeps_data", [False, True])
def test_no_event_is_lost_and_none_is_effective_twice(keeps_data: bool) -> None:
    """And each process refuses what it must, and nothing newer. Senders saw 503 meanwhile, and sent again."""
    number = 40
    done = run(number, keeps_data=keeps_data)
    assert [str(target) for target in done.targets if not target.is_kept] == []
    assert done.effective == dict.fromkeys((f"{kind}-{one}" for kind in KINDS for one in range(number)), 1)
    assert len(done.sent.latencies) == done.messages + done.copies
    assert done.old.total() == done.new.total() == 4 * done.messages
