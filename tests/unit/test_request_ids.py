"""Ids of requests are UUIDs of version 7: by time, and no two alike."""

import time
import uuid

from mlops.serving.log.ids import uuid7


def test_an_id_is_a_uuid_of_version_7_that_begins_with_the_time():
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(uuid7())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_no_two_ids_are_alike():
    assert len({uuid7() for _ in range(20_000)}) == 20_000
