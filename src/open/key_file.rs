//! The file that holds the master keys: one a line, readable by its owner alone.
//!
//! It is never changed in place. A draft is written and synced, then renamed, so that the disk
//! never has half a key or none.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::domain::clock::{Random, SystemRandom, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::secret_files;
use crate::service::MasterKeySource;
use crate::token::MasterKey;

/// The party that adds keys to the file, and removes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// This service: it is on one machine.
    Service,
    /// The operator, on every replica.
    Operator,
}

/// A file of master keys.
pub(super) struct KeyFile {
    path: PathBuf,
    keeper: Keeper,
}

impl KeyFile {
    /// Names a file, which needs to exist only when it is read.
    pub(super) fn new(path: &Path, keeper: Keeper) -> Self {
        // The draft replaces the target of a link, not the link.
        Self {
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            keeper,
        }
    }

    /// Makes the file with a new key, unless it exists: a key that another process has just made is
    /// as good.
    ///
    /// # Errors
    /// `Misconfigured` when the file can't be written.
    pub(super) fn create(&self, random: &dyn Random) -> Result<()> {
        match self.create_with(&MasterKey::generate(random), random) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(self.unwritable(&error)),
            _ => Ok(()),
        }
    }

    /// Makes the file, which must not be there, with one key.
    fn create_with(&self, key: &MasterKey, random: &dyn Random) -> std::io::Result<()> {
        let draft = self.draft(random);
        let written = (|| {
            write_new(&draft, key.to_text().expose(), None)?;
            // Unlike a rename, a link never replaces a file.
            std::fs::hard_link(&draft, &self.path)?;
            sync(&self.path)
        })();
        // The draft holds a key, so it must not stay, whether it was linked or not.
        std::fs::remove_file(&draft).ok();
        written
    }

    /// Fails when others may read or replace the keys, and warns when a group may read the file of
    /// this process's user. Another's file is read by a group on purpose: systemd gives credentials
    /// so, and Kubernetes secrets.
    ///
    /// # Errors
    /// `Misconfigured`, with what to do.
    pub(super) fn check_permissions(&self) -> Result<()> {
        secret_files::check_key("the master key file", &self.path)?;
        if secret_files::is_shared(&self.path) && is_own(&self.path) {
            tracing::warn!(
                "the master key file {} can be read by its group: chmod 600 it unless that is \
                 meant",
                self.path.display()
            );
        }
        Ok(())
    }

    /// Changes the keys under a lock that other processes respect.
    ///
    /// # Errors
    /// `Misconfigured` when the file can't be read or written.
    fn edit(&self, edit: impl FnOnce(Vec<MasterKey>) -> Option<Vec<MasterKey>>) -> Result<()> {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // The lock is freed with the last handle, however this process ends.
        let lock = File::open(folder)
            .and_then(|folder| folder.lock().map(|()| folder))
            .map_err(|error| self.unwritable(&error))?;
        if let Some(keys) = edit(self.read()?) {
            let lines: Vec<Secret> = keys.iter().map(MasterKey::to_text).collect();
            let text = Secret::new(
                lines
                    .iter()
                    .map(Secret::expose)
                    .collect::<Vec<_>>()
                    .join("\n"),
            );
            self.replace(text.expose(), &SystemRandom)
                .map_err(|error| self.unwritable(&error))?;
        }
        drop(lock);
        Ok(())
    }

    fn replace(&self, text: &str, random: &dyn Random) -> std::io::Result<()> {
        let draft = self.draft(random);
        let replaced = (|| {
            write_new(&draft, text, Some(&self.path))?;
            std::fs::rename(&draft, &self.path)?;
            sync(&self.path)
        })();
        if replaced.is_err() {
            std::fs::remove_file(&draft).ok();
        }
        replaced
    }

    fn draft(&self, random: &dyn Random) -> PathBuf {
        PathBuf::from(format!(
            "{}.{}",
            self.path.display(),
            hex::encode(random_bytes::<8>(random))
        ))
    }

    fn unwritable(&self, error: &std::io::Error) -> Error {
        Error::misconfigured(format!(
            "the master key file {} can't be written: {error}",
            self.path.display()
        ))
    }
}

/// Tells whether a file belongs to this process's user.
fn is_own(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
}

impl MasterKeySource for KeyFile {
    fn read(&self) -> Result<Vec<MasterKey>> {
        let text = std::fs::read_to_string(&self.path)
            .map(Secret::new)
            .map_err(|error| {
                Error::misconfigured(format!(
                    "the master key file {0} can't be read: {error}. Put the key back (it is in no \
                     backup of the data), or name its file with master_key_file or \
                     TRANSIRE_MASTER_KEY_FILE. A database server always wants it given: \
                     `transire keys generate-master {0}` makes one for a new store",
                    self.path.display()
                ))
            })?;
        MasterKey::parse_all(text.expose())
    }

    fn place(&self) -> String {
        format!("the file {}", self.path.display())
    }

    fn is_ours(&self) -> bool {
        self.keeper == Keeper::Service
    }

    fn add(&self, make: &mut dyn FnMut(&[MasterKey]) -> Option<MasterKey>) -> Result<()> {
        self.edit(|mut keys| {
            let new = make(&keys)?;
            keys.push(new);
            Some(keys)
        })
    }

