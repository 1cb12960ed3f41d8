"""Peaks of the device: products in three precisions, copies."""

import jax
from benchmarks.stages.job import Job

from ich_jax.perf import roofline

PRECISIONS = {
    "bfloat16": ("bfloat16", "highest"),
    "TF32": ("float32", "tensorfloat32"),
    "float32": ("float32", "float32"),
}
"""Type of the factors and precision of the product, by name."""


def run(job: Job) -> None:
    """Measures the peaks to which everything else is compared."""
    device = jax.local_devices()[0]
    for name in PRECISIONS:
        if job.left_s() <= 0:
            job.out_of_time(name)
            continue
        measured = peak(job, name)
        job.add(
            "Measured peaks",
            product=name,
            tflops=measured.flops_per_s / 1e12,
            copy_gb_per_s=measured.bytes_per_s / 1e9,
            device=f"{device.device_kind} ({device.platform})",
        )
        job.figure(f"{name}_flops", measured.flops_per_s)
        job.figure("copy_bytes", max(measured.bytes_per_s, job.known("device", "copy_bytes") or 0.0))


def peak(job: Job, name: str) -> roofline.Peak:
    """Measures a peak, at the job's size."""
    dtype, precision = PRECISIONS[name]
    with jax.default_matmul_precision(precision):
        return roofline.measure_peak(dtype, sides=job.size.products, copied_bytes=job.size.copied_bytes)


def peak_flops(job: Job, dtype: str, tf32: bool = False) -> float:
    """Returns the peak for a type, as an earlier stage measured it, or measured now."""
    name = "TF32" if tf32 and dtype == "float32" else dtype
    return job.known("device", f"{name}_flops") or peak(job, name).flops_per_s
