"""Certificates from a private CA: the CA itself, Gitea's leaf, and the CA's certificate in every namespace of the pool.

Owns: cert-manager and trust-manager, the issuers, the leaf `gitea.<domain>`, the bundle.
Leaves to others: who serves the leaf (`gitea`), the CA on the host (`k3s`), alerts before it expires (`monitoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi import ComponentResource, ResourceOptions

from components.budget import Budget, Footprint, Workload
from components.flux_objects import helm_release
from components.manifest_tree import Manifest, Tree, emit
from components.network import API_SERVER, EVERY_POD, from_peers, network_policy, pods
from components.settings import Settings
from components.units import MI
from components.versions import CHARTS
from components.workload import metadata, resources

NAME: Final = "cert-manager"
FLOWS: Final = ()
NAMESPACE: Final = "cert-manager"
CONTROLLERS: Final = "infrastructure/controllers/cert-manager"
CONFIGS: Final = "infrastructure/configs/cert-manager"
CA: Final = "raibid-ca"
"""Secret, issuer and bundle of the private CA all have this name."""
GITEA_TLS: Final = "gitea-tls"
"""Secret with Gitea's leaf: `tls.crt`, `tls.key`, `ca.crt`."""
_SELF_SIGNED: Final = "raibid-self-signed"
_HOURS_PER_YEAR: Final = 8760
_WEBHOOK: Final = 10250
_TRUST_WEBHOOK: Final = 6443
_PROMETHEUS: Final = (9402,)


def footprint(settings: Settings) -> Footprint:
    """Idle most of the time: it renews a handful of certificates."""
    return Footprint(
        NAME,
        (
            Workload(name="controller", namespace=NAMESPACE, cpu=40, memory=128 * MI),
            Workload(name="webhook", namespace=NAMESPACE, cpu=20, memory=64 * MI),
            Workload(name="cainjector", namespace=NAMESPACE, cpu=20, memory=128 * MI),
            Workload(name="trust-manager", namespace=NAMESPACE, cpu=20, memory=128 * MI),
        ),
    )


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository: programs first, their objects a stage later, when the CRDs are there."""
    sizes = footprint(settings)
    programs = [
        *helm_release(CHARTS["cert-manager"], namespace=NAMESPACE, values=_values(sizes), system=NAME),
        *helm_release(
            CHARTS["trust-manager"],
            namespace=NAMESPACE,
            values=_trust_values(sizes),
            system=NAME,
            depends_on=("cert-manager",),  # it asks for its webhook's certificate there
        ),
        _network_policy(),
    ]
    authority = [
        _issuer(_SELF_SIGNED, {"selfSigned": {}}),
        _root(),
        _issuer(CA, {"ca": {"secretName": CA}}),
        _gitea(),
        _bundle(),
    ]
    return Tree(NAME, {CONTROLLERS: programs, CONFIGS: authority})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {"cert_manager_domain": settings.domain}


def _values(sizes: Footprint) -> Mapping[str, Any]:
    return {
        # Kept when the release goes: deleting a CRD deletes every certificate.
        "crds": {"enabled": True, "keep": True},
        "resources": resources(sizes.of("controller")),
        "webhook": {"resources": resources(sizes.of("webhook"))},
        "cainjector": {"resources": resources(sizes.of("cainjector"))},
        # The stage's own wait tells the same, without a Job that blocks Helm.
        "startupapicheck": {"enabled": False},
        "prometheus": {"enabled": True},
    }


def _trust_values(sizes: Footprint) -> Mapping[str, Any]:
    return {
        "crds": {"enabled": True, "keep": True},
        "app": {"trust": {"namespace": NAMESPACE}},
        "resources": resources(sizes.of("trust-manager")),
        # Public CAs come with every image; the bundle adds ours only.
        "defaultPackage": {"enabled": False},
    }


def _issuer(name: str, spec: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": metadata(name, None, NAME),
        "spec": dict(spec),
    }


def _certificate(name: str, namespace: str, *, years: float, issuer: str, **spec: Any) -> Manifest:
    hours = int(years * _HOURS_PER_YEAR)
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": metadata(name, namespace, NAME),
        "spec": {
            "secretName": name,
            "duration": f"{hours}h",
            **spec,
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": issuer},
        },
    }


def _root() -> Manifest:
    # A cluster issuer looks for its Secret in cert-manager's own namespace. Renewed at half its life: whoever installed
    # the old CA has years to take the new one.
    return _certificate(
        CA,
        NAMESPACE,
        years=10,
        issuer=_SELF_SIGNED,
        renewBefore=f"{5 * _HOURS_PER_YEAR}h",
        isCA=True,
        commonName=CA,
        subject={"organizations": ["raibid"]},
    )


def _gitea() -> Manifest:
    return _certificate(
        GITEA_TLS,
        "infrastructure",
        years=0.25,
        issuer=CA,
        renewBefore="720h",
        dnsNames=["gitea.${cert_manager_domain}", "gitea-http.infrastructure.svc.cluster.local"],
        usages=["server auth", "digital signature"],
    )


def _bundle() -> Manifest:
    return {
        "apiVersion": "trust.cert-manager.io/v1alpha1",
        "kind": "Bundle",
        "metadata": metadata(CA, None, NAME),
        "spec": {
            "sources": [{"secret": {"name": CA, "key": "ca.crt"}}],
            "target": {
                "configMap": {"key": "ca.crt"},
                "namespaceSelector": {"matchLabels": {"app.kubernetes.io/part-of": "raibid"}},
            },
        },
    }


def _network_policy() -> Manifest:
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        selects=EVERY_POD,
        # The API server calls webhooks from the node's address, which no selector names.
        ingress=(
            from_peers(ports=(_WEBHOOK, _TRUST_WEBHOOK)),
            from_peers(pods("monitoring"), ports=_PROMETHEUS),
        ),
        egress=(API_SERVER,),
    )


@dataclass(frozen=True, kw_only=True)
class CertManagerArgs:
    """What the component needs."""

    settings: Settings


class CertManager(ComponentResource):
    """Certificates in the stack's graph: Flux installs the programs, the stack shows which files change."""

    def __init__(self, name: str, args: CertManagerArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:CertManager", name, {"files": files}, opts)
        self.register_outputs({})
