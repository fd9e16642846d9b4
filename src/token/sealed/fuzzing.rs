//! Fuzzing of sealed secrets: the text before the seal, and the payload behind it.

use std::sync::OnceLock;

use super::payload::{read_grant, read_session, write_grant, write_session};
use super::{
    Claims, Dependency, Grant, MAX_BODY, MAX_SESSION_POLICY_BYTES, Narrowing, OidcSubject,
    Principal, Random, Sealer, SealingKey, SecretKind, Session, SessionPolicy, SubjectDigest,
    Timestamp, Username,
};
use crate::domain::claims::Claim;
use crate::domain::credential::{Cloud, long_term_id};
use crate::domain::ids::{AccountId, RoleId, UserId};
use crate::domain::jwt::carried_secret;
use crate::domain::scope::Scopes;
use crate::domain::secret::Secret;

pub(crate) const WORDS: &[&str] = &[
    "trst_",
    "trsr_",
    "trss_",
    "trsl_",
    "trsc_",
    "AgAA",
    "tcr-demo0001",
    "0123456789abcdefghij",
    "\x01",
    "\x02",
    "\x03",
    "\0\0\0\0\0\0\0\x01",
    "\0\x01",
    "builder",
];

/// Randomness that comes again.
struct Fixed<'a>(&'a [u8]);

impl Random for Fixed<'_> {
    fn fill(&self, bytes: &mut [u8]) {
        for (byte, fixed) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *fixed;
        }
    }
}

fn sealer() -> Option<Sealer> {
    Sealer::new(SealingKey::from_bytes(&[7; 32]).ok()?, Vec::new()).ok()
}

fn grants() -> Option<Vec<Grant>> {
    let account = AccountId::new(100_000_000_001).ok()?;
    let (user, role) = (
        UserId::new(100_000_000_002).ok()?,
        RoleId::new(4_611_686).ok()?,
    );
    let id = |text: &str| text.parse().ok();
    let scopes = Scopes::parse(["repository:team/app:pull,push registry:catalog:*"]).ok()?;
    let plain = Grant {
        id: id("0123456789abcdefghij")?,
        principal: Principal::Root(account),
        dependencies: vec![(Dependency::Root(account), 3)],
        instance: "tcr-demo0001".parse().ok()?,
        username: Username::NumericId,
        session_policy: None,
        narrowing: None,
        issued_at: Timestamp::from_unix_millis(1_735_787_045_123),
        expires_at: Timestamp::from_unix_millis(1_735_790_645_123),
        claims: Claims::default(),
    };
    let subject = OidcSubject {
        account,
        provider: "ci".to_owned(),
        subject: SubjectDigest::of("repo:team/app"),
    };
    let rich = Grant {
        principal: Principal::RoleSession(account, role, "builder".to_owned()),
        dependencies: vec![
            (Dependency::User(user), 5),
            (Dependency::Role(role), -1),
            (Dependency::AccessKey("AKIDEXAMPLE".to_owned()), 7),
            (Dependency::Temporary(id("abcdefghij0123456789")?), 0),
            (Dependency::RefreshTokens("tcr-demo0001".parse().ok()?), 2),
            (Dependency::OidcSubject(subject), 1),
        ],
        username: Username::CrTempUser,
        session_policy: Some(SessionPolicy::Written("{\"Version\":\"1\"}".to_owned())),
        narrowing: Some(Narrowing::new(scopes).ok()?),
        claims: Claims::new(vec![
            ("env".to_owned(), Claim::One("blue".to_owned())),
            (
                "teams".to_owned(),
                Claim::Many(vec!["a".to_owned(), "b".to_owned()]),
            ),
        ]),
        ..plain.clone()
    };
    let deflated = Grant {
        principal: Principal::FederatedSession(account, Some(user), "ci".to_owned()),
        session_policy: Some(SessionPolicy::Deflated(
            miniz_oxide::deflate::compress_to_vec(&[b'a'; 3000], 9),
        )),
        ..plain.clone()
    };
    Some(vec![plain, rich, deflated])
}

fn session_of(grant: &Grant) -> Session {
    Session {
        id: grant.id.clone(),
        cloud: Cloud::Alibaba,
        access_key_id: "STS.NEXAMPLE0123456789".to_owned(),
        secret: Secret::new("hunter2EXAMPLE"),
        principal: grant.principal.clone(),
        dependencies: grant.dependencies.clone(),
        session_policy: grant.session_policy.clone(),
        issued_at: grant.issued_at,
        expires_at: grant.expires_at,
        claims: grant.claims.clone(),
    }
}