    fn remove(&self, id: &str) -> Result<bool> {
        let mut removed = false;
        self.edit(|mut keys| {
            let before = keys.len();
            keys.retain(|key| key.id() != id);
            removed = keys.len() < before;
            // A file without a key would be no file of keys.
            (removed && !keys.is_empty()).then_some(keys)
        })?;
        Ok(removed)
    }
}

/// The master keys of the setting or its variable, which only a restart reads again.
pub(super) struct GivenKeys(pub(super) Secret);

impl MasterKeySource for GivenKeys {
    fn read(&self) -> Result<Vec<MasterKey>> {
        MasterKey::parse_all(self.0.expose())
    }

    fn place(&self) -> String {
        "the setting master_key".to_owned()
    }
}

/// Makes a new file with a new key, and returns the key's id.
///
/// # Errors
/// As [`generate_master_key`](super::generate_master_key).
pub(super) fn generate(path: &Path) -> Result<String> {
    let file = KeyFile::new(path, Keeper::Operator);
    let folder = file.path.parent().filter(|folder| folder.is_dir());
    folder.map_or(Ok(()), |folder| {
        secret_files::check_folder("the folder of the master key file,", folder)
    })?;
    let key = MasterKey::generate(&SystemRandom);
    match file.create_with(&key, &SystemRandom) {
        Ok(()) => Ok(key.id().to_owned()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Error::misconfigured(format!(
                "the file {} is there, and is not overwritten",
                path.display()
            )))
        }
        Err(error) => Err(file.unwritable(&error)),
    }
}

/// Reads the one key in a file that the operator names.
///
/// # Errors
/// As [`master_key`](super::master_key).
pub(super) fn one_key(path: &Path) -> Result<MasterKey> {
    secret_files::check_key("the file", path)?;
    let text = std::fs::read_to_string(path)
        .map(Secret::new)
        .map_err(|error| {
            Error::misconfigured(format!(
                "the file {} can't be read: {error}",
                path.display()
            ))
        })?;
    MasterKey::parse(text.expose())
}

/// Writes a new file, and syncs it. Its owner alone may read it, or those who may read `like`.
fn write_new(path: &Path, text: &str, like: Option<&Path>) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    if let Some(like) = like {
        // The command may run as root, and the service must be able to read the file.
        let like = like.metadata()?;
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
        file.set_permissions(Permissions::from_mode(like.permissions().mode() & 0o777))?;
    }
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Syncs the folder of a file, so that its name survives a power cut.
fn sync(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |folder| {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)?.sync_all()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    /// A folder of its own, gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!(
                "transire-keys-{}",
                hex::encode(random_bytes::<8>(&SystemRandom))
            ));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> KeyFile {
            KeyFile::new(&self.0.join("master.key"), Keeper::Service)
        }

        fn names(&self) -> Vec<String> {
            std::fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn ids(file: &KeyFile) -> Vec<String> {
        file.read()
            .unwrap()
            .iter()
            .map(|key| key.id().to_owned())
            .collect()
    }

    #[test]
    fn keys_are_added_below_and_taken_away_and_the_file_keeps_its_mode() {
        let folder = Folder::new();
        let file = folder.file();
        file.create(&SystemRandom).unwrap();
        let mode = || file.path.metadata().unwrap().permissions().mode() & 0o777;
        let first = ids(&file);
        assert_eq!((first.len(), mode()), (1, 0o600));
        file.create(&SystemRandom).unwrap();
        assert_eq!(ids(&file), first, "what is there is never replaced");
        std::fs::set_permissions(&file.path, Permissions::from_mode(0o640)).unwrap();
        let new = MasterKey::generate(&SystemRandom);
        let both = vec![first[0].clone(), new.id().to_owned()];
        let mut new = Some(new);
        file.add(&mut |there| (there.len() == 1).then(|| new.take()).flatten())
            .unwrap();
        assert_eq!((ids(&file), mode()), (both.clone(), 0o640));
        file.add(&mut |_| None).unwrap();
        assert!(!file.remove("0123456789abcdef").unwrap());
        assert_eq!(ids(&file), both);
        assert!(file.remove(&both[0]).unwrap());
        assert_eq!(ids(&file), both[1..]);
        assert_eq!(folder.names(), ["master.key"], "a draft is left");
    }

    #[test]
    fn many_at_once_lose_no_key() {
        let folder = Folder::new();
        folder.file().create(&SystemRandom).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    folder
                        .file()
                        .add(&mut |_| Some(MasterKey::generate(&SystemRandom)))
                        .unwrap()
                });
            }
        });
        assert_eq!(ids(&folder.file()).len(), 9);
    }

    #[test]
    fn a_file_behind_a_link_is_changed_and_the_link_stays() {
        let folder = Folder::new();
        let link = folder.0.join("link");
        folder.file().create(&SystemRandom).unwrap();
        std::os::unix::fs::symlink(folder.0.join("master.key"), &link).unwrap();
        KeyFile::new(&link, Keeper::Service)
            .add(&mut |_| Some(MasterKey::generate(&SystemRandom)))
            .unwrap();
        assert!(link.is_symlink());
        assert_eq!(ids(&folder.file()).len(), 2);
    }
}
