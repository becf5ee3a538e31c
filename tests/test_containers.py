"""docker-compose.yml and Dockerfile, judged without Docker: schema, linters, and our own rules."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hikiproject import catalogues
from hikiproject.postgres import OF_EVERY_DATABASE
from hikiproject.state import BASE

SETTINGS = (BASE / "hikiproject" / "settings.py").read_text()


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / tool), *arguments]
    return subprocess.run(command, cwd=BASE, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((BASE / "docker-compose.yml").read_text())


def own(compose: dict[str, Any]) -> dict[str, Any]:
    return {n: s for n, s in compose["services"].items() if s["image"] == "hikiproject:local"}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("check-jsonschema", ["--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]),
        ("compose-lint", ["check", "--no-env", "docker-compose.yml"]),
        ("hadolint", ["Dockerfile"]),
    ],
)
def test_a_linter_finds_nothing_to_refuse(tool, arguments):
    done = run(tool, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stack_is_complete(compose):
    assert set(compose["services"]) == {
        "postgres", "valkey", "migrate", "web", "worker", "sweeper"
    }  # fmt: skip
    assert compose["services"]["postgres"]["image"].startswith("postgres:18")
    assert compose["services"]["valkey"]["image"].startswith("valkey/valkey:9")


def test_every_container_is_locked_down(compose):
    for name, service in compose["services"].items():
        assert int(service["user"].split(":")[0]) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["init"], name
        assert {"pids_limit", "mem_limit", "cpus", "tmpfs", "logging"} <= service.keys(), name


def test_what_a_container_needs_to_start_does_not_ask_for_a_root_that_can_be_written(compose):
    """Compose copies `configs` with `content` into the container, and refuses where it cannot."""
    for name, service in compose["services"].items():
        assert "configs" not in service, name
    script = compose["services"]["postgres"]["command"][-1]
    written = re.findall(r"> (/\S+)/", script)
    assert written == ["/docker-entrypoint-initdb.d"]
    for folder in written:
        assert any(t.startswith(f"{folder}:") for t in compose["services"]["postgres"]["tmpfs"])


def test_the_database_has_the_options_of_every_database_of_the_study(compose):
    script = compose["services"]["postgres"]["command"][-1]
    assert re.findall(r"-c (\S+)", script) == list(OF_EVERY_DATABASE)


def test_one_service_builds_the_image_and_nobody_looks_for_it_elsewhere(compose):
    assert [name for name, service in own(compose).items() if "build" in service] == ["migrate"]
    assert {service["pull_policy"] for service in own(compose).values()} == {"never"}


def test_secrets_are_files_and_never_in_the_environment_or_a_command(compose):
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            secret = re.search("PASSWORD|SECRET|_URL", variable)
            assert not secret or variable.endswith("_FILE"), f"{name}: {variable}"
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], variable
    for secret in compose["secrets"].values():
        assert secret["file"].startswith(".hiki/"), "git must not see it"
    assert run_git_ignores(".hiki/secrets/database_url")


def run_git_ignores(path: str) -> bool:
    ignored = [line.rstrip("/") for line in (BASE / ".gitignore").read_text().splitlines()]
    return any(path.startswith(f"{line}/") for line in ignored if line)


def test_every_variable_of_our_services_is_one_that_the_settings_read(compose):
    for name, service in own(compose).items():
        for variable in service["environment"]:
            known = variable.removesuffix("_FILE")
            assert f'"{known}"' in SETTINGS, f"{name} sets {variable}, which nothing reads"


def test_only_the_web_service_is_published_and_only_on_the_loopback(compose):
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    assert compose["networks"]["stores"]["internal"] is True
    outside = {n for n, s in compose["services"].items() if set(s["networks"]) != {"stores"}}
    # The sweeper sends mails and calls webhooks.
    assert outside == {"web", "sweeper"}


def test_everything_waits_for_healthy_stores_and_finished_migrations(compose):
    for name in ("web", "worker", "sweeper"):
        conditions = {k: v["condition"] for k, v in compose["services"][name]["depends_on"].items()}
        assert conditions == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "valkey": "service_healthy",
        }
        assert "test" in compose["services"][name]["healthcheck"]


def test_the_image_runs_as_the_user_of_the_compose_file_and_holds_what_runs(compose):
    dockerfile = (BASE / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", dockerfile, re.M) == [own(compose)["web"]["user"]]
    assert "--require-hashes" in dockerfile
    included = re.findall(r"^!(\S+)", (BASE / ".dockerignore").read_text(), re.M)
    assert {"manage.py", "requirements.txt", "hikiproject", "cohorts", "analysis"} <= set(included)
    for name in included:
        assert (BASE / name).exists(), name
    # Without its catalogues the platform starts, and is English.
    assert catalogues.KEPT.relative_to(BASE).parts[0] in included


def test_the_image_can_be_read_though_the_checkout_was_private():
    """With a umask of 077 git gives the files to their owner alone, and COPY keeps that."""
    _, first, last = (BASE / "Dockerfile").read_text().split("\nFROM ")
    assert re.search(r"COPY \. /app\n(#.*\n)*RUN .*chmod -R a\+rX /app", first)
    assert "COPY --from=packages /app /app" in last
