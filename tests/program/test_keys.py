"""The keys of a stack: made once, never replaced, never where they would be seen."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from components.__main__ import run
from components.checkout import ROOT
from components.engine import stack_keys
from components.engine.stack_keys import KeyFileError

FAKE = """\
#!{python}
# Stands in for `pulumi config`: a file instead of an engine; every call's arguments are written down.
import json, pathlib, sys
home = pathlib.Path({home!r})
arguments = sys.argv[1:]
with (home / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
file = home / "config.json"
config = json.loads(file.read_text()) if file.exists() else {{}}
words = [a for a in arguments[: arguments.index("--stack")] if not a.startswith("--")]
if words == ["config"]:
    plain = {{k: {{"secret": True}} if v["secret"] else v for k, v in config.items()}}
    unset = {{"raibid-ci:seed": {{"value": "", "secret": False}}, "raibid-ci:ageKey": {{"value": "", "secret": False}}}}
    print(json.dumps(unset | plain))
elif words[1] == "get":
    print(config["raibid-ci:" + words[2]]["value"])
elif "--secret" in arguments:
    config["raibid-ci:" + words[2]] = {{"value": sys.stdin.read(), "secret": True}}
else:
    top, _, inner = words[2].partition(".")
    value = json.loads(config.get(top, {{}}).get("value", "{{}}"))
    config[top] = {{"value": json.dumps({{**value, inner: words[3]}}), "secret": False}}
file.write_text(json.dumps(config))
"""


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a stand-in for `pulumi`."""
    home = tmp_path / "bin"
    home.mkdir()
    (home / "pulumi").write_text(FAKE.format(python=sys.executable, home=str(home)))
    (home / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return home


def config(pulumi: Path) -> dict[str, dict[str, str]]:
    stored: dict[str, dict[str, str]] = json.loads((pulumi / "config.json").read_text())
    return stored


def test_all_keys_are_made_and_each_goes_where_it_belongs(pulumi: Path, tmp_path: Path) -> None:
    assert run(["keys", "--stack", "dgx-spark"]) == 0
    stored = config(pulumi)
    recovery = tmp_path / "state/raibid/keys/dgx-spark-recovery.agekey"
    pair = json.loads(stored["raibid-ci:recipients"]["value"])
    assert stored["raibid-ci:seed"]["secret"]
    assert stored["raibid-ci:ageKey"]["secret"]
    assert pair["cluster"] == stack_keys.identity_of(stored["raibid-ci:ageKey"]["value"]).public
    assert pair["recovery"] == stack_keys.identity_of(recovery.read_text()).public
    assert stat.S_IMODE(recovery.stat().st_mode) == 0o600


def test_a_second_run_changes_nothing(pulumi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["keys", "--stack", "dgx-spark"])
    before = config(pulumi)
    assert run(["keys", "--stack", "dgx-spark"]) == 0
    assert config(pulumi) == before
    assert "has all its keys" in capsys.readouterr().out


def test_no_key_is_ever_an_argument_or_printed(pulumi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["keys", "--stack", "dgx-spark"])
    told = capsys.readouterr()
    calls = (pulumi / "calls").read_text()
    for key in ("seed", "ageKey"):
        value = config(pulumi)[f"raibid-ci:{key}"]["value"].strip()
        assert value not in calls + told.out + told.err


def test_an_interrupted_run_is_finished_with_the_keys_that_it_made(pulumi: Path) -> None:
    run(["keys", "--stack", "dgx-spark"])
    stored = config(pulumi)
    pair = stored.pop("raibid-ci:recipients")
    (pulumi / "config.json").write_text(json.dumps(stored))
    assert run(["keys", "--stack", "dgx-spark"]) == 0
    assert config(pulumi)["raibid-ci:recipients"] == pair


def test_a_recipient_whose_key_is_lost_is_refused(pulumi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["keys", "--stack", "dgx-spark"])
    stored = config(pulumi)
    del stored["raibid-ci:ageKey"]
    (pulumi / "config.json").write_text(json.dumps(stored))
    assert run(["keys", "--stack", "dgx-spark"]) == 1
    assert "restore it" in capsys.readouterr().err
    assert config(pulumi) == stored


def test_a_recovery_key_never_lands_in_the_repository(pulumi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "--stack", "dgx-spark", "--recovery", str(ROOT / "recovery.agekey")]) == 2
    assert "inside the repository" in capsys.readouterr().err
    assert not (pulumi / "calls").exists()


def test_without_pulumi_the_person_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run(["keys", "--stack", "dgx-spark"]) == 1
    assert "make preview" in capsys.readouterr().err


def test_key_files_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    keys = stack_keys.kept_in(tmp_path / "keys")
    assert stack_keys.kept_in(tmp_path / "keys") == keys
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "keys").iterdir()} == {0o600}


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    stack_keys.write_private(tmp_path / "key", "one")
    with pytest.raises(FileExistsError):
        stack_keys.write_private(tmp_path / "key", "two")
    assert (tmp_path / "key").read_text() == "one\n"


def test_a_broken_key_is_refused_without_being_quoted() -> None:
    with pytest.raises(KeyFileError) as refused:
        stack_keys.identity_of("AGE-SECRET-KEY-1SENTINEL")
    assert "SENTINEL" not in str(refused.value)
