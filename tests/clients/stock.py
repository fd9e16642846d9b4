"""An instance with a registry that has images."""

import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alibabacloud_cr20181201.client import Client as Cr2018
from tencentcloud.tcr.v20190924 import models as tcr

import alibaba
import image
import tencent
from credential import exchange
from registry import Registry, skopeo, skopeo_login
from service import AccessKey, Instance, Transire


@dataclass(frozen=True)
class Stock:
    """An instance with a registry that has images."""

    transire: Transire
    instance: Instance
    registry: Registry
    folder: Path

    def push(self, repository: str, tag: str, **config: Any) -> str:
        """Pushes an image, whose configuration may say more; its digest."""
        layout = self.folder / f"{repository.replace('/', '-')}-{tag}"
        digest = image.write_oci_layout(layout, tag, **config)
        assert skopeo_login(self.registry, tencent.issue(self.transire, self.instance.account.key, self.instance.tcr_id)).returncode == 0
        done = skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}:{tag}", self.registry.reference(f"{repository}:{tag}"))
        assert done.returncode == 0, done.stderr
        return digest

    def tag(self, repository: str, manifest: bytes, media_type: str, *tags: str) -> None:
        """Puts a manifest under more tags; no tool does so without copying."""
        credential = tencent.issue(self.transire, self.instance.account.key, self.instance.tcr_id)
        token = exchange(self.transire.realm, self.instance, credential, f"repository:{repository}:pull,push").json()["token"]
        for tag in tags:
            request = urllib.request.Request(
                f"http://{self.registry.address}/v2/{repository}/manifests/{tag}",
                headers={"Authorization": f"Bearer {token}", "Content-Type": media_type},
                data=manifest,
                method="PUT",
            )
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                assert answer.status == 201

    def manifest(self, repository: str, tag: str, digest: str) -> bytes:
        return (self.folder / f"{repository.replace('/', '-')}-{tag}" / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

    def import_all(self) -> dict[str, str]:
        """The id of each repository that is recorded by this."""
        made = self.transire.cli("repository", "import", "--instance", self.instance.tcr_id)
        assert made["complete"]
        return {one["name"]: one["id"] for one in made["repositories"]}

    # -- the clouds

    def tencent(self, action: str, repository: str, key: AccessKey | None = None, method: str = "POST", **parameters: Any) -> Any:
        namespace, _, name = repository.partition("/")
        request = getattr(tcr, f"{action}Request")()
        request.RegistryId, request.NamespaceName, request.RepositoryName = self.instance.tcr_id, namespace, name
        for parameter, value in parameters.items():
            setattr(request, parameter, value)
        return getattr(tencent.client(self.transire, key or self.instance.account.key, method=method), action)(request)

    def alibaba(self, operation: str, request: Any, key: AccessKey | None = None) -> Any:
        client = Cr2018(alibaba.config(self.transire, key or self.instance.account.key))
        return getattr(client, operation)(request).body

    def tags(self, repository: str) -> list[str]:
        return [one.ImageVersion for one in self.tencent("DescribeImages", repository, Limit=100).ImageInfoList]
