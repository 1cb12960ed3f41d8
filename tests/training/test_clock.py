import pytest

from ich_jax.training import clock


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.t = 100.0

    def __call__(self) -> float:
        return self.t


def test_compilation_and_pauses_do_not_count() -> None:
    watch = Watch()
    timer = clock.Clock(batch=10, now=watch)
    watch.t += 3  # data set up before training starts
    timer.start()
    watch.t += 20
    timer.first_step_done(1)
    watch.t += 2  # steps 2 and 3
    with timer.pause(3):
        watch.t += 50
    watch.t += 2  # steps 4 and 5
    assert timer.window(5) == pytest.approx(10.0)
    assert timer.first_step_s == 20
    assert timer.trained_s == 4
    assert timer.timed_steps == 4
    assert timer.img_per_s == pytest.approx(10.0)


def test_windows_are_apart_and_the_run_is_the_sum() -> None:
    watch = Watch()
    timer = clock.Clock(batch=4, now=watch)
    timer.start()
    timer.first_step_done(1)
    watch.t += 1
    assert timer.window(3) == pytest.approx(8.0)
    watch.t += 3
    assert timer.window(6) == pytest.approx(4.0)
    assert timer.img_per_s == pytest.approx(5 * 4 / 4)


def test_nothing_timed_gives_zero() -> None:
    timer = clock.Clock(batch=4, now=Watch())
    timer.start()
    timer.first_step_done(1)
    assert timer.window(1) == 0.0
    assert timer.img_per_s == 0.0
    assert timer.eta_s(1, 10) == 0.0


def test_earlier_processes_count() -> None:
    watch = Watch()
    timer = clock.Clock(batch=2, **{"trained_s": 10.0, "timed_steps": 10, "first_step_s": 7.0}, now=watch)
    assert timer.first_step_s == 7
    assert not timer.compiled
    timer.start()
    timer.first_step_done(11)
    watch.t += 10
    timer.window(21)
    assert timer.totals() == {"first_step_s": 0.0, "trained_s": 20.0, "timed_steps": 20}
    assert timer.img_per_s == pytest.approx(2.0)


def test_eta_expects_pauses_as_frequent_as_before() -> None:
    watch = Watch()
    timer = clock.Clock(batch=1, now=watch)
    timer.start()
    watch.t += 30
    timer.first_step_done(5)
    watch.t += 4
    with timer.pause(9):
        watch.t += 6
    assert timer.eta_s(10, 30) == pytest.approx(10 / 5 * 20)


def test_steps_done_again_after_a_rollback_are_timed_again() -> None:
    watch = Watch()
    timer = clock.Clock(batch=1, now=watch)
    timer.start()
    timer.first_step_done(1)
    watch.t += 4
    timer.window(5)
    watch.t += 100
    timer.rewind(3)
    watch.t += 4
    timer.window(7)
    assert timer.timed_steps == 8
    assert timer.trained_s == 8
