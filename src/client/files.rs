//! Files of one user that are replaced as a whole.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::domain::clock::{SystemRandom, random_bytes};

/// The beginning of the name of a file that is still being written.
pub(super) const DRAFT: &str = ".transire-";

/// Replaces a file as a whole: a reader sees the old one or the new one. A link is replaced, and
/// its target is left alone.
///
/// # Errors
/// The system's own; the file is as it was.
pub(super) fn replace(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let name = hex::encode(random_bytes::<8>(&SystemRandom));
    let draft = path.with_file_name(format!("{DRAFT}{name}"));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&draft, path));
    written.inspect_err(|_| {
        // The draft holds secrets; the first error is the one to tell.
        fs::remove_file(&draft).ok();
    })
}
