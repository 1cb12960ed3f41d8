from ich_jax.studies.train import curves
from tests.studies.train import made


def test_curves_are_grouped_and_unknown_metrics_get_a_chart_of_their_own() -> None:
    panels = {panel.title: panel for panel in curves.curve_panels(made.history())}
    assert set(panels) == {"Validation: error on the axes", "Adversarial loss", "Images per second", "new metric"}
    loss = panels["Adversarial loss"]
    assert [curve.name for curve in loss.curves] == ["generator", "discriminator"]
    assert len(loss.curves[0].x) == 50
    assert len(loss.curves[1].x) == 49  # the value that was not finite is left out
    assert list(panels["Validation: error on the axes"].curves[0].x) == [100, 200, 300, 400, 500]
    assert curves.curve_panels([]) == []
