"""A small image, made without an engine: an OCI layout written by hand."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any


def write_oci_layout(folder: Path, tag: str, ballast: int = 0, **more: Any) -> str:
    """Writes an image of one layer, a static busybox, and returns its manifest's digest; `more` goes into its configuration.

    The layer has so many bytes of ballast besides, which nothing compresses.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(content)}

    busybox = shutil.which("busybox")
    assert busybox, "busybox is not installed; ./test installs it"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(Path(busybox).resolve(), "bin/busybox")
        if ballast:
            member = tarfile.TarInfo("ballast")
            member.size = ballast
            archive.addfile(member, io.BytesIO(os.urandom(ballast)))
    uncompressed = layer.getvalue()

    settings = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/busybox", "sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(uncompressed).hexdigest()}"]},
        **more,
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(settings).encode(), "config.v1+json"),
        "layers": [put(gzip.compress(uncompressed, mtime=0), "layer.v1.tar+gzip")],
    }
    described = put(json.dumps(manifest).encode(), "manifest.v1+json")
    described["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    return described["digest"]


def manifest_digest(layout: Path) -> str:
    """The digest of the one image in an OCI layout."""
    [described] = json.loads((layout / "index.json").read_text())["manifests"]
    return described["digest"]


def blobs(layout: Path) -> dict[str, str]:
    """Each blob's name, and the digest of what it really holds."""
    return {blob.name: hashlib.sha256(blob.read_bytes()).hexdigest() for blob in (layout / "blobs" / "sha256").iterdir()}
