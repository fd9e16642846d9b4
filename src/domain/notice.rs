//! Notices: secrets that end, were replaced, were stopped, or are refused too often.

use std::str::FromStr;
use std::time::Duration;

use super::clock::Timestamp;
use super::credential::LongTermCredential;
use super::ids::{ALPHABET, AccountId, InstanceId, text_id};
use super::last_use::UsedKind;
use super::principal::Principal;
use super::service_account::ServiceAccount;
use super::{Error, Noun, Result};

text_id!(
    /// A notice's own id: `msg-` and twenty of `a-z0-9`. A receiver of the webhook knows a
    /// repetition by it.
    NoticeId,
    "msg-",
    20,
    Error::not_found(Noun::Notice, "of that id")
);

impl NoticeId {
    /// Makes the id that belongs to a digest, so that two replicas make the same notice once.
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        let letters = digest.iter().take(20).filter_map(|byte| {
            let place = usize::from(*byte) % ALPHABET.len();
            ALPHABET.get(place).copied().map(char::from)
        });
        Self(format!("msg-{}", letters.collect::<String>()))
    }
}

/// Makes an enum of words.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident, $name:literal, $allowed:literal {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns its name, as commands, the webhook and the store have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let found = Self::ALL.iter().find(|one| one.name() == text);
                found.copied().ok_or_else(|| Error::invalid_parameter($name, $allowed))
            }
        }
    };
}

words! {
    /// The kind of a notice.
    NoticeKind, "kind",
    "a notice is expiring, expired, rotated, revoked, refused-too-often or test" {
        /// A secret ends soon.
        Expiring = "expiring",
        /// A secret ended.
        Expired = "expired",
        /// A secret was replaced by another one.
        Rotated = "rotated",
        /// A secret was stopped: disabled, deleted or revoked.
        Revoked = "revoked",
        /// A secret was refused often within an hour.
        RefusedTooOften = "refused-too-often",
        /// An operator tries the webhook.
        Test = "test",
    }
}

words! {
    /// The kind of thing that a notice is about.
    SubjectKind, "subject_kind",
    "a notice is about an access-key, credential, fixed-password, service-account, principal or \
     service" {
        /// An access key, by its id.
        AccessKey = "access-key",
        /// A long-term credential, by its id.
        Credential = "credential",
        /// A fixed password, by `INSTANCE/PRINCIPAL`.
        FixedPassword = "fixed-password",
        /// A service account, by its own id.
        ServiceAccount = "service-account",
        /// Everything temporary of a principal, by its name in the audit.
        Principal = "principal",
        /// This service, by its issuer.
        Service = "service",
    }
}

words! {
    /// How far a notice has come.
    NoticeState, "state", "a notice is waiting, kept, delivered or dead" {
        /// It waits for the webhook.
        Waiting = "waiting",
        /// No webhook takes its kind, or there is none.
        Kept = "kept",
        /// The webhook took it.
        Delivered = "delivered",
        /// The webhook didn't take it, and it isn't sent any more.
        Dead = "dead",
    }
}

impl From<UsedKind> for SubjectKind {
    fn from(kind: UsedKind) -> Self {
        match kind {
            UsedKind::AccessKey => Self::AccessKey,
            UsedKind::Credential => Self::Credential,
            UsedKind::FixedPassword => Self::FixedPassword,
            UsedKind::ServiceAccount => Self::ServiceAccount,
        }
    }
}

/// The thing that a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its kind.
    pub kind: SubjectKind,
    /// Its id, as the kind has it.
    pub id: String,
    /// The principal that it is of, or the username of a service account.
    pub name: Option<String>,
    /// The account that it belongs to.
    pub account: Option<AccountId>,
    /// The instance that it logs in to.
    pub instance: Option<InstanceId>,
}

impl Subject {
    /// Returns a long-term credential as a subject.
    pub fn credential(credential: &LongTermCredential) -> Self {
        Self {
            kind: SubjectKind::Credential,
            id: credential.id.to_string(),
            name: Some(credential.principal.to_string()),
            account: Some(credential.principal.account()),
            instance: Some(credential.instance.clone()),
        }
    }

    /// Returns a service account of an instance of `of` as a subject.
    pub fn service_account(account: &ServiceAccount, of: AccountId) -> Self {
        Self {
            kind: SubjectKind::ServiceAccount,
            id: account.id.to_string(),
            name: Some(account.username()),
            account: Some(of),
            instance: Some(account.instance.clone()),
        }
    }

