//! The credentials that docker's helper keeps from one run to the next, for half of their life.
//!
//! They are files of `XDG_RUNTIME_DIR/transire`, which the system removes when the user's session
//! ends. A folder or a file is used only if this user owns it and nobody else may open it.

use std::fs::{self, DirBuilder, File, Metadata, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::client::credentials::Wanted;
use crate::client::environment::Environment;
use crate::client::files::{DRAFT, replace};
use crate::client::keys::FoundKey;
use crate::client::log_in::LogIn;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::sign;

/// The most log-ins that are kept; the oldest goes first.
const MAX_KEPT: usize = 32;
/// The most bytes of a file.
const MAX_FILE: u64 = 16 << 10;
/// The mode of a file.
const FOR_OWNER: u32 = 0o600;
/// The rights of the group and of all users.
const GROUP_AND_OTHERS: u32 = 0o077;
/// The age of a file that a process began to write and didn't finish.
const MAX_DRAFT_AGE: Duration = Duration::from_secs(60);

/// The folder of a user's kept log-ins.
#[derive(Clone, Debug)]
pub struct KeptLogIns {
    folder: PathBuf,
}

/// The file of one kept log-in.
#[derive(Clone, Debug)]
pub struct Place {
    kept: KeptLogIns,
    registry: String,
    /// A hash of all that decides which log-in it is.
    name: String,
}

/// A turn to get a log-in, which ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
    /// Whether another process had its turn meanwhile.
    pub has_waited: bool,
}

/// The contents of a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    registry: String,
    username: String,
    secret: String,
    expires_at: Timestamp,
    /// It is used from this time on: a clock that was set back doesn't prolong it.
    from: Timestamp,
    /// It is used until half of its life is over.
    until: Timestamp,
}

impl KeptLogIns {
    /// Returns the user's folder, and makes it; none where `XDG_RUNTIME_DIR` names none.
    ///
    /// # Errors
    /// `Misconfigured` when the folder can't be made, is a link, belongs to another user, or can
    /// be opened by others.
    pub fn of_user(environment: &Environment) -> Result<Option<Self>> {
        let Some(runtime) = environment.variable("XDG_RUNTIME_DIR").map(Path::new) else {
            return Ok(None);
        };
        // XDG Base Directory: a path that isn't absolute counts as unset.
        if !runtime.is_absolute() || !is_own(runtime, Metadata::is_dir)? {
            return Ok(None);
        }
        let folder = runtime.join("transire");
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(unusable(&folder, &format!("it can't be made: {error}")));
            }
            _ => {}
        }
        Ok(is_own(&folder, Metadata::is_dir)?.then_some(Self { folder }))
    }

    /// Returns the place of the log-in that this key gets for a registry.
    pub fn place(&self, registry: &str, wanted: &Wanted, key: &FoundKey) -> Place {
        Place {
            kept: self.clone(),
            registry: registry.to_ascii_lowercase(),
            name: name(registry, wanted, key),
        }
    }

    /// Removes all log-ins of a registry, and returns their number.
    ///
    /// # Errors
    /// `Misconfigured` when one can't be removed.
    pub fn forget(&self, registry: &str) -> Result<usize> {
        let mut forgotten = 0;
        for path in self.files()? {
            let of_other = read_own(&path)
                .ok()
                .flatten()
                .is_some_and(|kept| !kept.registry.eq_ignore_ascii_case(registry));
            if !of_other {
                fs::remove_file(&path)
                    .map_err(|error| unusable(&path, &format!("it can't be removed: {error}")))?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    /// Returns the files of log-ins.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder)
            .map_err(|error| unusable(&self.folder, &format!("it can't be listed: {error}")))?;
        let is_log_in = |path: &PathBuf| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.len() == 64 || name.starts_with(DRAFT))
        };
        Ok(entries
            .flatten()
            .map(|entry| entry.path())
            .filter(is_log_in)
            .collect())
    }

    /// Removes what can't be used any more, and the oldest, until one more has room.
    fn make_room(&self, now: Timestamp) -> Result<()> {
        let mut usable = Vec::new();
        for path in self.files()? {
            let written_at = written_at(&path);
            let is_draft = path.to_string_lossy().contains(DRAFT);
            let is_usable = if is_draft {
                written_at.is_some_and(|at| at.distance(now) < MAX_DRAFT_AGE)
            } else {
                matches!(read_own(&path), Ok(Some(kept)) if kept.is_usable(now))
            };
            if !is_usable {
                // Another process may have removed it, too.
                fs::remove_file(&path).ok();
            } else if !is_draft {
                usable.push((written_at, path));
            }
        }
        usable.sort();
        let too_many = (usable.len() + 1).saturating_sub(MAX_KEPT);
        for (_, path) in usable.iter().take(too_many) {
            fs::remove_file(path).ok();
        }
        Ok(())
    }
}

