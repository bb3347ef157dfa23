"""Number formats in which a device multiplies fast."""

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for products in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and _supports("_is_avx512_bf16_supported")


def has_float32_products() -> bool:
    """Whether a CPU has MKL's matrix products in float32, and does not round them to bfloat16 or TF32."""
    if not torch.backends.mkl.is_available():
        return False
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None:  # torch before 2.9
        return torch.get_float32_matmul_precision() == "highest"
    return settings.fp32_precision in ("none", "ieee")


def has_bfloat16_products() -> bool:
    """Whether a CPU has oneDNN's matrix products in bfloat16 with instructions on vectors. Those on matrices (AMX),
    with which everything else takes a larger share of the time, were not measured."""
    has_vectors = torch.backends.mkldnn.is_available() and has_bfloat16(torch.device("cpu"))
    return has_vectors and not _supports("_is_amx_tile_supported")


def _supports(question: str) -> bool:
    return getattr(torch.cpu, question, lambda: False)()  # older versions of torch know fewer questions
