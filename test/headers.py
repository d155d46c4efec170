"""Weights files whose manifest says anything: written by hand, with the right digest."""

import json

import safetensors.torch

from seg_ros import weights


def write(path, manifest, tensors):
    """Writes a weights file of any manifest, a text or what JSON can hold."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    safetensors.torch.save_file(tensors, path, {"seg_ros": text, "sha256": weights._digest(text, tensors)})
    return path


def lie(path, honest, **fields):
    """Writes the weights file `honest` again with some fields of its manifest changed."""
    manifest, tensors = weights.load(honest)
    return write(path, json.loads(manifest.to_json()) | fields, tensors)
