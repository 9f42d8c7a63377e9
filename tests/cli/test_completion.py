"""What shells complete, asked of the shells themselves."""

import json
import shutil
import subprocess

import pytest

from freshwheel.cli.main import main

BASH = """
source "$0"
COMP_WORDS=(freshwheel "$@") COMP_CWORD=$#
_freshwheel
echo "${COMPREPLY[*]}"
"""
ASKED = [
    (["d"], {"digest", "doctor"}),
    (["store", "p"], {"prune"}),
    (["store", "prune", "--s"], {"--size"}),
    (["inputs", "--a"], {"--account"}),
    (["completion", ""], {"bash", "fish", "zsh"}),
]


@pytest.fixture
def script(capsysbinary, tmp_path):
    """Writes the script of a shell; its path."""

    def made(shell):
        assert main(["completion", shell]) == 0
        path = tmp_path / shell
        path.write_bytes(capsysbinary.readouterr().out)
        return str(path)

    return made


def said(*command):
    """What a shell prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("words", "completed"), [*ASKED, (["check", ""], set())])
def test_bash(script, words, completed):
    """Verbs, actions and options; files are left to bash where a path may stand."""
    assert set(said("bash", "-c", BASH, script("bash"), *words).split()) == completed


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(("words", "completed"), ASKED)
def test_fish(script, words, completed):
    """The same, with what each is for."""
    asked = f"source {script('fish')}; complete -C 'freshwheel {' '.join(words)}'"
    assert {line.split("\t")[0] for line in said("fish", "--no-config", "-c", asked).splitlines()} == completed


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh(script):
    """It takes that of bash, by its own means."""
    assert "_freshwheel" in said("zsh", "-fc", f"source {script('zsh')}; echo $_comps[freshwheel]")


def test_a_shell_that_nobody_knows(capsys):
    """It is a usage error that names those which are known; as JSON the script is a string."""
    assert main(["completion", "csh"]) == 2
    assert "bash" in capsys.readouterr().err
    assert main(["completion", "bash", "--json"]) == 0
    assert "_freshwheel" in json.loads(capsys.readouterr().out)["script"]
