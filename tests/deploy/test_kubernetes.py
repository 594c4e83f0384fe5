"""The manifests for Kubernetes: they are what the published schemas allow, and go together.

No cluster takes part: nothing here says that a pod comes up.
"""

import json
import re
import shutil
import socket
import subprocess
import tomllib
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings
from service.supervisor.serve import STOP_API_S
from tests.deploy.manifests import Manifest, containers_of, resolved

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS = [FOLDER / "base", FOLDER / "overlays" / "large"]
VERSIONS = ("1.37", "1.29")  # of Kubernetes: the newest known, and an old one for all there is
BASE = resolved(FOLDER / "base")
RELEASE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
IMAGE = re.compile(r"^(registry\.example\.com/)?plimsoll-risk:" + re.escape(RELEASE) + "$")


def of_kind(kind: str, manifests: list[Manifest] = BASE) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def labels_of(deployment: Manifest) -> dict[str, str]:
    return dict(deployment["spec"]["template"]["metadata"]["labels"])


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    rules = selector.get("matchExpressions", ())
    assert all(rule["operator"] == "In" for rule in rules)
    return wanted and all(labels.get(rule["key"]) in rule["values"] for rule in rules)


@pytest.mark.parametrize(("folder", "version"), list(zip(KUSTOMIZATIONS, VERSIONS, strict=True)))
def test_each_is_what_the_schema_of_its_kind_allows(folder: Path, version: str) -> None:
    manifests = resolved(folder)
    assert len(manifests) >= 12
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    "broken",
    [
        {"spec": {"replicas": "two"}},
        {"spec": {"replica": 2}},
        {"kind": "Deploymint"},
        {"metadata": {"labels": ["api"]}},
    ],
)
def test_what_the_schema_does_not_allow_is_refused(broken: Manifest) -> None:
    (deployment, *_) = of_kind("Deployment")
    wrong = json.loads(json.dumps(deployment))
    for name, value in broken.items():
        wrong[name] = {**wrong[name], **value} if isinstance(value, dict) else value
    with pytest.raises(
        (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError)
    ):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="has no kubectl to compare with")
@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_kubectl_resolves_them_alike(folder: Path) -> None:
    command = ["kubectl", "kustomize", str(folder)]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout

    def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
        return {(one["kind"], one["metadata"]["name"]): one for one in manifests}

    assert by_name(list(yaml.safe_load_all(printed))) == by_name(resolved(folder))


def test_there_is_a_deployment_of_every_part() -> None:
    roles = {container["args"][-1] for container in containers_of(BASE)}
    assert roles == {"api", "monitor", "webhooks", "feed"}
    everything = containers_of(resolved(FOLDER / "overlays" / "large"))
    assert {one["args"][-1] for one in everything} == roles | {"targets"}
    assert all(one["args"][:2] == ["serve", "--role"] for one in everything)
    assert all(IMAGE.match(one["image"]) for one in everything), "the release has another number"


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_nothing_runs_with_more_rights_than_it_needs(folder: Path) -> None:
    user = re.search(r"useradd --system --uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert user is not None
    for deployment in of_kind("Deployment", resolved(folder)):
        pod = deployment["spec"]["template"]["spec"]
        security = pod["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, int(user[1]))
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_variables_are_settings_and_secrets_those_of_the_documents(folder: Path) -> None:
    manifests = resolved(folder)
    (shared,) = of_kind("ConfigMap", manifests)
    given = {name.removeprefix("PLIMSOLL_").lower(): text for name, text in shared["data"].items()}
    settings = Settings(**given)
    assert given.keys() <= Settings.model_fields.keys()
    assert settings.shards == 64
    create = (ROOT / "docs" / "operations.md").read_text()
    for container in containers_of(manifests):
        assert container["envFrom"] == [{"configMapRef": {"name": shared["metadata"]["name"]}}]
        for variable in container["env"]:
            assert variable["name"].removeprefix("PLIMSOLL_").lower() in Settings.model_fields
            secret = variable["valueFrom"]["secretKeyRef"]
            assert f"secret generic {secret['name']} " in create
            assert f"--from-literal={secret['key']}=" in create


def test_selectors_select_what_they_are_for() -> None:
    deployments = of_kind("Deployment")
    names = {labels_of(one)["app.kubernetes.io/component"]: one for one in deployments}
    for name, deployment in names.items():
        assert selects(deployment["spec"]["selector"], labels_of(deployment))
        others = [one for one in deployments if one is not deployment]
        assert not any(selects(deployment["spec"]["selector"], labels_of(one)) for one in others)
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name
    for budget in of_kind("PodDisruptionBudget"):
        selector = budget["spec"]["selector"]
        (deployment,) = (one for one in deployments if selects(selector, labels_of(one)))
        assert deployment["metadata"]["name"] == budget["metadata"]["name"]
    (service,) = of_kind("Service")
    assert selects({"matchLabels": service["spec"]["selector"]}, labels_of(names["api"]))
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == names["api"]["metadata"]["name"]
    assert "replicas" not in names["api"]["spec"], "every apply would undo the autoscaler"


def test_a_stop_leaves_time_for_the_drain() -> None:
    """Before SIGTERM five seconds, after it what the supervisor gives its workers."""
    (api,) = (one for one in of_kind("Deployment") if one["metadata"]["name"] == "plimsoll-api")
    pod = api["spec"]["template"]["spec"]
    _, pause = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert int(pause) + STOP_API_S < pod["terminationGracePeriodSeconds"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert pod["containers"][0][probe]["httpGet"]["path"] == "/livez"


def allowed(direction: str, labels: dict[str, str]) -> list[Any]:
    """The rules of a direction for a pod: none where policies say nothing is allowed."""
    policies = [
        one["spec"]
        for one in of_kind("NetworkPolicy")
        if selects(one["spec"]["podSelector"], labels)
    ]
    assert any(direction in policy["policyTypes"] for policy in policies)
    return [rule for policy in policies for rule in policy.get(direction.lower(), ())]


def test_the_network_lets_each_reach_what_it_needs_and_no_more() -> None:
    for deployment in of_kind("Deployment"):
        labels = labels_of(deployment)
        role = labels["app.kubernetes.io/component"]
        assert bool(allowed("Ingress", labels)) is (role == "api")
        ports = {port["port"] for rule in allowed("Egress", labels) for port in rule["ports"]}
        assert {53, 6_379} <= ports
        assert (443 in ports) is (role in {"webhooks", "feed"})


@pytest.mark.parametrize(
    ("told", "ready"),
    [
        ({"pod-a-1": [0, 1], "pod-b-7": [2]}, True),
        ({"pod-a-1": [], "pod-b-7": [0, 1, 2]}, False),
        ({"pod-b-7": [0, 1, 2]}, False),
        ({"pod-ab-1": [0, 1, 2]}, False),
    ],
)
def test_a_monitor_is_ready_when_it_serves_shards(
    told: dict[str, list[int]], ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = (one for one in containers_of(BASE) if one["name"] == "monitor")
    python, option, code = container["readinessProbe"]["exec"]["command"]
    assert (python, option) == ("python", "-c")
    asked: list[str] = []

    def answer(url: str, timeout: float) -> BytesIO:
        asked.append(f"{url} within {timeout}")
        return BytesIO(json.dumps({"status": "ok", "monitors": told}).encode())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    monkeypatch.setattr(socket, "gethostname", lambda: "pod-a")
    with pytest.raises(SystemExit) as ended:
        exec(compile(code, "readinessProbe", "exec"), {})
    assert bool(ended.value.code) is not ready
    assert asked == ["http://plimsoll-api:8000/readyz within 2"]