/// Returns sealed secrets of all kinds, which [`check_text`] opens.
pub(crate) fn text_seeds() -> Vec<Vec<u8>> {
    sealed()
        .iter()
        .map(|secret| secret.expose().as_bytes().to_vec())
        .collect()
}

fn sealed() -> Vec<Secret> {
    let (Some(sealer), Some(grants)) = (sealer(), grants()) else {
        return Vec::new();
    };
    let random = Fixed(b"not at all random");
    let of_grant = |grant: &Grant| {
        let [temporary, refresh] = [SecretKind::Temporary, SecretKind::Refresh]
            .map(|kind| sealer.seal(kind, grant, &random).ok());
        [
            temporary,
            refresh,
            sealer.seal_session(&session_of(grant), &random).ok(),
        ]
    };
    grants.iter().flat_map(of_grant).flatten().collect()
}

/// Returns payloads of grants and sessions, which [`check_payload`] reads.
pub(crate) fn payload_seeds() -> Vec<Vec<u8>> {
    let random = Fixed(b"not at all random");
    let of_grant = |grant: &Grant| {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let is_written = write_grant(&mut one, grant, &random).is_ok()
            && write_session(&mut other, &session_of(grant), &random).is_ok();
        is_written.then_some([one, other])
    };
    grants()
        .iter()
        .flatten()
        .filter_map(of_grant)
        .flatten()
        .collect()
}

/// Opens a text as each kind: what opens is what was sealed, to the letter.
pub(crate) fn check_text(input: &[u8]) -> Option<()> {
    static KNOWN: OnceLock<(Sealer, Vec<Secret>)> = OnceLock::new();
    let (sealer, known) = KNOWN.get_or_init(|| {
        let known = sealed();
        assert!(known.len() > 6, "{} are sealed", known.len());
        (sealer().expect("a sealer"), known)
    });
    let text = std::str::from_utf8(input).ok()?;
    long_term_id(text);
    carried_secret(text);
    for kind in SecretKind::ALL {
        let body = text.get(5..text.len().saturating_sub(SecretKind::CHECKSUM_LENGTH));
        // As it is, and with the checksum that it lacks.
        let mended = body.map(|body| kind.write(body));
        for text in [Some(text), mended.as_ref().map(Secret::expose)]
            .into_iter()
            .flatten()
        {
            let is_known = || known.iter().any(|secret| secret.expose() == text);
            if sealer.open(kind, text).is_some() {
                assert!(is_known(), "{text} was never sealed as {kind:?}");
            }
            if kind == SecretKind::Session && sealer.open_session(text).is_some() {
                assert!(is_known(), "{text} was never sealed as a session");
            }
            if kind == SecretKind::Console {
                assert!(sealer.open_flow(text).is_none(), "no flow was sealed");
            }
            sealer.lacks_key_of(kind, text);
        }
    }
    Some(())
}

/// Reads a payload, as a sealing key that was stolen could make it: what is read is written again
/// to the byte, so that a payload says one thing.
pub(crate) fn check_payload(input: &[u8]) -> Option<()> {
    let (grant, session) = (read_grant(input), read_session(input));
    if let Some(grant) = &grant {
        let mut again = Vec::new();
        let written = write_grant(&mut again, grant, &Fixed(&input[..16]));
        assert!(
            written.is_ok() && again == input,
            "{grant:?} is written otherwise"
        );
        assert!(input.len() <= MAX_BODY, "{} bytes are read", input.len());
        inflate(grant.session_policy.as_ref());
    }
    if let Some(session) = &session {
        let mut again = Vec::new();
        let written = write_session(&mut again, session, &Fixed(&input[..16]));
        assert!(
            written.is_ok() && again == input,
            "{session:?} is written otherwise"
        );
        inflate(session.session_policy.as_ref());
    }
    (grant.is_some() || session.is_some()).then_some(())
}

/// Checks that a policy is no longer than a policy may be, whatever was deflated.
fn inflate(policy: Option<&SessionPolicy>) {
    if let Some(Ok(Some(document))) = policy.map(SessionPolicy::document) {
        assert!(
            document.len() <= MAX_SESSION_POLICY_BYTES,
            "{} bytes",
            document.len()
        );
    }
}
