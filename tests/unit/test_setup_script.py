"""ci/setup.sh with stand-ins for the system's tools: what it would install, and how."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [line.split()[0] for line in (ROOT / "ci/packages.txt").read_text(encoding="utf-8").splitlines()]


class Machine:
    """A folder of stand-in programs that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.venv = folder, folder / "log", folder / "venv"
        self.log.touch()
        for name in ("sh", "env", "grep", "dirname", "mkdir", "cat", "chmod"):
            (folder / name).symlink_to(str(shutil.which(name)))
        self.tool("apt-get")
        self.tool("id", "echo 0")
        self.tool("uname", "echo x86_64")
        self.installed(PACKAGES)
        self.tool("venv-python")
        self.tool("python3", f'case $* in *-m\\ venv*) {self._make_venv()} ;; esac')

    def _make_venv(self) -> str:
        python = f"{self.venv}/bin/python"
        return (f"mkdir -p {self.venv}/bin; cat {self.folder}/venv-python >{python}; "
                f"chmod +x {python}")

    def tool(self, name: str, body: str = "") -> None:
        """Put a program there that logs its words, then does ``body``."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.log}\n{body}\n', encoding="utf-8")
        path.chmod(0o755)

    def installed(self, packages: list[str]) -> None:
        """Let dpkg-query know these packages."""
        known = "|".join(packages) or "none"
        self.tool("dpkg-query", f"case $3 in {known}) echo 'install ok installed' ;; *) exit 1 ;; esac")

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.folder / "sh", ROOT / "ci/setup.sh"], capture_output=True, text=True,
                              check=False,
                              env={"PATH": str(self.folder), "VENV": str(self.venv), **environment})

    def calls(self, *of: str) -> list[str]:
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith(of)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_setup_with_everything_there_installs_no_package(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert machine.calls("apt-get", "sudo") == []


@pytest.mark.parametrize(("processor", "wanted"), [("x86_64", 1), ("aarch64", 0)])
def test_setup_leaves_out_what_another_processor_needs(machine: Machine, processor: str, wanted: int) -> None:
    machine.tool("uname", f"echo {processor}")
    machine.installed([name for name in PACKAGES if name not in ("libopus-dev", "libipsec-mb-dev")])
    assert machine.setup().returncode == 0
    assert [call.count("libipsec-mb-dev") for call in machine.calls("apt-get install")] == [wanted]


def test_setup_makes_the_environment_once(machine: Machine) -> None:
    assert machine.setup().returncode == 0
    assert machine.setup().returncode == 0
    assert len([call for call in machine.calls("python3") if "-m venv" in call]) == 1
    assert any("-e .[test,lint]" in call for call in machine.calls("venv-python"))


def test_setup_as_root_installs_exactly_what_is_missing(machine: Machine) -> None:
    machine.installed([name for name in PACKAGES if name not in ("libopus-dev", "ffmpeg")])
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    update, install = machine.calls("apt-get")
    assert update == "apt-get update -qq"
    assert install == "apt-get install -y -qq --no-install-recommends libopus-dev ffmpeg"


def test_setup_as_a_user_takes_sudo(machine: Machine) -> None:
    machine.installed([name for name in PACKAGES if name != "tshark"])
    machine.tool("id", "echo 1000")
    machine.tool("sudo", '"$@"')
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert all("DEBIAN_FRONTEND=noninteractive" in call for call in machine.calls("sudo"))
    assert machine.calls("apt-get install") == ["apt-get install -y -qq --no-install-recommends tshark"]


def test_setup_as_a_user_without_sudo_says_what_is_wanted(machine: Machine) -> None:
    machine.installed([name for name in PACKAGES if name != "tshark"])
    machine.tool("id", "echo 1000")
    done = machine.setup()
    assert done.returncode == 1
    assert done.stderr == "setup: run this as root, or install sudo; wanted: tshark\n"
    assert machine.calls("apt-get") == []


def test_setup_stops_when_a_package_cannot_be_had(machine: Machine) -> None:
    machine.installed([])
    machine.tool("apt-get", "exit 100")
    assert machine.setup().returncode == 100
    assert machine.calls("venv-python") == []


def test_setup_on_another_system_leaves_packages_to_the_build(machine: Machine) -> None:
    (machine.folder / "dpkg-query").unlink()
    assert machine.setup().returncode == 0
    assert machine.calls("apt-get") == []


def test_setup_refuses_an_old_python(machine: Machine) -> None:
    machine.tool("python3", 'case $1 in --version) echo "Python 3.9.2" ;; -c) exit 1 ;; esac')
    done = machine.setup()
    assert done.returncode == 1
    assert done.stderr == ("setup: Python 3.9.2 is too old: 3.10 or later is needed; "
                           "name one with PYTHON=...\n")


def test_setup_renews_an_environment_without_pip(machine: Machine) -> None:
    python = machine.venv / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    assert machine.setup().returncode == 0
    assert any("-m venv --clear" in call for call in machine.calls("python3"))