    /// Returns the access key of a principal as a subject.
    pub fn access_key(id: &str, principal: &Principal) -> Self {
        Self {
            kind: SubjectKind::AccessKey,
            id: id.to_owned(),
            name: Some(principal.to_string()),
            account: Some(principal.account()),
            instance: None,
        }
    }

    /// Returns the fixed password of a principal at an instance as a subject.
    pub fn fixed_password(instance: &InstanceId, principal: &Principal) -> Self {
        Self {
            kind: SubjectKind::FixedPassword,
            id: format!("{instance}/{principal}"),
            name: Some(principal.to_string()),
            account: Some(principal.account()),
            instance: Some(instance.clone()),
        }
    }

    /// Returns everything temporary of a principal as a subject, by its name in the audit.
    pub fn principal(name: String, account: Option<AccountId>) -> Self {
        Self {
            kind: SubjectKind::Principal,
            id: name,
            name: None,
            account,
            instance: None,
        }
    }
}

/// A notice, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its own id.
    pub id: NoticeId,
    /// Its kind.
    pub kind: NoticeKind,
    /// The thing that it is about.
    pub subject: Subject,
    /// When the secret ends or ended; of a rotation, the secret before.
    pub ends_at: Option<Timestamp>,
    /// Whether it is about the secret before the last rotation, and not the present one.
    pub is_older_secret: bool,
    /// How often the secret was refused.
    pub refusals: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How far it has come.
    pub state: NoticeState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it is sent next, while it waits; later, when its state changed last.
    pub due_at: Timestamp,
    /// Why the webhook didn't take it when it was sent last.
    pub failure: Option<String>,
}

impl Notice {
    /// Makes a notice that waits.
    pub fn new(id: NoticeId, kind: NoticeKind, subject: Subject, now: Timestamp) -> Self {
        Self {
            id,
            kind,
            subject,
            ends_at: None,
            is_older_secret: false,
            refusals: None,
            created_at: now,
            state: NoticeState::Waiting,
            attempts: 0,
            due_at: now,
            failure: None,
        }
    }
}

/// The most attempts to send a notice: they are spread over three days.
pub const MAX_ATTEMPTS: u32 = 15;
/// The pause after the first attempt; each later one is three times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_hours(12);

/// Returns the pause after the attempt of this number, of which the first is 1; `None` after the
/// last. `chance` takes up to a fifth off, so that notices that failed together don't come back
/// together.
pub fn pause_after(attempt: u32, chance: u8) -> Option<Duration> {
    if attempt >= MAX_ATTEMPTS {
        return None;
    }
    let factor = 3_u32.saturating_pow(attempt.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(factor).min(MAX_PAUSE);
    Some(pause - pause / 5 * u32::from(chance) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for kind in NoticeKind::ALL {
            assert_eq!(kind.name().parse::<NoticeKind>().unwrap(), *kind);
        }
        for state in NoticeState::ALL {
            assert_eq!(state.name().parse::<NoticeState>().unwrap(), *state);
        }
        for kind in SubjectKind::ALL {
            assert_eq!(kind.name().parse::<SubjectKind>().unwrap(), *kind);
        }
    }

    #[test]
    fn the_pauses_grow_to_half_a_day_and_end_after_three_days() {
        let pauses: Vec<_> = (1..).map_while(|attempt| pause_after(attempt, 0)).collect();
        assert_eq!(pauses.len(), 14);
        assert_eq!(pauses[..3], [5, 15, 45].map(Duration::from_secs));
        assert_eq!(pauses[13], MAX_PAUSE);
        let days = pauses.iter().sum::<Duration>().as_secs_f64() / 86400.0;
        assert!((3.0..3.2).contains(&days), "{days}");
    }

    #[test]
    fn chance_takes_a_fifth_at_most() {
        assert_eq!(pause_after(1, 255), Some(Duration::from_secs(4)));
        let some = pause_after(1, 100).unwrap();
        assert!(Duration::from_secs(4) < some && some < Duration::from_secs(5));
    }

    #[test]
    fn a_digest_has_one_id() {
        let id = NoticeId::of_digest(&[7; 32]);
        assert_eq!(id, NoticeId::of_digest(&[7; 32]));
        assert_ne!(id, NoticeId::of_digest(&[8; 32]));
        assert_eq!(id.as_str().parse::<NoticeId>().unwrap(), id);
    }
}
