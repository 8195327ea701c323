"""The meter's course: each request in the interval in which it was sent, in bounded memory."""

from __future__ import annotations

from fabfile.probes.answer import RELEASE_HEADER, Answer
from fabfile.probes.course import MOST, Course
from fabfile.probes.tally import Tally


def test_a_request_counts_for_the_second_in_which_it_was_sent() -> None:
    course = Course(100.0)
    course.at(100.2).answered("one", 0.5)
    course.at(103.9).answered("two", 0.25)
    course.at(103.1).failed += 1
    intervals = course.intervals()
    assert [dict(interval.good) for interval in intervals] == [{"one": 1}, {}, {}, {"two": 1}]
    assert [interval.failed for interval in intervals] == [0, 0, 0, 1]
    assert intervals[3].slowest == 0.25


def test_a_clock_that_was_set_back_loses_no_request() -> None:
    course = Course(100.0)
    course.at(40.0).answered("one", 0.1)
    assert course.intervals()[0].good["one"] == 1


def test_a_day_fits_into_as_many_intervals_as_there_may_be() -> None:
    course, day = Course(0.0), 86_400
    for second in range(day):
        course.at(float(second)).answered("one" if second < day / 2 else "two", 0.01)
    intervals = course.intervals()
    assert len(intervals) <= MOST
    assert sum(interval.good.total() for interval in intervals) == day
    assert abs(sum(interval.seconds for interval in intervals) - day * 0.01) < 0.1
    assert intervals[0].good["one"] == course.interval
    assert "one" not in intervals[-1].good


def test_the_tallys_course_adds_up_to_its_counts() -> None:
    tally = Tally()
    good, unnamed, limited, bad, late = (tally.sending("/") for _ in range(5))
    tally.good(good, Answer("/", 200, headers={RELEASE_HEADER: "one"}))
    tally.good(unnamed, Answer("/", 200))
    tally.turned_away(limited, Answer("/", 429))
    tally.fail(bad, Answer("/", 500), "site")
    measured = tally.close()  # `late` waits still
    assert late
    counts = {"one": 1, "former": 1}
    assert {n: sum(i.good[n] for i in measured.course) for n in counts} == counts
    assert sum(interval.failed for interval in measured.course) == measured.failed == 2
    assert sum(interval.limited for interval in measured.course) == measured.limited == 1
