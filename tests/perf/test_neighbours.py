"""Who used the processor while something was timed."""

import time

import pytest

from ich_jax.perf import neighbours


class Machine:
    """Processor seconds as a test sets them."""

    def __init__(self, monkeypatch, tmp_path):
        self.path = tmp_path / "stat"
        monkeypatch.setattr(neighbours, "_STAT", self.path)
        monkeypatch.setattr(neighbours.os, "cpu_count", lambda: 4)
        monkeypatch.setattr(neighbours.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(neighbours, "_own_s", lambda: self.own)
        monkeypatch.setattr(neighbours.os, "sysconf", lambda _: 100)
        self.now, self.own = 0.0, 5.0

    def used(self, ticks):
        user, nice, system, irq, softirq = ticks
        self.path.write_text(f"cpu  {user} {nice} {system} 99999 7 {irq} {softirq} 3 50 50\ncpu0 1 1 1 1\n")


def test_own_and_others_by_hand(monkeypatch, tmp_path):
    machine = Machine(monkeypatch, tmp_path)
    machine.used((1000, 0, 500, 0, 0))
    watch = neighbours.Watch()
    machine.now, machine.own = 10.0, 17.0  # 12 s on two cores
    machine.used((2200, 300, 800, 100, 100))  # 20 s altogether
    found = watch.read()
    assert found.seconds == 10.0 and found.own_cores == pytest.approx(1.2)
    assert found.other_cores == pytest.approx(0.8) and found.other_share == pytest.approx(0.2)


@pytest.mark.parametrize("content", [None, "nonsense\n", "cpu 1 2\n"])
def test_a_system_that_does_not_tell(monkeypatch, tmp_path, content):
    machine = Machine(monkeypatch, tmp_path)
    if content is not None:
        machine.path.write_text(content)
    watch = neighbours.Watch()
    machine.now, machine.own = 2.0, 6.0
    found = watch.read()
    assert found.own_cores == 0.5 and found.other_cores is None and found.other_share is None


def test_a_process_sees_its_own_work():
    watch = neighbours.Watch()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert watch.read().own_cores > 0.02
