"""Each stack's real emission, pushed into a real repository."""

from __future__ import annotations

import base64

import pytest
import yaml

from components import sops
from components.fleet.push import push
from components.fleet.request import PushRequest, push_request
from components.manifest_tree import Emission
from components.secret_values import deriver
from components.settings import Settings, load_stack
from components.systems import emission
from tests.fleet.repository import Repository

SEED = "sentinel-of-the-seed-0123456789abcdef"


@pytest.fixture(params=["local", "dev", "dgx-spark"])
def settings(request: pytest.FixtureRequest, recipients: tuple[str, ...]) -> Settings:
    plain = load_stack(request.param).model_dump(by_alias=True)
    return Settings.model_validate({**plain, "recipients": {"cluster": recipients[0], "recovery": recipients[1]}})


@pytest.fixture
def tree(settings: Settings) -> Emission:
    return emission(settings)


@pytest.fixture
def request_(settings: Settings, tree: Emission, repository: Repository, cluster_key: str) -> PushRequest:
    stack = settings.environment
    where = str(repository.directory)
    return push_request(settings, tree, stack=stack, version="1", url=where, seed=SEED, identity=cluster_key)


def passwords(tree: Emission) -> set[str]:
    """Every value that the tree's Secrets derive."""
    derive, seen = deriver(SEED, {}), set()

    def remember(label: str) -> str:
        seen.add(derive(label))
        return derive(label)

    for item in tree.secrets.values():
        item.values(remember)
    return seen


def test_the_tree_arrives_whole_and_a_second_push_does_nothing(
    repository: Repository, tree: Emission, request_: PushRequest
) -> None:
    push(request_)
    files = repository.files
    assert {path: files[path] for path in tree.files} == tree.files
    assert tree.secrets.keys() <= files.keys()
    assert not push(request_).pushed


def test_every_secret_opens_with_the_recovery_key_alone(
    repository: Repository, tree: Emission, request_: PushRequest, recovery_key: str
) -> None:
    push(request_)
    files = repository.files
    for path, item in tree.secrets.items():
        assert sops.decrypt(files[path], recovery_key) == item.manifest(deriver(SEED, {}))


def test_no_byte_of_the_repository_holds_seed_key_or_password(
    repository: Repository, tree: Emission, request_: PushRequest, cluster_key: str
) -> None:
    push(request_)
    everything = repository.every_byte()
    assert passwords(tree)
    for word in {SEED, cluster_key, *passwords(tree)}:
        assert word.encode() not in everything
        assert base64.b64encode(word.encode()).rstrip(b"=")[:-1] not in everything


def test_a_secret_never_stands_in_clear(repository: Repository, request_: PushRequest) -> None:
    push(request_)
    for path, data in repository.files.items():
        if path.endswith(".yaml"):
            for document in yaml.load_all(data, Loader=yaml.CSafeLoader):
                assert not (isinstance(document, dict) and document.get("kind") == "Secret") or "sops" in document, path
