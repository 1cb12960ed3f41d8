from typing import Any

import pytest

from ich_jax.training import health


def _rows(name: str, values: list[Any], **others: Any) -> list[dict[str, Any]]:
    return [{"step": 10 * (i + 1), name: value, **others} for i, value in enumerate(values)]


def test_a_healthy_run_raises_nothing() -> None:
    rows = [
        {"step": i, "d_loss": 1.0, "g_loss": 1.0, "real_beats_fake": 0.9, "g_grad_norm": 1.0 + i % 3, "skipped": 0.0}
        for i in range(1, 40)
    ] + _rows("validation/diversity", [0.2] * 5, **{"validation/diversity_real": 0.25})
    assert health.check(rows) == ()
    assert health.check([]) == ()


def test_collapse_counts_from_the_second_validation_and_once_per_episode() -> None:
    rows = _rows(
        "validation/diversity", [0.02, 0.2, 0.02, 0.02, 0.01, 0.2, 0.01, 0.01], **{"validation/diversity_real": 0.2}
    )
    alarms = health.collapse(rows)
    assert [alarm.step for alarm in alarms] == [40, 80]
    assert alarms[0].value == pytest.approx(0.1)
    assert alarms[0].threshold == health.COLLAPSE_SHARE
    assert "ALARM collapse at step 40" in str(alarms[0])


def test_a_batch_of_like_images_is_a_collapse_too() -> None:
    alarms = health.collapse(_rows("pixel_sd_fake", [0.0] * 12, pixel_sd_real=0.3))
    assert [(a.step, a.value) for a in alarms] == [(100, 0.0)]


def test_saturation_needs_both_a_sure_discriminator_and_a_loss_near_zero() -> None:
    assert [a.step for a in health.saturation(_rows("real_beats_fake", [1.0] * 12, d_loss=0.01))] == [50]
    assert health.saturation(_rows("real_beats_fake", [1.0] * 12, d_loss=0.3)) == []
    assert health.saturation(_rows("real_beats_fake", [0.98] * 12, d_loss=0.01)) == []
    assert health.saturation(_rows("real_beats_fake", [1.0] * 4, d_loss=0.01)) == []


def test_gradient_explosion_is_measured_against_the_median_so_far() -> None:
    rows = _rows("g_grad_norm", [1.0, 2.0, 3.0, 2.0, 1.0, 19.0, 21.0, 25.0, 2.0, 30.0])
    alarms = health.gradient_explosion(rows)
    assert [(a.step, a.value, a.threshold) for a in alarms] == [(70, 21.0, 20.0), (100, 30.0, 20.0)]
    assert "g_grad_norm" in alarms[0].advice


def test_non_finite_counts_the_new_skips() -> None:
    alarms = health.non_finite(_rows("skipped", [0.0, 2.0, 3.0, 3.0, 4.0]))
    assert [(a.step, a.value) for a in alarms] == [(20, 2.0), (50, 1.0)]


def test_missing_null_and_nan_values_are_passed_over() -> None:
    rows = _rows("real_beats_fake", [None, float("nan"), 1.0], d_loss=None)
    rows += [{"step": 5, "validation/diversity": 0.0, "validation/diversity_real": 0.0}]
    assert health.check(rows) == ()


def test_alarms_are_in_order_of_steps() -> None:
    rows = _rows("skipped", [0.0, 0.0, 1.0], **{"validation/diversity": 0.0, "validation/diversity_real": 1.0})
    assert [(a.step, a.name) for a in health.check(rows)] == [(20, "collapse"), (30, "non_finite")]


def test_a_diagnosis_names_the_step_and_what_was_out_of_proportion() -> None:
    rows = [
        {"step": 10 * i, "d_loss": 1.0, "g_grad_norm": norm, "skipped_in_a_row": 0.0}
        for i, norm in enumerate([1, 2, 1, 90], 1)
    ]
    rows.append({"step": 50, "d_loss": None, "g_grad_norm": None, "skipped_in_a_row": 7.0})
    text = health.diagnose(rows)
    assert "since step 44" in text
    assert "step 40: g_grad_norm 90 (median 1)" in text
    assert "No metric was out of proportion" in health.diagnose([rows[0], rows[1], rows[-1]])
