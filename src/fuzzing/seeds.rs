//! Inputs to begin with.

use std::fs::{DirEntry, read_dir, read_to_string};
use std::path::Path;

use serde_json::Value;

/// Returns texts as inputs.
pub(crate) fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Returns the files in a folder of the policies that the integration tests have, by their names.
pub(super) fn policy_files(folder: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    let mut files: Vec<_> = read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    files.sort_by_key(DirEntry::path);
    let texts = files
        .iter()
        .filter_map(|file| read_to_string(file.path()).ok());
    texts
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect()
}
