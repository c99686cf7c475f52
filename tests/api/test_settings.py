"""The API refuses to start without what keeps it safe."""

from __future__ import annotations

from pathlib import Path

import pytest
from raibid.api.settings import Settings, SettingsError
from raibid.contract import Env

FILES = (Env.WEBHOOK_SECRETS_FILE, Env.READ_TOKENS_FILE, Env.WRITE_TOKENS_FILE)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A complete environment."""
    for name in FILES:
        (tmp_path / name).write_text("# comment\n\nfirst-long-enough-secret\n  second-long-enough-secret  \n")
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv(Env.STORE, "file:///tmp/x")
    return monkeypatch


def test_all_lines_of_a_file_are_valid(env: pytest.MonkeyPatch) -> None:
    settings = Settings.load()
    both = (b"first-long-enough-secret", b"second-long-enough-secret")
    assert settings.webhook_secrets == settings.read_tokens == settings.write_tokens == both
    assert settings.gitea_body_bytes == 4 * 1024 * 1024


@pytest.mark.parametrize("name", [Env.WEBHOOK_SECRETS_FILE, Env.WRITE_TOKENS_FILE, Env.STORE])
def test_it_does_not_start_without(env: pytest.MonkeyPatch, name: str) -> None:
    env.delenv(name)
    with pytest.raises(SettingsError, match=name):
        Settings.load()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("content", "says"), [("", "is empty"), ("\n# only\n", "is empty"), ("short\n", "shorter than")]
)
def test_an_empty_or_guessable_secret_is_refused(
    env: pytest.MonkeyPatch, tmp_path: Path, name: str, content: str, says: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=says) as raised:
        Settings.load()
    assert name in str(raised.value)
    assert "short\n" not in str(raised.value)


@pytest.mark.parametrize("token", ["schlüssel-des-betreibers", "two words are no token"])
def test_a_token_that_no_header_can_carry_is_refused(env: pytest.MonkeyPatch, tmp_path: Path, token: str) -> None:
    for name in (Env.READ_TOKENS_FILE, Env.WRITE_TOKENS_FILE):
        (tmp_path / name).write_text(token)
        with pytest.raises(SettingsError, match="not ASCII") as raised:
            Settings.load()
        assert token not in str(raised.value)


def test_a_webhook_secret_may_be_any_text(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / Env.WEBHOOK_SECRETS_FILE).write_text("ein Geheimnis für alle")
    assert Settings.load().webhook_secrets == ("ein Geheimnis für alle".encode(),)


def test_a_missing_file_is_named(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / Env.WEBHOOK_SECRETS_FILE).unlink()
    with pytest.raises(SettingsError, match="No such file"):
        Settings.load()


def test_gitea_is_told_nothing_without_credentials(env: pytest.MonkeyPatch) -> None:
    env.setenv(Env.GITEA_URL, "http://gitea.example.test:3000")
    with pytest.raises(SettingsError, match=Env.FORGE_CREDENTIALS_FILE):
        Settings.load()


@pytest.mark.parametrize(
    "address",
    [
        "http://ci:hunter2@git.example.test",
        "https://hunter2@git.example.test",
        "git.example.test",
        "file:///etc",
        "https://g?hunter2",
    ],
)
def test_a_forges_address_is_one_and_carries_no_credentials(env: pytest.MonkeyPatch, address: str) -> None:
    env.setenv(Env.GITEA_URL, address)
    env.setenv(Env.FORGE_CREDENTIALS_FILE, "/nowhere")
    with pytest.raises(SettingsError, match=Env.GITEA_URL) as raised:
        Settings.load()
    assert "hunter2" not in str(raised.value)


def test_credentials_that_are_not_there_yet_do_not_keep_the_api_from_starting(env: pytest.MonkeyPatch) -> None:
    env.setenv(Env.GITEA_URL, "http://gitea.example.test:3000")
    env.setenv(Env.FORGE_CREDENTIALS_FILE, "/nowhere")
    assert Settings.load().gitea_url == "http://gitea.example.test:3000"


@pytest.mark.parametrize("name", [Env.GITHUB_APP_FILE, Env.MIRROR_TOKENS_DIR, Env.FORGE_CREDENTIALS_FILE])
def test_a_file_that_nothing_would_read_is_refused(env: pytest.MonkeyPatch, name: str) -> None:
    env.setenv(name, "/nowhere")
    env.setenv(Env.GITHUB_URL, "")  # as the stack says that there is none
    with pytest.raises(SettingsError, match=f"{name}: does nothing without"):
        Settings.load()


@pytest.mark.parametrize("address", ["ci.example.test", "https://wile:hunter2@ci.example.test", "javascript:alert(1)"])
def test_where_people_reach_the_api_is_an_address_without_credentials(env: pytest.MonkeyPatch, address: str) -> None:
    env.setenv(Env.PUBLIC_URL, address)
    with pytest.raises(SettingsError, match=Env.PUBLIC_URL) as raised:
        Settings.load()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("window", ["0", "-1", "many"])
def test_a_window_that_lets_nothing_in_is_refused(env: pytest.MonkeyPatch, window: str) -> None:
    env.setenv(Env.WINDOW, window)
    with pytest.raises(SettingsError, match=Env.WINDOW):
        Settings.load()


def test_no_secret_is_shown_by_the_settings(env: pytest.MonkeyPatch) -> None:
    assert "long-enough" not in repr(Settings.load())