impl Place {
    /// Returns the kept log-in, if there is one and half of its life isn't over.
    ///
    /// # Errors
    /// `Misconfigured` for a file that this user doesn't own alone, or that can't be read.
    pub fn load(&self, now: Timestamp) -> Result<Option<LogIn>> {
        let path = self.kept.folder.join(&self.name);
        Ok(read_own(&path)?
            .filter(|kept| kept.is_usable(now))
            .map(|kept| LogIn {
                username: kept.username,
                secret: Secret::new(kept.secret),
                expires_at: Some(kept.expires_at),
                source: format!("the file {}", path.display()),
            }))
    }

    /// Waits until no other process gets a log-in for this place.
    ///
    /// # Errors
    /// `Misconfigured` for a lock that this user doesn't own alone, or that can't be taken.
    pub fn take_turn(&self) -> Result<Turn> {
        // Sixteen locks serve all places, so none has to be removed.
        let shelf = self.name.get(..1).unwrap_or_default();
        let path = self.kept.folder.join(format!("lock-{shelf}"));
        is_own(&path, Metadata::is_file)?;
        let refuse = |error| unusable(&path, &format!("it can't be locked: {error}"));
        let lock = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(FOR_OWNER)
            .open(&path)
            .map_err(refuse)?;
        let has_waited = match lock.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => {
                lock.lock().map_err(refuse)?;
                true
            }
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        };
        Ok(Turn {
            _lock: lock,
            has_waited,
        })
    }

    /// Keeps a log-in for half of its life; one whose end isn't known is not kept.
    ///
    /// # Errors
    /// `Misconfigured` when the file can't be written.
    pub fn store(&self, log_in: &LogIn, now: Timestamp) -> Result<()> {
        let Some(expires_at) = log_in.expires_at else {
            return Ok(());
        };
        let kept = Kept {
            registry: self.registry.clone(),
            username: log_in.username.clone(),
            secret: log_in.secret.expose().to_owned(),
            expires_at,
            from: now,
            until: now.plus(log_in.half_life(now)),
        };
        let path = self.kept.folder.join(&self.name);
        let refuse = |why: &str| unusable(&path, &format!("it can't be written: {why}"));
        let text = serde_json::to_string(&kept).map_err(Error::internal)?;
        if text.len() as u64 > MAX_FILE {
            return Err(refuse("the log-in is too long"));
        }
        self.kept.make_room(now)?;
        replace(&path, FOR_OWNER, &text).map_err(|error| refuse(&error.to_string()))
    }
}

impl Kept {
    fn is_usable(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// Returns a name that two log-ins share only if all that decides about them is the same.
fn name(registry: &str, wanted: &Wanted, key: &FoundKey) -> String {
    // By their `Debug` forms, in which a field that is added later can't be forgotten.
    let decides = (
        (registry.to_ascii_lowercase(), wanted, key.api, &key.id),
        key.secret.expose(),
        key.session_token.as_ref().map(Secret::expose),
    );
    let text = Secret::new(format!("{decides:?}"));
    hex::encode(sign::sha256(text.expose().as_bytes()))
}

/// Reads a file that this user owns alone; none where there is none, or no log-in in it.
fn read_own(path: &Path) -> Result<Option<Kept>> {
    if !is_own(path, Metadata::is_file)? {
        return Ok(None);
    }
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text)) {
        Ok(_) => Ok(serde_json::from_str(&text).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path, &format!("it can't be read: {error}"))),
    }
}

/// Tells whether something is there, of the kind that `is_kind` accepts.
///
/// # Errors
/// `Misconfigured` when it is of another kind, a link above all, belongs to another user, or can
/// be opened by others.
fn is_own(path: &Path, is_kind: fn(&Metadata) -> bool) -> Result<bool> {
    let of = match fs::symlink_metadata(path) {
        Ok(of) => of,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(path, &format!("it can't be looked at: {error}"))),
    };
    if of.is_symlink() {
        return Err(unusable(path, "it is a link: remove it"));
    }
    if !is_kind(&of) {
        return Err(unusable(path, "something else has its name: remove it"));
    }
    if of.uid() != rustix::process::geteuid().as_raw() {
        return Err(unusable(path, "it belongs to another user"));
    }
    if of.mode() & GROUP_AND_OTHERS != 0 {
        return Err(unusable(path, "others may open it: chmod go= it"));
    }
    Ok(true)
}

