"""The training loop: AdamW, polynomial schedule, EMA, best epoch by the task's score."""

from __future__ import annotations

import copy
import dataclasses
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from seg_ros import weights
from seg_ros.errors import TrainingError, WeightsError
from seg_ros.files import check_folder
from seg_ros.models.graph import Normalise, make_graph
from seg_ros.training import checkpoint
from seg_ros.training.augment import Augment
from seg_ros.training.recipe import Recipe
from seg_ros.training.tasks import TASKS


class Trainer:
    """One training run in a folder: `checkpoint.pt` after each epoch, `best.safetensors` when the score rises.

    Args:
        model: to train, in place.
        manifest: of the weights it will write; the score is filled in.
        data: holds `train/` and `val/`, each a data set of the network's task; `val/` gives the score.
        run: folder for what is written.
        augment: of the training pictures.
        recipe: the numbers.
        workers: processes that read pictures; 0 reads in this one.
        counts: those of the survey of `train/`; None: they are counted if the loss needs them.
    """

    def __init__(
        self,
        model: nn.Module,
        manifest: weights.Manifest,
        data: Path,
        run: Path,
        augment: Augment,
        recipe: Recipe,
        workers: int = 1,
        counts: np.ndarray | None = None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # bfloat16 pays where the hardware multiplies it: GPUs, and CPUs with AVX512-BF16 (1.6x on a Zen 5).
        self.half = self.device.type == "cuda" or (torch.cpu._is_avx512_bf16_supported() and _narrowest(model) >= 16)
        self.model = model.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.manifest, self.data, self.run, self.recipe = manifest, data, run, recipe
        self.normalise = Normalise(manifest.mean, manifest.std).to(self.device)
        self.task = TASKS[model.task](manifest)
        training = self.task.training_data(data / "train", augment, counts)
        self.loss = training.loss
        self.loader = DataLoader(
            training.pictures, recipe.batch, shuffle=True, drop_last=len(training.pictures) >= recipe.batch,
            num_workers=workers, persistent_workers=workers > 0, collate_fn=training.collate,
            pin_memory=self.device.type == "cuda",
        )  # fmt: skip
        # Biases and normalisation are not decayed: they cannot overfit, and decay moves their optimum.
        matrices = [p for p in model.parameters() if p.ndim > 1]
        vectors = [p for p in model.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
            lr=recipe.lr,
        )
        self.steps = recipe.epochs * len(self.loader)
        self.step = self.epoch = 0
        self.best = -1.0

    def resume(self) -> None:
        """Continues from `checkpoint.pt`.

        Raises:
            FileNotFoundError: if there is none.
            WeightsError: if it does not read, or is of another network.
        """
        state = checkpoint.read(self.run, self.device)
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise WeightsError(
                f"{self.run}: expected a run of {self.manifest.architecture} with {self.manifest.arguments}, got one "
                "of another network; resume with the model, arguments and classes of that run, or train in a new folder"
            ) from error
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.best = state["epoch"], state["best"]
        self.step = self.epoch * len(self.loader)  # of an epoch that was interrupted the steps come again
        torch.set_rng_state(state["random"].cpu())  # else the first epochs' crops would come again

    def fit(self) -> Path:
        """Trains to the last epoch, and prints a line after each. Returns the path of the best weights.

        Raises:
            OSError: if there is no room for the checkpoint.
            TrainingError: if the loss or a weight is NaN or Inf; the checkpoint before and the best weights stay.
            KeyboardInterrupt: with a checkpoint of the weights as they are; `resume` begins the epoch in work again.
        """
        # Weights, average, and the two moments of the optimiser; written beside the checkpoint before it is replaced.
        check_folder(self.run, needed=4 * sum(t.nbytes for t in self.model.state_dict().values()))
        self.run.mkdir(parents=True, exist_ok=True)
        begin, first = time.monotonic(), self.step
        lively = 2.0 if sys.stderr.isatty() else 30.0  # seconds; the file that it goes to otherwise shall stay short
        # Without smoothing the time left counts evaluations, too.
        with tqdm(total=self.steps, initial=first, unit="step", mininterval=lively, smoothing=0, leave=False) as bar:
            try:
                while self.epoch < self.recipe.epochs:
                    line = f"epoch {self.epoch + 1}/{self.recipe.epochs}: loss {self._train_epoch(bar):.3f}"
                    if (self.epoch + 1) % self.recipe.evaluate_every == 0 or self.epoch + 1 == self.recipe.epochs:
                        line += f", {self._keep_best()}"
                    self.epoch += 1
                    self._checkpoint()
                    left = (time.monotonic() - begin) / (self.step - first) * (self.steps - self.step)
                    with bar.external_write_mode(sys.stdout):
                        print(f"{line}, {tqdm.format_interval(left)} left", flush=True)
            except KeyboardInterrupt:
                self._check_weights()
                self._checkpoint()
                raise
        return self.run / "best.safetensors"

    def _train_epoch(self, bar: tqdm) -> float:
        """Returns the mean loss of the steps."""
        self.model.train()
        bar.set_description(f"epoch {self.epoch + 1}/{self.recipe.epochs}")
        total = 0.0
        for pixels, truth in self.loader:
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.lr * _schedule(self.step, self.steps)
            images = self.normalise(pixels.to(self.device, non_blocking=True))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                loss = self.loss(self.model, images, truth)
            value = loss.item()
            if not math.isfinite(value):
                raise self._diverged(f"a finite loss, got {value}")
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad()
            self.step += 1
            self._average_in()
            total += value
            bar.set_postfix(loss=f"{value:.3f}", refresh=False)
            bar.update()
        self._check_weights()
        return total / len(self.loader)

    def _check_weights(self) -> None:
        if not all(t.isfinite().all() for t in self.average.state_dict().values()):  # it holds what the weights held
            raise self._diverged("finite weights, got NaN or Inf")

    def _diverged(self, expected: str) -> TrainingError:
        if self.epoch:
            kept = f"{self.run} has what was good up to epoch {self.epoch}: go on from there with --resume and"
        else:
            kept = "begin again with"
        return TrainingError(
            f"epoch {self.epoch + 1}: expected {expected}; {kept} a lower --lr, now {self.recipe.lr:g}"
        )

    @torch.no_grad()
    def _average_in(self) -> None:
        # Early steps are forgotten sooner, else the random start would weigh for hundreds of steps.
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for old, new in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1 - keep)
            else:
                old.copy_(new)

    def _keep_best(self) -> str:
        """Evaluates, and writes the weights if they are the best so far. Returns the figures for people."""
        manifest = self.manifest
        graph = make_graph(self.average, manifest.mean, manifest.std, manifest.classes.things).to(self.device)
        figures = self.task.evaluate(graph, self.data / "val", self.device).score
        name, score = next(iter(figures.items()))
        line = ", ".join(f"val {name} {value:.4f}" for name, value in figures.items())
        if score > self.best:
            self.best = score
            score = {f"val_{name}": value for name, value in figures.items()} | {"epoch": self.epoch + 1}
            manifest = dataclasses.replace(manifest, score=score)
            weights.save(self.run / "best.safetensors", self.average.state_dict(), manifest, half=True)
        return f"{line} (best {name} {self.best:.4f})"

    def _checkpoint(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "best": self.best,
            "random": torch.get_rng_state(),
        }
        checkpoint.write(self.run, state)


def _narrowest(model: nn.Module) -> int:
    """Returns the fewest input channels of a convolution, the first one apart.

    Below 16, PyTorch 2.13's bfloat16 kernels for 1x1 convolutions with stride 2 write beyond their memory on the CPU.
    """
    return min([m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 3], default=16)


def _schedule(step: int, steps: int) -> float:
    """Returns the factor on the learning rate, 0..1: linear warm-up over 5 %, then polynomial decay with power 0.9."""
    warm_up = max(1, steps // 20)
    return (step + 1) / warm_up if step < warm_up else (1 - (step - warm_up) / max(1, steps - warm_up)) ** 0.9
