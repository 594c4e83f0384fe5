"""Kustomizations resolved as far as ours go, without a program for it."""

from pathlib import Path
from typing import Any, TypeAlias

import yaml

Manifest: TypeAlias = dict[str, Any]

KNOWN = {"apiVersion", "kind", "namespace", "resources", "patches", "replicas", "images"}


def resolved(folder: Path) -> list[Manifest]:
    """Return what `kubectl kustomize` prints of a folder that asks for no more than `KNOWN`."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(kustomization) <= KNOWN, f"resolve {set(kustomization) - KNOWN} here as well"
    found: list[Manifest] = []
    for name in kustomization["resources"]:
        path = (folder / name).resolve()
        found += resolved(path) if path.is_dir() else _documents(path)
    for patch in kustomization.get("patches", ()):
        for change in _documents(folder / patch["path"]):
            _merge(_named(found, change["kind"], change["metadata"]["name"]), change)
    for replicas in kustomization.get("replicas", ()):
        _named(found, "Deployment", replicas["name"])["spec"]["replicas"] = replicas["count"]
    for image in kustomization.get("images", ()):
        _rename(found, image)
    for manifest in found:
        manifest["metadata"]["namespace"] = kustomization["namespace"]
    return found


def containers_of(manifests: list[Manifest]) -> list[Manifest]:
    return [
        container
        for manifest in manifests
        if manifest["kind"] == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
    ]


def _documents(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text()))


def _named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def _merge(manifest: Manifest, change: Manifest) -> None:
    """Merge as Kustomize does where there are no lists."""
    for name, value in change.items():
        assert not isinstance(value, list), "lists are merged by rules that are not here"
        if isinstance(value, dict):
            _merge(manifest.setdefault(name, {}), value)
        else:
            manifest[name] = value


def _rename(manifests: list[Manifest], image: Manifest) -> None:
    for container in containers_of(manifests):
        name, _, tag = container["image"].partition(":")
        if name == image["name"]:
            container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
