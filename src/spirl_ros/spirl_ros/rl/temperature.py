"""The temperature alpha: weighs the divergence from the prior, and learns to hold it at its target."""

from typing import Any

from torch import Tensor


def temperature_loss(log_alpha: Tensor, cost: Tensor, target: float) -> tuple[Tensor, dict[str, Any]]:
    """Alpha * (target - cost), as in equation 8 of Pertsch et al. 2020: alpha grows while the cost is above its target.

    Args:
        log_alpha: scalar that learns.
        cost: what alpha weighs (B,): divergence from the prior, or minus the entropy; no gradient flows into it.
        target: target divergence delta, or minus the target entropy.

    Returns:
        The loss and {"temperature"}.
    """
    alpha = log_alpha.exp()
    return alpha * (target - cost.detach().mean()), {"temperature": alpha.detach()}
