"""The training loop: AdamW, polynomial schedule, EMA, best epoch by the task's score."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from seg_ros import weights
from seg_ros.errors import WeightsError
from seg_ros.models.graph import Normalise, make_graph
from seg_ros.training.augment import Augment
from seg_ros.training.tasks import TASKS

CHECKPOINT = "checkpoint.pt"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Numbers of a training run.

    Attributes:
        epochs: passes over the pictures.
        batch: pictures a step.
        lr: peak learning rate of AdamW (Loshchilov, Hutter, 2019).
        weight_decay: of matrices; biases and normalisation have none.
        ema: share of the old average kept at each step (Polyak averaging); the average is what is shipped.
        evaluate_every: epochs between evaluations.
    """

    epochs: int = 40
    batch: int = 8
    lr: float = 3e-3
    weight_decay: float = 0.01
    ema: float = 0.998
    evaluate_every: int = 1


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
        path = checkpoint(self.run)
        try:
            state = torch.load(path, weights_only=True, map_location=self.device)
            missing = {"model", "average", "optimiser", "step", "epoch", "best", "random"} - state.keys()
            if missing:
                raise ValueError(f"no {min(missing)}")
        except Exception as error:  # whatever a damaged pickle makes its reader raise
            raise WeightsError(
                f"{path}: expected a checkpoint of a run, got {error!r:.200}; it is damaged: leave --resume out"
            ) from error
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise WeightsError(
                f"{path}: expected a run of {self.manifest.architecture} with {self.manifest.arguments}, got one of "
                "another network; resume with the model, arguments and classes of that run, or train in a new folder"
            ) from error
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.epoch, self.best = state["step"], state["epoch"], state["best"]
        torch.set_rng_state(state["random"].cpu())  # else the first epochs' crops would come again

    def fit(self) -> Path:
        """Trains to the last epoch. Returns the path of the best weights."""
        self.run.mkdir(parents=True, exist_ok=True)
        while self.epoch < self.recipe.epochs:
            self._train_epoch()
            self.epoch += 1
            if self.epoch % self.recipe.evaluate_every == 0 or self.epoch == self.recipe.epochs:
                self._keep_best()
            self._checkpoint()
        return self.run / "best.safetensors"

    def _train_epoch(self) -> None:
        self.model.train()
        bar = tqdm(self.loader, desc=f"epoch {self.epoch + 1}/{self.recipe.epochs}", mininterval=2.0)
        for pixels, truth in bar:
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.lr * _schedule(self.step, self.steps)
            images = self.normalise(pixels.to(self.device, non_blocking=True))
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                loss = self.loss(self.model, images, truth)
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad()
            self.step += 1
            self._average_in()
            bar.set_postfix(loss=f"{loss.item():.3f}")

    @torch.no_grad()
    def _average_in(self) -> None:
        # Early steps are forgotten sooner, else the random start would weigh for hundreds of steps.
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for old, new in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1 - keep)
            else:
                old.copy_(new)

    def _keep_best(self) -> None:
        manifest = self.manifest
        graph = make_graph(self.average, manifest.mean, manifest.std, manifest.classes.things).to(self.device)
        figures = self.task.evaluate(graph, self.data / "val", self.device).score
        name, score = next(iter(figures.items()))
        print(f"epoch {self.epoch}: val {figures} (best {name} so far {max(self.best, score):.4f})", flush=True)
        if score > self.best:
            self.best = score
            score = {f"val_{name}": value for name, value in figures.items()} | {"epoch": self.epoch}
            manifest = dataclasses.replace(manifest, score=score)
            weights.save(self.run / "best.safetensors", self.average.state_dict(), manifest, half=True)

    def _checkpoint(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
            "best": self.best,
            "random": torch.get_rng_state(),
        }
        # Renamed into place, so that a run killed while writing still resumes.
        partial = self.run / ".checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.run / CHECKPOINT)


def checkpoint(run: Path) -> Path:
    """Returns the path of the checkpoint in the folder of a run.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = run / CHECKPOINT
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no run to resume there; give --run the folder of one, or leave --resume out to begin one"
        )
    return path


def _narrowest(model: nn.Module) -> int:
    """Returns the fewest input channels of a convolution, the first one apart.

    Below 16, PyTorch 2.13's bfloat16 kernels for 1x1 convolutions with stride 2 write beyond their memory on the CPU.
    """
    return min([m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 3], default=16)


def _schedule(step: int, steps: int) -> float:
    """Returns the factor on the learning rate, 0..1: linear warm-up over 5 %, then polynomial decay with power 0.9."""
    warm_up = max(1, steps // 20)
    return (step + 1) / warm_up if step < warm_up else (1 - (step - warm_up) / max(1, steps - warm_up)) ** 0.9
