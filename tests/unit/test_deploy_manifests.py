"""The files of ``deploy/``: valid by the schemas of those who read them, and true about headway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from headway.asgi import LIVENESS, READINESS
from headway.asgi.probes import DEADLINE_S as PROBE_DEADLINE_S
from headway.errors import ExitCode
from headway.lock import DEFAULT_LOCK_WAIT_S
from headway.waiting import TIMEOUT_S as LIFESPAN_TIMEOUT_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"

GRACE_S = 30  # what docs/deploy.md asks for between SIGTERM and SIGKILL
MANIFESTS = sorted(
    path
    for room in ("kubernetes", "helm", "argo")
    for path in (DEPLOY / room).rglob("*.yaml")
    if path.name != "kustomization.yaml"
)
JOBS = [
    KUBERNETES / "migrate" / "job.yaml",
    DEPLOY / "helm" / "migrate-hook.yaml",
    DEPLOY / "argo" / "migrate-presync.yaml",
]


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def document(*parts: str) -> dict[str, Any]:
    (only,) = documents(DEPLOY.joinpath(*parts))
    return only


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def app() -> dict[str, Any]:
    (container,) = pod(document("kubernetes", "app", "deployment.yaml"))["containers"]
    return dict(container)


def secrets_of(container: dict[str, Any]) -> set[str]:
    sources = (variable.get("valueFrom", {}) for variable in container["env"])
    return {source["secretKeyRef"]["name"] for source in sources if source}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_passes_the_strict_schema_of_kubernetes(path: Path) -> None:
    assert documents(path)
    for manifest in documents(path):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_strict_schema_finds_a_field_that_kubernetes_does_not_know() -> None:
    manifest = document("kubernetes", "migrate", "job.yaml")
    manifest["spec"]["retries"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(
    ("schema", "file", "broken"),
    [
        ("vendor.compose-spec", "compose.yaml", "services:\n  app:\n    image: [a]\n"),
        ("vendor.compose-spec", "deploy/compose.production.yaml", "services:\n  app:\n    command: 1\n"),
        ("vendor.github-workflows", ".github/workflows/ci.yml", "on: push\njobs: []\n"),
        ("vendor.github-workflows", "deploy/github-actions/deploy.yaml", "on: push\njobs: {a: {}}\n"),
    ],
)
def test_a_file_passes_the_schema_and_a_broken_one_does_not(
    tmp_path: Path, schema: str, file: str, broken: str
) -> None:
    wrong = tmp_path / "broken.yaml"
    wrong.write_text(broken)
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    judged = subprocess.run([*check, str(ROOT / file)], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert subprocess.run([*check, str(wrong)], capture_output=True, check=False).returncode == 1


def test_one_image_migrates_waits_and_serves() -> None:
    parts = [document("kubernetes", part, "kustomization.yaml") for part in ("migrate", "app")]
    assert parts[0]["images"] == parts[1]["images"]
    (image,) = parts[0]["images"]
    workloads = [
        pod(document("kubernetes", "migrate", "job.yaml")),
        pod(document("kubernetes", "app", "deployment.yaml")),
    ]
    containers = [each for spec in workloads for each in spec["containers"] + spec.get("initContainers", [])]
    assert {container["image"] for container in containers} == {image["name"]}
    services = document("compose.production.yaml")["services"]
    assert services["app"]["image"] == services["migrate"]["image"]


def test_a_kustomization_takes_every_manifest_beside_it() -> None:
    for part in ("migrate", "app"):
        beside = {path.name for path in (KUBERNETES / part).glob("*.yaml")} - {"kustomization.yaml"}
        assert set(document("kubernetes", part, "kustomization.yaml")["resources"]) == beside


def test_a_hook_is_the_job_with_its_annotations() -> None:
    job, helm, argo = (documents(path)[0] for path in JOBS)
    assert set(helm["metadata"].pop("annotations")) == {
        "helm.sh/hook",
        "helm.sh/hook-weight",
        "helm.sh/hook-delete-policy",
    }
    assert argo["metadata"].pop("annotations") == {
        "argocd.argoproj.io/hook": "PreSync",
        "argocd.argoproj.io/sync-wave": "0",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
    }
    # Whoever runs a hook removes it.
    del job["spec"]["ttlSecondsAfterFinished"]
    assert helm.keys() == argo.keys() == job.keys()
    image = pod(helm)["containers"][0]["image"]
    pod(job)["containers"][0]["image"] = image
    assert helm == argo == job


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_the_job_has_time_for_the_lock_and_ends_before_those_who_wait_for_it(path: Path) -> None:
    spec = documents(path)[0]["spec"]
    command = spec["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--lock-wait") + 1] == "10min"
    assert spec["activeDeadlineSeconds"] > 600 > DEFAULT_LOCK_WAIT_S
    script = (KUBERNETES / "rollout.sh").read_text(encoding="utf-8")
    limit = int(script.split("ROLLOUT_TIMEOUT:-")[1].split("}")[0])
    workflow = document("github-actions", "deploy.yaml")
    assert spec["activeDeadlineSeconds"] < limit
    # For the migration and for the rollout.
    assert 2 * limit < 60 * workflow["jobs"]["production"]["timeout-minutes"]


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_the_job_gives_up_at_once_on_what_another_try_cannot_mend(path: Path) -> None:
    spec = documents(path)[0]["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    (codes,) = [rule["onExitCodes"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert codes["values"] == [
        *(ExitCode.USAGE, ExitCode.REFUSED, ExitCode.INTEGRITY, ExitCode.DIRTY),
    ]
    (container,) = spec["template"]["spec"]["containers"]
    assert codes["containerName"] == container["name"]


def test_everything_that_migrates_or_serves_has_time_to_roll_back() -> None:
    pods = [pod(documents(path)[0]) for path in JOBS] + [
        pod(document("kubernetes", "app", "deployment.yaml"))
    ]
    assert min(spec["terminationGracePeriodSeconds"] for spec in pods) > GRACE_S
    services = document("compose.production.yaml")["services"].values()
    assert min(int(service["stop_grace_period"].removesuffix("s")) for service in services) > GRACE_S


def test_liveness_asks_no_database_and_readiness_does() -> None:
    assert app()["livenessProbe"]["httpGet"]["path"] == LIVENESS
    assert app()["startupProbe"]["httpGet"]["path"] == LIVENESS
    assert app()["readinessProbe"]["httpGet"]["path"] == READINESS
    assert READINESS in document("compose.production.yaml")["services"]["app"]["healthcheck"]["test"][-1]


def test_probes_allow_for_a_blocking_start_and_for_a_new_connection() -> None:
    startup = app()["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] > LIFESPAN_TIMEOUT_S
    assert app()["readinessProbe"]["timeoutSeconds"] > PROBE_DEADLINE_S + 1  # the second is for hanging up


def test_the_rollout_is_not_called_failed_while_the_init_container_waits() -> None:
    deployment = document("kubernetes", "app", "deployment.yaml")
    (waiting,) = pod(deployment)["initContainers"]
    assert waiting["command"] == ["headway", "wait", "--timeout", "10min"]
    assert deployment["spec"]["progressDeadlineSeconds"] > 600
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_service_sends_requests_to_the_application_only() -> None:
    wanted = document("kubernetes", "app", "service.yaml")["spec"]["selector"].items()
    labels = {
        part: document("kubernetes", *part)["spec"]["template"]["metadata"]["labels"].items()
        for part in (("app", "deployment.yaml"), ("migrate", "job.yaml"))
    }
    assert {part[0] for part, found in labels.items() if wanted <= found} == {"app"}


def test_only_what_migrates_holds_the_owners_url() -> None:
    deployment = pod(document("kubernetes", "app", "deployment.yaml"))
    serving = deployment["containers"] + deployment["initContainers"]
    assert {name for container in serving for name in secrets_of(container)} == {"taskman-database"}
    for path in JOBS:
        (container,) = pod(documents(path)[0])["containers"]
        assert secrets_of(container) == {"taskman-migration"}
    examples = {each["metadata"]["name"] for each in documents(KUBERNETES / "secrets.example.yaml")}
    assert examples == {"taskman-database", "taskman-migration"}
    services = document("compose.production.yaml")["services"]
    assert "MIGRATION_DATABASE_URL" not in services["app"]["environment"]


def test_everything_that_runs_says_that_it_is_production() -> None:
    containers = [app(), *pod(document("kubernetes", "app", "deployment.yaml"))["initContainers"]]
    containers += [each for path in JOBS for each in pod(documents(path)[0])["containers"]]
    for container in containers:
        assert {"name": "APP_ENVIRONMENT", "value": "production"} in container["env"]


def test_the_image_is_that_of_compose_under_a_user_that_kubernetes_can_tell_from_root() -> None:
    def steps(text: str) -> list[str]:
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not line.startswith(("#", "USER", "CMD"))]

    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert steps(image) == steps(services["app"]["build"]["dockerfile_inline"])
    user = pod(document("kubernetes", "app", "deployment.yaml"))["securityContext"]["runAsUser"]
    assert f"USER {user}\n" in image


def test_production_waits_for_staging_and_for_an_approval() -> None:
    workflow = document("github-actions", "deploy.yaml")
    jobs = workflow["jobs"]
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert jobs["production"]["environment"] == "production"
    assert "plan-production" in jobs["production"]["needs"]
    assert "staging" in jobs["plan-production"]["needs"]
    assert jobs["staging"]["needs"] == "image"
    assert jobs["image"]["needs"] == "check"
    assert jobs["staging"]["steps"] == jobs["production"]["steps"]
