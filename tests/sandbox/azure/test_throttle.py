from __future__ import annotations

from sandbox.azure.throttle import TokenBucket


def test_a_bucket_empties_and_fills_at_its_rate():
    now = 0.0
    bucket = TokenBucket(2, 0.5, clock=lambda: now)
    assert [bucket.take(), bucket.take(), bucket.take()] == [0.0, 0.0, 2.0]
    now = 2.0
    assert bucket.take() == 0.0
    now = 1_000.0
    assert [bucket.take(), bucket.take(), bucket.take() > 0] == [0.0, 0.0, True]