fn written_at(path: &Path) -> Option<Timestamp> {
    let modified = fs::symlink_metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_millis(0).plus(since))
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::misconfigured(format!("{} is not used: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::client::keys::Api;
    use crate::client::testing::Home;
    use crate::domain::ErrorKind;

    const REGISTRY: &str = "registry.example.com:5000";
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);
    const HOUR: Duration = Duration::from_secs(3600);

    fn key(id: &str) -> FoundKey {
        FoundKey {
            api: Api::Tencent,
            id: id.to_owned(),
            secret: Secret::new("secretEXAMPLE"),
            session_token: None,
            source: "the variable TENCENTCLOUD_SECRET_ID".to_owned(),
        }
    }

    fn wanted(instance: &str) -> Wanted {
        Wanted {
            endpoint: Some("https://transire.example.com".to_owned()),
            instance: Some(instance.to_owned()),
            ..Wanted::default()
        }
    }

    fn log_in(username: &str) -> LogIn {
        LogIn {
            username: username.to_owned(),
            secret: Secret::new("trst_EXAMPLE"),
            expires_at: Some(NOW.plus(HOUR)),
            source: String::new(),
        }
    }

    /// A user's runtime folder, and the folder of kept log-ins in it.
    fn kept(home: &Home) -> Result<Option<KeptLogIns>> {
        fs::set_permissions(&home.0, Permissions::from_mode(0o700)).unwrap();
        let runtime = home.0.to_str().unwrap();
        KeptLogIns::of_user(&Environment::from([("XDG_RUNTIME_DIR", runtime)]))
    }

    fn place(home: &Home) -> Place {
        let kept = kept(home).unwrap().unwrap();
        kept.place(REGISTRY, &wanted("tcr-abcd1234"), &key("AKIDEXAMPLE"))
    }

    fn is_kept(place: &Place, at: Timestamp) -> bool {
        place.load(at).unwrap().is_some()
    }

    #[test]
    fn a_log_in_is_kept_for_half_of_its_life() {
        let home = Home::new();
        let place = place(&home);
        assert!(!is_kept(&place, NOW));
        place.store(&log_in("user"), NOW).unwrap();
        let found = place.load(NOW.plus(HOUR / 2 - Duration::from_secs(1)));
        let found = found.unwrap().unwrap();
        assert_eq!(
            (found.username.as_str(), found.secret.expose()),
            ("user", "trst_EXAMPLE")
        );
        assert!(!is_kept(&place, NOW.plus(HOUR / 2)));
        assert!(
            !is_kept(&place, NOW.minus(Duration::from_secs(1))),
            "the clock was set back"
        );
    }

    #[test]
    fn files_and_folder_are_for_their_owner_alone() {
        let home = Home::new();
        let place = place(&home);
        place.store(&log_in("user"), NOW).unwrap();
        drop(place.take_turn().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = home.0.join("transire");
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn whatever_decides_about_a_log_in_has_a_place_of_its_own() {
        let home = Home::new();
        let kept = kept(&home).unwrap().unwrap();
        let usual = wanted("tcr-abcd1234");
        let change = |change: fn(&mut Wanted)| {
            let mut wanted = usual.clone();
            change(&mut wanted);
            kept.place(REGISTRY, &wanted, &key("AKIDEXAMPLE")).name
        };
        let change_key = |change: fn(&mut FoundKey)| {
            let mut key = key("AKIDEXAMPLE");
            change(&mut key);
            kept.place(REGISTRY, &usual, &key).name
        };
        let names = [
            change(|_| {}),
            change(|wanted| wanted.endpoint = Some("https://other.example.com".to_owned())),
            change(|wanted| wanted.instance = Some("tcr-abcd1235".to_owned())),
            change(|wanted| wanted.role = Some("tcr-abcd1234".to_owned())),
            change(|wanted| wanted.sources.variable = Some("TOKEN".to_owned())),
            change(|wanted| wanted.sources.file = Some(PathBuf::from("TOKEN"))),
            change(|wanted| wanted.sources.audience = Some("TOKEN".to_owned())),
            change(|wanted| wanted.ca_file = Some(PathBuf::from("TOKEN"))),
            change(|wanted| wanted.terms.scopes = vec!["repository:a:pull".to_owned()]),
            change(|wanted| wanted.terms.ttl = Some(HOUR)),
            change_key(|key| key.id = "AKIDOTHEREXAMPLE".to_owned()),
            change_key(|key| key.api = Api::Alibaba),
            change_key(|key| key.secret = Secret::new("otherEXAMPLE")),
            change_key(|key| key.session_token = Some(Secret::new("tokenEXAMPLE"))),
            kept.place("registry.example.com", &usual, &key("AKIDEXAMPLE"))
                .name,
        ];
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        let again = kept.place("Registry.Example.com:5000", &usual, &key("AKIDEXAMPLE"));
        assert_eq!(again.name, names[0]);
    }

    #[test]
    fn a_link_or_a_file_that_others_may_read_is_not_used_but_replaced() {
        let home = Home::new();
        let place = place(&home);
        place.store(&log_in("user"), NOW).unwrap();
        let (path, other) = (place.kept.folder.join(&place.name), home.0.join("other"));
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = place.load(NOW).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Misconfigured);
            assert!(!error.to_string().contains("EXAMPLE"), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&path, &other).unwrap();
        symlink(&other, &path).unwrap();
        assert!(place.load(NOW).unwrap_err().message().contains("a link"));
        place.store(&log_in("another"), NOW).unwrap();
        assert_eq!(place.load(NOW).unwrap().unwrap().username, "another");
        assert!(fs::read_to_string(&other).unwrap().contains("\"user\""));
    }

    #[test]
    fn a_lock_that_is_a_link_is_not_taken() {
        let home = Home::new();
        let place = place(&home);
        let target = home.0.join("target");
        let shelf = place.name.get(..1).unwrap();
        symlink(&target, place.kept.folder.join(format!("lock-{shelf}"))).unwrap();
        assert!(place.take_turn().unwrap_err().message().contains("a link"));
        assert!(!target.exists());
    }

    #[test]
    fn a_folder_that_others_may_open_or_that_is_a_link_is_not_used() {
        let home = Home::new();
        let folder = home.0.join("transire");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        assert_eq!(kept(&home).unwrap_err().kind(), &ErrorKind::Misconfigured);
        fs::rename(&folder, home.0.join("elsewhere")).unwrap();
        symlink(home.0.join("elsewhere"), &folder).unwrap();
        assert!(kept(&home).unwrap_err().message().contains("a link"));
        fs::set_permissions(&home.0, Permissions::from_mode(0o755)).unwrap();
        let runtime = home.0.to_str().unwrap();
        let shared = KeptLogIns::of_user(&Environment::from([("XDG_RUNTIME_DIR", runtime)]));
        assert_eq!(shared.unwrap_err().kind(), &ErrorKind::Misconfigured);
    }

    #[test]
    fn nothing_is_kept_without_a_runtime_folder() {
        let missing = std::env::temp_dir().join("transire-missing-EXAMPLE");
        for environment in [
            Environment::default(),
            Environment::from([("XDG_RUNTIME_DIR", "run/user")]),
            Environment::from([("XDG_RUNTIME_DIR", missing.to_str().unwrap())]),
        ] {
            assert!(KeptLogIns::of_user(&environment).unwrap().is_none());
        }
    }

    #[test]
    fn at_most_so_many_log_ins_are_kept_and_none_that_is_over() {
        let home = Home::new();
        let kept = kept(&home).unwrap().unwrap();
        for number in 0..2 * MAX_KEPT {
            let id = format!("AKID{number}EXAMPLE");
            let place = kept.place(REGISTRY, &wanted("tcr-abcd1234"), &key(&id));
            place.store(&log_in(&id), NOW).unwrap();
            assert!(is_kept(&place, NOW));
        }
        assert_eq!(kept.files().unwrap().len(), MAX_KEPT);
        place(&home).store(&log_in("user"), NOW.plus(HOUR)).unwrap();
        assert_eq!(kept.files().unwrap().len(), 1);
    }

    #[test]
    fn a_registry_is_forgotten_and_others_are_not() {
        let home = Home::new();
        let kept = kept(&home).unwrap().unwrap();
        let other = kept.place("other.example.com", &wanted("x"), &key("AKIDEXAMPLE"));
        other.store(&log_in("user"), NOW).unwrap();
        place(&home).store(&log_in("user"), NOW).unwrap();
        assert_eq!(kept.forget("REGISTRY.example.com:5000").unwrap(), 1);
        assert!(!is_kept(&place(&home), NOW) && is_kept(&other, NOW));
    }

    #[test]
    fn a_file_without_a_log_in_counts_as_none() {
        let home = Home::new();
        let place = place(&home);
        let path = place.kept.folder.join(&place.name);
        for text in ["", "{}", "secretEXAMPLE"] {
            replace(&path, FOR_OWNER, text).unwrap();
            assert!(!is_kept(&place, NOW));
        }
    }

    #[test]
    fn a_turn_ends_with_its_process() {
        let home = Home::new();
        let place = place(&home);
        assert!(!place.take_turn().unwrap().has_waited);
        assert!(!place.take_turn().unwrap().has_waited);
    }
}
