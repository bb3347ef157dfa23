"""Detectron2's trainer with checked updates that do not depend on how a batch is split."""

import contextlib
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from detectron2.engine import SimpleTrainer
from detectron2.utils import comm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..config import ConfigError
from ..data.seeding import seed_generators
from ..modeling.meta_arch import ForegroundAverage
from ..run_folder import CLIPPED
from .hooks.state import check_hook_states, hook_states, load_hook_states
from .layout import any_process, check_gradients, micro_batches, share_padded_size
from .reliability.guard import NonFiniteGuard
from .reliability.precision import precision

Batch = list[dict[str, Any]]


@dataclass(frozen=True)
class Update:
    """Settings of a weight update."""

    seed: int = 0
    dtype: torch.dtype | None = None
    """Of mixed precision; None for float32."""
    accumulation: int = 1
    """Micro-batches per update."""
    clip_grad_norm: float | None = None
    """Largest allowed norm of all gradients together; None for no clipping."""


class Trainer(SimpleTrainer):
    """Overrides upstream's training step to add accumulation, clipping, mixed precision on any device, and a guard.

    The random numbers of a model (dropout, stochastic depth) depend only on seed, iteration and process, so checkpoints
    need no generator state.
    """

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable[Batch],
        optimizer: torch.optim.Optimizer,
        update: Update,
        guard: NonFiniteGuard,
    ) -> None:
        """`model` maps a batch to a dict of losses; it may be wrapped in DistributedDataParallel."""
        super().__init__(model, data_loader, optimizer)
        self.update, self.guard = update, guard
        self.inner = model.module if isinstance(model, DistributedDataParallel) else model
        self.device_type = next(model.parameters()).device.type
        scales = update.dtype == torch.float16  # bfloat16 has the range of float32
        self.grad_scaler = torch.amp.GradScaler(self.device_type, enabled=scales)

    def run_step(self) -> None:
        """Update the weights once.

        Raises:
            ConfigError: if the data loader ends or gives an empty batch.
            NonFiniteError: if a loss or gradient is not finite, unless the guard skips such updates.
        """
        start = time.perf_counter()
        if not (batch := next(self._data_loader_iter, [])):
            raise ConfigError(
                f"dataloader.train has no images for iteration {self.iter}: training needs a loader without an end, "
                "whose batches are not empty, such as retina_plugin.data.build_train_loader"
            )
        data_time = time.perf_counter() - start
        seed_generators(self.update.seed, self.iter, comm.get_rank())
        torch.manual_seed(torch.initial_seed())  # seeds the generators of accelerators too
        self.optimizer.zero_grad()
        loss_dict = self._backward(batch)
        if self.iter == self.start_iter:
            check_gradients(self.model)
        self.after_backward()
        grad_norm = self._clip()
        self._count_clipped(grad_norm)
        if self._is_finite(loss_dict, grad_norm):
            self.storage.put_scalar("grad_norm", grad_norm.item())
            self.grad_scaler.step(self.optimizer)
            self._write_metrics(loss_dict, data_time)
        else:
            self.guard.refuse(self, batch, loss_dict)
        self.grad_scaler.update()

    def _backward(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the gradients of the whole batch, and return its losses."""
        parts = micro_batches(batch, self.update.accumulation)
        if len(parts) * comm.get_world_size() > 1:
            share_padded_size(batch)
        average = ForegroundAverage.of(self.inner)
        if average is None or len(parts) == 1:
            return self._backward_parts(parts)
        with average.accumulating(len(parts)) as rescaling:
            loss_dict = self._backward_parts(parts)
        for parameter in self.inner.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(rescaling.factor)
        return {name: loss * rescaling.factor for name, loss in loss_dict.items()}

    def _backward_parts(self, parts: list[Batch]) -> dict[str, Tensor]:
        total: dict[str, Tensor] = {}
        for i, part in enumerate(parts):
            with self._exchange_gradients(last=i == len(parts) - 1):
                with precision(self.device_type, self.update.dtype):
                    loss_dict = {k: v / len(parts) for k, v in self.model(part).items()}
                self.grad_scaler.scale(sum(loss_dict.values())).backward()
            for name, loss in loss_dict.items():
                total[name] = total.get(name, 0) + loss.detach()
        return total

    def _exchange_gradients(self, last: bool) -> contextlib.AbstractContextManager:
        several = isinstance(self.model, DistributedDataParallel)
        return self.model.no_sync() if several and not last else contextlib.nullcontext()

    def _clip(self) -> Tensor:
        """Clip the gradients, and return their total norm before clipping, without the loss scale of float16."""
        self.grad_scaler.unscale_(self.optimizer)
        limit = self.update.clip_grad_norm
        return nn.utils.clip_grad_norm_(self.inner.parameters(), float("inf") if limit is None else limit)

    def _count_clipped(self, grad_norm: Tensor) -> None:
        """Write the number of clipped updates since iteration 0; nothing if the resumed run has no such count."""
        if self.update.clip_grad_norm is None:
            return
        before = self.storage.latest().get(CLIPPED, None if self.iter else (0, 0))
        if before is not None:
            count = before[0] + (self.update.clip_grad_norm < grad_norm.item() < math.inf)
            self.storage.put_scalar(CLIPPED, count, smoothing_hint=False)

    def _is_finite(self, loss_dict: dict[str, Tensor], grad_norm: Tensor) -> bool:
        checked = torch.stack([*loss_dict.values()]).double().sum()
        scaler = self.grad_scaler
        # the scaler skips gradients that its scale made infinite, and lowers the scale
        if not scaler.is_enabled() or (not grad_norm.isfinite() and scaler.get_scale() <= 1):
            checked = checked + grad_norm
        return not any_process(not checked.isfinite().item())

    def after_step(self) -> None:
        """Overrides upstream to check after the first step, not hours later, that checkpoints can hold all states."""
        super().after_step()
        if self.iter == self.start_iter:
            check_hook_states(self._hooks)

    def after_train(self) -> None:
        """Overrides upstream so that a run resumed after its last step does not count beyond `max_iter`."""
        self.iter = min(self.iter, self.max_iter)
        super().after_train()
        # garbage collection would take seconds for each worker, and an error's traceback would keep them alive
        if hasattr(self._data_loader_iter_obj, "_shutdown_workers"):
            self._data_loader_iter_obj._shutdown_workers()
        self._data_loader_iter_obj = None

    def state_dict(self) -> dict[str, Any]:
        """Upstream's state with the states of all hooks, and in float16 that of the gradient scaler."""
        scaler = {"grad_scaler": self.grad_scaler.state_dict()} if self.grad_scaler.is_enabled() else {}
        return super().state_dict() | {"hooks": hook_states(self._hooks)} | scaler

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state of this trainer or of Detectron2's."""
        super().load_state_dict({**state_dict, "hooks": {}})
        load_hook_states(self._hooks, state_dict.get("hooks", {}))
        if "grad_scaler" in state_dict and self.grad_scaler.is_enabled():
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
