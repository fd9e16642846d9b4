//! The smallest image that is one: a layer with one file, a configuration, a manifest.
//!
//! Source: the OCI image specification, `manifest.md` and `config.md`.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const BLOCK: usize = 512;

pub(super) struct Image {
    /// The configuration and the layer.
    pub(super) blobs: [Vec<u8>; 2],
    pub(super) manifest: Vec<u8>,
}

impl Image {
    /// Makes an image whose one file says hello.
    pub(super) fn hello() -> Self {
        let layer = tar("hello.txt", b"Hello from transire\n");
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest_of(&layer)] },
        })
        .to_string()
        .into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described(CONFIG_TYPE, &config),
            "layers": [described(LAYER_TYPE, &layer)],
        });
        Self {
            blobs: [config, layer],
            manifest: manifest.to_string().into_bytes(),
        }
    }
}

/// Returns a blob's entry in a manifest.
fn described(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest_of(blob), "size": blob.len() })
}

/// Returns `sha256:` and the hash in hexadecimal.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes)))
}

/// Writes a tar archive (POSIX ustar) of one small file; `name` has less than 100 bytes.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; BLOCK];
    let mut put = |offset: usize, text: &str| {
        header[offset..offset + text.len()].copy_from_slice(text.as_bytes())
    };
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    // The checksum is taken with spaces in its own place.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    // The file is filled up to a block, and two empty blocks end the archive.
    archive.resize(BLOCK + content.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_a_tar_archive_that_tar_reads() {
        let directory = std::env::temp_dir().join(format!("transire-image-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("layer.tar"), &Image::hello().blobs[1]).unwrap();
        let output = std::process::Command::new("tar")
            .arg("-xOf")
            .arg(directory.join("layer.tar"))
            .arg("hello.txt")
            .output()
            .unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "Hello from transire\n"
        );
    }
}
