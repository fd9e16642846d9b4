use proptest::prelude::*;

use super::*;
use crate::domain::claims::Claim;
use crate::domain::clock::SystemRandom;
use crate::domain::ids::{AccountId, RoleId, UserId};
use crate::domain::scope::Scopes;
use crate::token::testing::Seeded;

/// The kinds that hold a grant.
const OF_GRANTS: [SecretKind; 2] = [SecretKind::Temporary, SecretKind::Refresh];
const POLICY: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"cr:PullRepository","Resource":"*"}]}"#;

fn written(document: &str) -> SessionPolicy {
    SessionPolicy::Written(document.to_owned())
}

fn new_sealer() -> Sealer {
    sealer(SealingKey::generate(&SystemRandom))
}

fn sealer(key: SealingKey) -> Sealer {
    Sealer::new(key, Vec::new()).unwrap()
}

fn account() -> AccountId {
    AccountId::new(100_000_000_001).unwrap()
}

fn user() -> UserId {
    UserId::new(100_000_000_002).unwrap()
}

fn role() -> RoleId {
    RoleId::new(4_611_686_018_427_387).unwrap()
}

fn access_key() -> Dependency {
    Dependency::AccessKey("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE".to_owned())
}

fn subject(provider: &str) -> Dependency {
    Dependency::OidcSubject(OidcSubject {
        account: account(),
        provider: provider.to_owned(),
        subject: SubjectDigest::of("repo:example-org/app:ref:refs/heads/main"),
    })
}

fn narrowing(scopes: &str) -> Option<Narrowing> {
    Some(Narrowing::new(Scopes::parse([scopes]).unwrap()).unwrap())
}

fn grant() -> Grant {
    Grant {
        id: "0123456789abcdefghij".parse().unwrap(),
        principal: Principal::Root(account()),
        dependencies: vec![(Dependency::Root(account()), 3), (access_key(), 7)],
        instance: "tcr-demo0001".parse().unwrap(),
        username: Username::NumericId,
        session_policy: None,
        narrowing: None,
        issued_at: Timestamp::from_unix_millis(1_735_787_045_123),
        expires_at: Timestamp::from_unix_millis(1_735_790_645_123),
        claims: Claims::default(),
    }
}

fn session() -> Session {
    Session {
        id: "0123456789abcdefghij".parse().unwrap(),
        cloud: Cloud::Alibaba,
        access_key_id: "STS.NEXAMPLE0123456789".to_owned(),
        secret: Secret::new("hunter2EXAMPLE"),
        principal: Principal::FederatedSession(account(), Some(user()), "ci".to_owned()),
        dependencies: vec![
            (Dependency::Root(account()), 3),
            (Dependency::User(user()), 5),
            (access_key(), 7),
        ],
        session_policy: Some(written(POLICY)),
        issued_at: Timestamp::from_unix_millis(1_735_787_045_123),
        expires_at: Timestamp::from_unix_millis(1_735_790_645_123),
        claims: Claims::default(),
    }
}

/// Tells whether two sessions say the same; a secret can't be compared with `==`, so a session
/// can't.
fn same(one: &Session, other: &Session) -> bool {
    // Written out, so that a new field doesn't compile until it is compared.
    let Session {
        id,
        cloud,
        access_key_id,
        secret,
        principal,
        dependencies,
        session_policy,
        issued_at,
        expires_at,
        claims,
    } = one;
    (id, cloud, access_key_id, secret.expose(), principal)
        == (
            &other.id,
            &other.cloud,
            &other.access_key_id,
            other.secret.expose(),
            &other.principal,
        )
        && (dependencies, session_policy, issued_at, expires_at, claims)
            == (
                &other.dependencies,
                &other.session_policy,
                &other.issued_at,
                &other.expires_at,
                &other.claims,
            )
}

/// Seals bytes of the test's choice as the payload.
fn seal_bytes(key: &SealingKey, kind: SecretKind, payload: &[u8]) -> Secret {
    let nonce: [u8; NONCE_LENGTH] = random_bytes(&SystemRandom);
    let mut bytes = [&[VERSION][..], &key.id_bytes, &nonce, payload].concat();
    key.cipher
        .seal(nonce, &key.associated(kind), &mut bytes, HEAD_LENGTH);
    kind.write(&URL_SAFE_NO_PAD.encode(bytes))
}

fn payload_of(grant: &Grant) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_grant(&mut bytes, grant, &SystemRandom).unwrap();
    bytes
}

fn payload_of_session(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_session(&mut bytes, session, &SystemRandom).unwrap();
    bytes
}

fn is_refused<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == &crate::domain::ErrorKind::Internal)
}

fn ids() -> impl Strategy<Value = CredentialId> {
    "[0-9a-v]{20}".prop_map(|text| text.parse().unwrap())
}

fn numbers() -> impl Strategy<Value = i64> {
    1..=999_999_999_999_999_999_i64
}

/// Texts of any letters, of at most `longest` bytes.
fn texts(longest: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..=longest).prop_map(move |letters| {
        let mut text = String::new();
        for letter in letters {
            if text.len() + letter.len_utf8() <= longest {
                text.push(letter);
            }
        }
        text
    })
}

fn principals() -> impl Strategy<Value = Principal> {
    let accounts = || numbers().prop_map(|number| AccountId::new(number).unwrap());
    let users = || numbers().prop_map(|number| UserId::new(number).unwrap());
    let roles = numbers().prop_map(|number| RoleId::new(number).unwrap());
    let names = || texts(MAX_SESSION_NAME);
    prop_oneof![
        accounts().prop_map(Principal::Root),
        (accounts(), users()).prop_map(|(account, user)| Principal::User(account, user)),
        (accounts(), roles, names())
            .prop_map(|(account, role, name)| Principal::RoleSession(account, role, name)),
        (accounts(), proptest::option::of(users()), names())
            .prop_map(|(account, user, name)| Principal::FederatedSession(account, user, name)),
    ]
}

fn dependencies(most: usize) -> impl Strategy<Value = Vec<(Dependency, i64)>> {
    let dependency = prop_oneof![
        numbers().prop_map(|number| Dependency::Root(AccountId::new(number).unwrap())),
        numbers().prop_map(|number| Dependency::User(UserId::new(number).unwrap())),
        numbers().prop_map(|number| Dependency::Role(RoleId::new(number).unwrap())),
        // Eight ids of the longest would make a secret too long; tests below have them.
        "[!-~]{0,24}".prop_map(Dependency::AccessKey),
        ids().prop_map(Dependency::LongTerm),
        ids().prop_map(Dependency::Session),
        ids().prop_map(Dependency::Temporary),
        "[a-z]{0,24}".prop_map(|provider| subject(&provider)),
        "tcr-[a-z0-9]{8}".prop_map(|id| Dependency::RefreshTokens(id.parse().unwrap())),
    ];
    proptest::collection::vec((dependency, any::<i64>()), 1..=most)
}

fn policies(longest: usize) -> impl Strategy<Value = Option<SessionPolicy>> {
    let documents = prop_oneof![Just(String::new()), Just(POLICY.to_owned()), texts(longest)];
    let bytes = proptest::collection::vec(any::<u8>(), 0..60);
    proptest::option::of(prop_oneof![
        documents.prop_map(SessionPolicy::Written),
        bytes.prop_map(SessionPolicy::Deflated),
        any::<[u8; 32]>().prop_map(|bytes| SessionPolicy::Stored(PolicyDigest::from_bytes(bytes))),
    ])
}

fn narrowings() -> impl Strategy<Value = Option<Narrowing>> {
    let scope = (
        "repository:[a-z0-9/]{1,40}|registry:catalog",
        "pull|push,delete|\\*",
    );
    let scopes = proptest::collection::vec(scope, 1..4);
    proptest::option::of(scopes.prop_map(|scopes| {
        let scopes: String = scopes
            .iter()
            .map(|(resource, actions)| format!("{resource}:{actions} "))
            .collect();
        Narrowing::new(Scopes::parse([scopes.as_str()]).unwrap()).unwrap()
    }))
}

fn times() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_unix_millis)
}

fn grants() -> impl Strategy<Value = Grant> {
    let instances = "tcr-[a-z0-9]{8}".prop_map(|text| text.parse::<InstanceId>().unwrap());
    let usernames = prop_oneof![
        Just(Username::NumericId),
        Just(Username::CrTempUser),
        Just(Username::Aws)
    ];
    (
        ids(),
        principals(),
        dependencies(MAX_DEPENDENCIES),
        instances,
        usernames,
        policies(MAX_SESSION_POLICY_BYTES),
        narrowings(),
        (times(), times()),
        claims(),
    )
        .prop_map(
            |(
                id,
                principal,
                dependencies,
                instance,
                username,
                session_policy,
                narrowing,
                (issued_at, expires_at),
                claims,
            )| Grant {
                id,
                principal,
                dependencies,
                instance,
                username,
                session_policy,
                narrowing,
                issued_at,
                expires_at,
                claims,
            },
        )
}

#[test]
fn claims_beyond_their_bound_are_not_sealed() {
    let sealer = new_sealer();
    let claims =
        |length: usize| Claims::new(vec![("a".to_owned(), Claim::One("x".repeat(length)))]);
    let seal = |claims| {
        let grant = Grant { claims, ..grant() };
        sealer.seal(SecretKind::Temporary, &grant, &SystemRandom)
    };
    let longest = MAX_CLAIMS - "a".len() - 2;
    assert!(seal(claims(longest)).unwrap().expose().len() <= MAX_REGISTRY_SECRET);
    let refusal = seal(claims(longest + 1)).unwrap_err();
    assert_eq!(refusal.kind(), &crate::domain::ErrorKind::Internal);
}

/// Claims of at most [`MAX_CLAIMS`] bytes, most often none.
fn claims() -> impl Strategy<Value = Claims> {
    let claim = prop_oneof![
        ".{0,10}".prop_map(Claim::One),
        proptest::collection::vec(".{0,4}", 0..5).prop_map(Claim::Many),
    ];
    proptest::collection::vec(("[a-z.]{1,12}", claim), 0..4)
        .prop_map(Claims::new)
        .prop_filter("they are longer than a secret may carry", |claims| {
            claims.length() <= MAX_CLAIMS
        })
}

fn sessions() -> impl Strategy<Value = Session> {
    let clouds = proptest::sample::select(&Cloud::ALL[..]);
    let keys = ("[!-~]{0,64}", "[!-~]{0,64}");
    (
        ids(),
        clouds,
        keys,
        principals(),
        dependencies(MAX_SESSION_DEPENDENCIES),
        policies(MAX_SESSION_POLICY_CHARACTERS),
        times(),
        times(),
        claims(),
    )
        .prop_map(
            |(
                id,
                cloud,
                (access_key_id, secret),
                principal,
                dependencies,
                session_policy,
                issued_at,
                expires_at,
                claims,
            )| Session {
                id,
                cloud,
                access_key_id,
                secret: Secret::new(secret),
                principal,
                dependencies,
                session_policy,
                issued_at,
                expires_at,
                claims,
            },
        )
}

proptest! {
    #[test]
    fn a_grant_opens_as_its_own_kind_alone(grant in grants()) {
        let sealer = new_sealer();
        for kind in OF_GRANTS {
            let secret = sealer.seal(kind, &grant, &SystemRandom).unwrap();
            for other in SecretKind::ALL {
                let opened = sealer.open(other, secret.expose());
                prop_assert_eq!(opened, (other == kind).then(|| grant.clone()));
            }
            prop_assert!(sealer.open_session(secret.expose()).is_none());
        }
    }

    #[test]
    fn a_session_opens_as_a_session_alone(session in sessions()) {
        let sealer = new_sealer();
        let token = sealer.seal_session(&session, &SystemRandom).unwrap();
        prop_assert!(same(&sealer.open_session(token.expose()).unwrap(), &session));
        prop_assert!(token.expose().len() <= MAX_SESSION_TOKEN, "{} bytes", token.expose().len());
        for kind in SecretKind::ALL {
            prop_assert_eq!(sealer.open(kind, token.expose()), None);
        }
    }

    #[test]
    fn opening_never_panics(
        body in "[A-Za-z0-9_-]{0,1600}",
        raw in proptest::collection::vec(any::<u8>(), 0..1000),
    ) {
        let sealer = new_sealer();
        for kind in OF_GRANTS {
            prop_assert_eq!(sealer.open(kind, kind.write(&body).expose()), None);
            prop_assert_eq!(sealer.open(kind, &body), None);
            // Even what a sealing key did seal is read with care.
            let _ = sealer.open(kind, seal_bytes(&sealer.current, kind, &raw).expose());
        }
        let kind = SecretKind::Session;
        prop_assert!(sealer.open_session(kind.write(&body).expose()).is_none());
        prop_assert!(sealer.open_session(&body).is_none());
        let _ = sealer.open_session(seal_bytes(&sealer.current, kind, &raw).expose());
    }

    #[test]
    fn what_is_read_of_any_payload_is_what_was_written(place in 0_usize..400, byte in any::<u8>()) {
        // A payload has one spelling: what still reads after a change writes itself back.
        let change = |mut payload: Vec<u8>| {
            let place = place % payload.len();
            payload[place] = byte;
            payload
        };
        let narrowed = Grant {
            session_policy: Some(written(POLICY)),
            narrowing: narrowing("repository:team/app:pull,push registry:catalog:*"),
            ..grant()
        };
        let payload = change(payload_of(&narrowed));
        if let Some(read) = read_grant(&payload) {
            prop_assert_eq!(&payload_of(&read)[16..], &payload[16..]);
        }
        let payload = change(payload_of_session(&session()));
        if let Some(read) = read_session(&payload) {
            prop_assert_eq!(&payload_of_session(&read)[16..], &payload[16..]);
        }
    }
}

#[test]
fn every_principal_dependency_and_policy_opens_again() {
    let sealer = new_sealer();
    let principals = [
        Principal::Root(account()),
        Principal::User(account(), user()),
        Principal::RoleSession(account(), role(), "a/b:c#d".to_owned()),
        Principal::FederatedSession(account(), None, "ci".to_owned()),
        Principal::FederatedSession(account(), Some(user()), String::new()),
    ];
    let dependencies = [
        Dependency::Root(account()),
        Dependency::User(user()),
        Dependency::Role(role()),
        access_key(),
        Dependency::LongTerm("vvvvvvvvvv0000000000".parse().unwrap()),
        Dependency::Session("vvvvvvvvvv0000000000".parse().unwrap()),
        Dependency::RefreshTokens("tcr-demo0001".parse().unwrap()),
        Dependency::Temporary("vvvvvvvvvv0000000000".parse().unwrap()),
        subject("ci"),
    ];
    for principal in principals {
        for dependency in &dependencies {
            // No policy and an empty one are not the same: an empty one allows nothing.
            for policy in [
                None,
                Some(written("")),
                Some(written(POLICY)),
                Some(SessionPolicy::Stored(PolicyDigest::of(""))),
            ] {
                for generation in [0, 1, i64::MIN, i64::MAX] {
                    let (principal, session_policy) = (principal.clone(), policy.clone());
                    let dependencies = vec![(dependency.clone(), generation)];
                    let grant = Grant {
                        principal: principal.clone(),
                        dependencies: dependencies.clone(),
                        session_policy: session_policy.clone(),
                        ..grant()
                    };
                    let secret = sealer
                        .seal(SecretKind::Refresh, &grant, &SystemRandom)
                        .unwrap();
                    assert_eq!(
                        sealer.open(SecretKind::Refresh, secret.expose()),
                        Some(grant)
                    );
                    for cloud in Cloud::ALL {
                        let session = Session {
                            principal: principal.clone(),
                            dependencies: dependencies.clone(),
                            session_policy: session_policy.clone(),
                            cloud,
                            ..session()
                        };
                        let token = sealer.seal_session(&session, &SystemRandom).unwrap();
                        assert!(same(
                            &sealer.open_session(token.expose()).unwrap(),
                            &session
                        ));
                    }
                }
            }
        }
    }
}

#[test]
fn a_secret_rewritten_with_the_prefix_of_another_kind_does_not_open() {
    let sealer = new_sealer();
    let secrets = [
        (
            SecretKind::Temporary,
            sealer
                .seal(SecretKind::Temporary, &grant(), &SystemRandom)
                .unwrap(),
        ),
        (
            SecretKind::Refresh,
            sealer
                .seal(SecretKind::Refresh, &grant(), &SystemRandom)
                .unwrap(),
        ),
        (
            SecretKind::Session,
            sealer.seal_session(&session(), &SystemRandom).unwrap(),
        ),
    ];
    for (kind, secret) in secrets {
        let body = kind.read(secret.expose()).unwrap();
        for other in SecretKind::ALL.into_iter().filter(|other| *other != kind) {
            let rewritten = other.write(body);
            for opened_as in SecretKind::ALL {
                assert_eq!(
                    sealer.open(opened_as, rewritten.expose()),
                    None,
                    "{kind:?} passed for {other:?}"
                );
            }
            assert!(
                sealer.open_session(rewritten.expose()).is_none(),
                "{kind:?} passed for {other:?}"
            );
        }
    }
}

#[test]
fn a_grant_is_sealed_as_a_kind_that_holds_grants() {
    for kind in [SecretKind::LongTerm, SecretKind::Session] {
        assert!(is_refused(new_sealer().seal(kind, &grant(), &SystemRandom)));
        // And is refused as one, should it be sealed all the same.
        let sealer = new_sealer();
        assert_eq!(
            sealer.open(
                kind,
                seal_bytes(&sealer.current, kind, &payload_of(&grant())).expose()
            ),
            None
        );
    }
}

/// Calls `check` with every change of one character of a secret, and every cut.
fn for_each_change_of_text(text: &str, check: impl Fn(&str) -> bool) {
    for place in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
        assert!(
            check(&String::from_utf8(changed).unwrap()),
            "a change at {place} went unseen"
        );
        assert!(check(&text[..place]), "a cut at {place} went unseen");
    }
    assert!(check(&format!("{text}x")));
}

/// Calls `check` with every change of one bit of a sealed body, and every cut, under a right
/// checksum.
fn for_each_change_of_body(kind: SecretKind, text: &str, check: impl Fn(&str) -> bool) {
    let bytes = URL_SAFE_NO_PAD.decode(kind.read(text).unwrap()).unwrap();
    let check = |bytes: &[u8]| check(kind.write(&URL_SAFE_NO_PAD.encode(bytes)).expose());
    assert!(!check(&bytes), "without a change it must open");
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            assert!(check(&changed), "bit {bit} of byte {place} went unseen");
        }
        assert!(check(&bytes[..place]), "a cut at {place} went unseen");
    }
    assert!(check(&[&bytes[..], &[0]].concat()));
}

#[test]
fn any_changed_byte_and_any_cut_of_a_grant_is_refused() {
    let sealer = new_sealer();
    let kind = SecretKind::Temporary;
    let long = Grant {
        session_policy: Some(written(&POLICY.repeat(4))),
        ..grant()
    };
    let narrowed = Grant {
        narrowing: narrowing("repository:team/app:pull"),
        ..grant()
    };
    for grant in [grant(), long, narrowed] {
        let secret = sealer.seal(kind, &grant, &SystemRandom).unwrap();
        let refused = |text: &str| sealer.open(kind, text).is_none();
        for_each_change_of_text(secret.expose(), refused);
        for_each_change_of_body(kind, secret.expose(), refused);
    }
}

#[test]
fn any_changed_byte_and_any_cut_of_a_session_token_is_refused() {
    let sealer = new_sealer();
    for policy in [None, Some(written(&POLICY.repeat(4)))] {
        let session = Session {
            session_policy: policy,
            ..session()
        };
        let token = sealer.seal_session(&session, &SystemRandom).unwrap();
        let refused = |text: &str| sealer.open_session(text).is_none();
        for_each_change_of_text(token.expose(), refused);
        for_each_change_of_body(SecretKind::Session, token.expose(), refused);
    }
}

#[test]
fn a_body_has_one_spelling() {
    // Base64 has unused bits at its end, and some decoders ignore them.
    let sealer = new_sealer();
    let kind = SecretKind::Temporary;
    for length in 0..3 {
        let grant = Grant {
            dependencies: vec![(Dependency::AccessKey("a".repeat(length)), 1)],
            ..grant()
        };
        let secret = sealer.seal(kind, &grant, &SystemRandom).unwrap();
        let body = kind.read(secret.expose()).unwrap();
        let spellings = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
            .chars()
            .filter(|last| {
                sealer
                    .open(
                        kind,
                        kind.write(&format!("{}{last}", &body[..body.len() - 1]))
                            .expose(),
                    )
                    .is_some()
            });
        assert_eq!(spellings.count(), 1);
    }
}

#[test]
fn the_reader_refuses_what_the_writer_never_writes() {
    let sealer = new_sealer();
    let kind = SecretKind::Refresh;
    let open =
        |payload: &[u8]| sealer.open(kind, seal_bytes(&sealer.current, kind, payload).expose());
    let payload = payload_of(&grant());
    assert_eq!(open(&payload), Some(grant()));
    for cut in 0..payload.len() {
        assert_eq!(
            open(&payload[..cut]),
            None,
            "a payload of {cut} bytes was taken"
        );
    }
    assert_eq!(
        open(&[&payload[..], &[0]].concat()),
        None,
        "a trailing byte was taken"
    );
    let (principal, dependency_count) = (16 + 20, 16 + 20 + 9);
    let (dependency, username) = (dependency_count + 1, payload.len() - 1);
    let policy = username - 12 - 16 - 1;
    for (place, known) in [
        (principal, 1..=5),
        (dependency_count, 2..=2),
        (dependency, 1..=5),
        (policy, 0..=3),
        (username, 1..=3),
    ] {
        for unknown in (0..=255).filter(|tag| !known.contains(tag)) {
            let mut changed = payload.clone();
            changed[place] = unknown;
            assert_eq!(
                open(&changed),
                None,
                "the tag {unknown} at {place} was taken"
            );
        }
    }
    let read = |payload: &[u8]| {
        sealer.open_session(seal_bytes(&sealer.current, SecretKind::Session, payload).expose())
    };
    let session = Session {
        session_policy: None,
        ..session()
    };
    let payload = payload_of_session(&session);
    assert!(same(&read(&payload).unwrap(), &session));
    for cut in 0..payload.len() {
        assert!(
            read(&payload[..cut]).is_none(),
            "a payload of {cut} bytes was taken"
        );
    }
    assert!(
        read(&[&payload[..], &[0]].concat()).is_none(),
        "a trailing byte was taken"
    );
    let cloud =
        payload.len() - 1 - session.access_key_id.len() - 1 - session.secret.expose().len() - 1;
    for unknown in (4..=255).chain([0]) {
        let mut changed = payload.clone();
        changed[cloud] = unknown;
        assert!(read(&changed).is_none(), "the cloud {unknown} was taken");
    }
}

#[test]
fn a_narrowing_that_is_not_written_so_is_not_read() {
    let narrowed = Grant {
        narrowing: narrowing("repository:a:pull registry:catalog:*"),
        ..grant()
    };
    let payload = payload_of(&narrowed);
    assert_eq!(read_grant(&payload), Some(narrowed));
    let extension = payload_of(&grant()).len();
    for cut in extension + 1..payload.len() {
        assert_eq!(
            read_grant(&payload[..cut]),
            None,
            "a cut at {cut} was taken"
        );
    }
    let twice = [&payload[..], &payload[extension..]].concat();
    assert_eq!(read_grant(&twice), None, "a second narrowing was taken");
    let (count, resource, actions) = (extension + 1, extension + 2, extension + 5);
    for (place, known) in [
        (extension, 1..=1),
        (count, 2..=2),
        (resource, 1..=1),
        (actions, 1..=15),
    ] {
        for unknown in (0..=255).filter(|byte| !known.contains(byte)) {
            let mut changed = payload.clone();
            changed[place] = unknown;
            assert_eq!(read_grant(&changed), None, "{unknown} at {place} was taken");
        }
    }
}

#[test]
fn a_payload_beyond_the_limits_is_not_read() {
    let key_place = 16 + 20 + 9 + 1 + 1;
    let mut payload = payload_of(&Grant {
        dependencies: vec![(Dependency::AccessKey("a".repeat(MAX_ACCESS_KEY_ID)), 1)],
        ..grant()
    });
    assert!(read_grant(&payload).is_some());
    payload[key_place] += 1;
    payload.insert(key_place + 1, b'a');
    assert_eq!(read_grant(&payload), None, "an over-long id was taken");

    let named = |length| Principal::RoleSession(account(), role(), "a".repeat(length));
    let name_place = 16 + 20 + 17;
    let mut payload = payload_of(&Grant {
        principal: named(MAX_SESSION_NAME),
        ..grant()
    });
    assert!(read_grant(&payload).is_some());
    payload[name_place] += 1;
    payload.insert(name_place + 1, b'a');
    assert_eq!(read_grant(&payload), None, "an over-long name was taken");

    let dependency = [&[1][..], &account().number().to_be_bytes(), &[0; 8]].concat();
    let mut payload = payload_of(&Grant {
        dependencies: vec![(Dependency::Root(account()), 0); MAX_DEPENDENCIES],
        ..grant()
    });
    assert!(read_grant(&payload).is_some());
    let count_place = 16 + 20 + 9;
    payload[count_place] += 1;
    payload.splice(count_place + 1..count_place + 1, dependency.iter().copied());
    assert_eq!(
        read_grant(&payload),
        None,
        "too many dependencies were taken"
    );
    payload[count_place] = 0;
    payload.drain(count_place + 1..count_place + 1 + (MAX_DEPENDENCIES + 1) * dependency.len());
    assert_eq!(
        read_grant(&payload),
        None,
        "a secret without dependencies was taken"
    );

    // A policy that a grant may have, but a session not.
    let policy = "a".repeat(MAX_SESSION_POLICY_CHARACTERS);
    let mut payload = payload_of_session(&Session {
        session_policy: Some(written(&policy)),
        ..session()
    });
    assert!(read_session(&payload).is_some());
    let place = payload
        .windows(policy.len())
        .position(|bytes| bytes == policy.as_bytes())
        .unwrap();
    payload[place - 2..place].copy_from_slice(&(policy.len() as u16 + 1).to_be_bytes());
    payload.insert(place, b'a');
    assert!(
        read_session(&payload).is_none(),
        "an over-long policy was taken"
    );
}

#[test]
fn what_is_beyond_the_limits_is_not_sealed() {
    let sealer = new_sealer();
    let seal = |grant: Grant| {
        let secret = sealer.seal(SecretKind::Temporary, &grant, &SystemRandom)?;
        assert_eq!(
            sealer.open(SecretKind::Temporary, secret.expose()),
            Some(grant)
        );
        Ok(secret)
    };
    let roots = |count| vec![(Dependency::Root(account()), 1); count];
    let named = |length| Principal::RoleSession(account(), role(), "a".repeat(length));
    let federated = |length| Principal::FederatedSession(account(), None, "a".repeat(length));
    let keyed = |length| vec![(Dependency::AccessKey("a".repeat(length)), 1)];
    let policy = |length| Some(written(&"a".repeat(length)));
    for (fits, over) in [
        (
            Grant {
                dependencies: roots(11),
                ..grant()
            },
            Grant {
                dependencies: roots(12),
                ..grant()
            },
        ),
        (
            Grant {
                dependencies: roots(1),
                ..grant()
            },
            Grant {
                dependencies: roots(0),
                ..grant()
            },
        ),
        (
            Grant {
                principal: named(128),
                ..grant()
            },
            Grant {
                principal: named(129),
                ..grant()
            },
        ),
        (
            Grant {
                principal: federated(128),
                ..grant()
            },
            Grant {
                principal: federated(129),
                ..grant()
            },
        ),
        (
            Grant {
                dependencies: keyed(128),
                ..grant()
            },
            Grant {
                dependencies: keyed(129),
                ..grant()
            },
        ),
        (
            Grant {
                session_policy: policy(4096),
                ..grant()
            },
            Grant {
                session_policy: policy(4097),
                ..grant()
            },
        ),
        (
            Grant {
                session_policy: policy(0),
                ..grant()
            },
            Grant {
                session_policy: policy(65_536),
                ..grant()
            },
        ),
    ] {
        assert!(seal(fits).is_ok());
        assert!(is_refused(seal(over.clone())), "{over:?} was sealed");
    }
    let seal = |session: Session| {
        let token = sealer.seal_session(&session, &SystemRandom)?;
        assert!(same(
            &sealer.open_session(token.expose()).unwrap(),
            &session
        ));
        Ok(token)
    };
    let secret = |length| Secret::new("a".repeat(length));
    let letters = |letter: &str, count| Some(written(&letter.repeat(count)));
    for (fits, over) in [
        (
            Session {
                dependencies: roots(11),
                ..session()
            },
            Session {
                dependencies: roots(12),
                ..session()
            },
        ),
        (
            Session {
                dependencies: roots(1),
                ..session()
            },
            Session {
                dependencies: roots(0),
                ..session()
            },
        ),
        (
            Session {
                principal: named(128),
                ..session()
            },
            Session {
                principal: named(129),
                ..session()
            },
        ),
        (
            Session {
                access_key_id: "a".repeat(128),
                ..session()
            },
            Session {
                access_key_id: "a".repeat(129),
                ..session()
            },
        ),
        (
            Session {
                secret: secret(128),
                ..session()
            },
            Session {
                secret: secret(129),
                ..session()
            },
        ),
        (
            Session {
                session_policy: letters("a", 2048),
                ..session()
            },
            Session {
                session_policy: letters("a", 2049),
                ..session()
            },
        ),
    ] {
        assert!(seal(fits).is_ok());
        assert!(is_refused(seal(over.clone())), "{over:?} was sealed");
    }
}

#[test]
fn a_session_token_keeps_to_tencents_contract() {
    let sealer = new_sealer();
    // More than any session of ours has: a chain of roles, each dependency there is, the longest
    // name and policy.
    let full = Session {
        access_key_id: "a".repeat(64),
        secret: Secret::new("a".repeat(64)),
        principal: Principal::FederatedSession(
            account(),
            Some(user()),
            "a".repeat(MAX_SESSION_NAME),
        ),
        dependencies: (0..8)
            .map(|number| (Dependency::AccessKey("a".repeat(64)), number))
            .collect(),
        session_policy: Some(written(&"a".repeat(MAX_SESSION_POLICY_CHARACTERS))),
        ..session()
    };
    let length = sealer
        .seal_session(&full, &SystemRandom)
        .unwrap()
        .expose()
        .len();
    assert!((3900..=MAX_SESSION_TOKEN).contains(&length), "{length}");
    let dependencies = (0..8)
        .map(|number| (Dependency::AccessKey("a".repeat(MAX_ACCESS_KEY_ID)), number))
        .collect();
    assert!(is_refused(sealer.seal_session(
        &Session {
            dependencies,
            ..full
        },
        &SystemRandom
    )));
}

#[test]
fn the_longest_secret_opens_and_a_longer_text_is_not_even_read() {
    let sealer = new_sealer();
    let session = Session {
        access_key_id: "a".repeat(MAX_ACCESS_KEY_ID),
        secret: Secret::new("a".repeat(MAX_ACCESS_KEY_SECRET)),
        principal: Principal::FederatedSession(
            account(),
            Some(user()),
            "a".repeat(MAX_SESSION_NAME),
        ),
        dependencies: vec![(subject(&"a".repeat(MAX_PROVIDER_NAME)), 1); MAX_DEPENDENCIES],
        session_policy: Some(written(&"é".repeat(MAX_SESSION_POLICY_CHARACTERS))),
        claims: Claims::new(vec![
            ("a".to_owned(), Claim::Many(Vec::new()));
            MAX_CLAIMS / 2
        ]),
        ..session()
    };
    let payload = payload_of_session(&session);
    assert!(payload.len() <= MAX_WITHOUT_POLICY + MAX_SESSION_POLICY_BYTES);
    // Releases before the bound on registry secrets sealed such ones.
    let token = seal_bytes(&sealer.current, SecretKind::Session, &payload);
    assert!(same(
        &sealer.open_session(token.expose()).unwrap(),
        &session
    ));
    assert!(token.expose().len() <= MAX_SECRET);
    for length in [MAX_SECRET, 1 << 20] {
        let absurd = SecretKind::Session.write(&"A".repeat(length));
        assert!(sealer.open_session(absurd.expose()).is_none());
    }
}

/// Returns a policy of so many letters that says nothing twice.
fn incompressible(letters: usize) -> String {
    let random = Seeded::new(9);
    let mut bytes = vec![0; letters.div_ceil(2)];
    random.fill(&mut bytes);
    hex::encode(bytes)[..letters].to_owned()
}

/// The longest that a session can be: a user's, at the end of three roles that assumed each other.
fn longest_session() -> Session {
    let session_dependency = || {
        (
            Dependency::Session("vvvvvvvvvv0000000000".parse().unwrap()),
            0,
        )
    };
    let role_dependency = || (Dependency::Role(role()), i64::MAX);
    let mut dependencies = vec![
        role_dependency(),
        role_dependency(),
        role_dependency(),
        (Dependency::User(user()), i64::MAX),
        (access_key(), i64::MAX),
    ];
    dependencies.extend([session_dependency(), session_dependency()]);
    let principal = Principal::RoleSession(account(), role(), "a".repeat(MAX_SESSION_NAME));
    Session {
        principal,
        dependencies,
        session_policy: None,
        ..session()
    }
}

#[test]
fn no_session_policy_makes_a_registry_secret_longer_than_1000_characters() {
    // They had up to 3,026, and credential stores of some tools take 1,000.
    let sealer = new_sealer();
    for session in [session(), longest_session()] {
        let mut forms = [0; 3];
        for letters in (0..MAX_SESSION_POLICY_CHARACTERS).step_by(7) {
            for document in [
                incompressible(letters),
                "ab".repeat(letters / 2),
                "日".repeat(letters * 2 / 3),
            ] {
                let policy = SessionPolicy::for_session(&document, &session).unwrap();
                match &policy {
                    SessionPolicy::Written(_) => forms[0] += 1,
                    SessionPolicy::Deflated(_) => forms[1] += 1,
                    SessionPolicy::Stored(digest) => {
                        forms[2] += 1;
                        assert_eq!(digest, &PolicyDigest::of(&document));
                    }
                }
                if let Some(carried) = policy.document().unwrap() {
                    assert_eq!(carried, document);
                }
                let mut dependencies = session.dependencies_of_calls();
                dependencies.push((Dependency::RefreshTokens(grant().instance), i64::MAX));
                let session_policy = Some(policy.clone());
                let grant = Grant {
                    principal: session.principal.clone(),
                    dependencies,
                    session_policy,
                    ..grant()
                };
                let secret = sealer
                    .seal(SecretKind::Refresh, &grant, &SystemRandom)
                    .unwrap();
                assert!(
                    secret.expose().len() <= MAX_REGISTRY_SECRET,
                    "{}",
                    secret.expose().len()
                );
                assert_eq!(
                    secret.expose().len(),
                    longest_secret_of_session(&session, Some(&policy)).unwrap()
                );
                let session = Session {
                    session_policy: Some(policy),
                    ..session.clone()
                };
                // As docs/compatibility.md says.
                assert!(
                    sealer
                        .seal_session(&session, &SystemRandom)
                        .unwrap()
                        .expose()
                        .len()
                        <= 1040
                );
            }
        }
        assert!(forms.iter().all(|count| *count > 0), "{forms:?}");
    }
}

#[test]
fn the_longest_secret_of_a_grant_is_its_refresh_token() {
    let sealer = new_sealer();
    for narrowing in [None, narrowing("repository:team/app:pull")] {
        let grant = Grant {
            narrowing,
            ..grant()
        };
        let longest = longest_secret_of(&grant).unwrap();
        let length = |kind, grant: &Grant| {
            let secret = sealer.seal(kind, grant, &SystemRandom).unwrap();
            secret.expose().len()
        };
        assert!(length(SecretKind::Temporary, &grant) < longest);
        let mut refreshed = grant;
        let refresh_tokens = Dependency::RefreshTokens(refreshed.instance.clone());
        refreshed.dependencies.push((refresh_tokens, 3));
        assert_eq!(length(SecretKind::Refresh, &refreshed), longest);
    }
}

#[test]
fn what_inflates_to_more_than_a_policy_has_or_to_no_text_is_an_error() {
    let bomb = miniz_oxide::deflate::compress_to_vec(&[b'a'; MAX_SESSION_POLICY_BYTES + 1], 9);
    let whole = miniz_oxide::deflate::compress_to_vec(&[b'a'; MAX_SESSION_POLICY_BYTES], 9);
    assert_eq!(
        SessionPolicy::Deflated(whole)
            .document()
            .unwrap()
            .unwrap()
            .len(),
        MAX_SESSION_POLICY_BYTES
    );
    let no_text = miniz_oxide::deflate::compress_to_vec(&[0xff; 10], 9);
    for bytes in [bomb, no_text, b"nonsense".to_vec(), Vec::new()] {
        assert!(is_refused(SessionPolicy::Deflated(bytes).document()));
    }
}

#[test]
fn a_registry_secret_of_more_than_1000_characters_is_not_sealed() {
    let sealer = new_sealer();
    let dependencies =
        vec![(Dependency::AccessKey("a".repeat(MAX_ACCESS_KEY_ID)), 1); MAX_DEPENDENCIES];
    for session_policy in [None, Some(SessionPolicy::Stored(PolicyDigest::of(POLICY)))] {
        assert!(is_refused(sealer.seal(
            SecretKind::Temporary,
            &Grant {
                dependencies: dependencies.clone(),
                session_policy,
                ..grant()
            },
            &SystemRandom
        )));
    }
    // But for what a session of an earlier release got, which has its policy as written.
    let grant = Grant {
        session_policy: Some(written(&incompressible(2048))),
        ..grant()
    };
    assert!(
        sealer
            .seal(SecretKind::Temporary, &grant, &SystemRandom)
            .unwrap()
            .expose()
            .len()
            > MAX_REGISTRY_SECRET
    );
}

#[test]
fn bodies_around_the_usual_length_open() {
    // Up to the usual length a body is opened without an allocation, beyond with one.
    let sealer = new_sealer();
    for length in 250..420 {
        let grant = Grant {
            session_policy: Some(written(&"a".repeat(length))),
            ..grant()
        };
        let secret = sealer
            .seal(SecretKind::Temporary, &grant, &SystemRandom)
            .unwrap();
        assert_eq!(
            sealer.open(SecretKind::Temporary, secret.expose()),
            Some(grant)
        );
    }
}

#[test]
fn an_older_key_still_opens_and_an_unknown_one_does_not() {
    let (old, new) = (
        SealingKey::generate(&SystemRandom),
        SealingKey::generate(&SystemRandom),
    );
    let old_bytes = old.to_bytes();
    let old = sealer(old);
    let secret = old
        .seal(SecretKind::Temporary, &grant(), &SystemRandom)
        .unwrap();
    let token = old.seal_session(&session(), &SystemRandom).unwrap();
    let new_bytes = new.to_bytes();
    let new = sealer(new);
    assert_eq!(new.open(SecretKind::Temporary, secret.expose()), None);
    assert!(new.open_session(token.expose()).is_none());
    let [old, new] =
        [old_bytes, new_bytes].map(|bytes| SealingKey::from_bytes(bytes.as_slice()).unwrap());
    let current = new.id().to_owned();
    let both = Sealer::new(new, vec![old]).unwrap();
    assert_eq!(
        both.open(SecretKind::Temporary, secret.expose()),
        Some(grant())
    );
    assert!(same(
        &both.open_session(token.expose()).unwrap(),
        &session()
    ));
    assert_eq!(both.current.id(), current);
}

#[test]
fn a_key_comes_back_from_its_bytes_and_is_there_once() {
    let key = SealingKey::generate(&SystemRandom);
    let again = SealingKey::from_bytes(key.to_bytes().as_slice()).unwrap();
    assert_eq!(key.id(), again.id());
    assert_eq!(key.id().len(), 8);
    assert!(Sealer::new(key, vec![again]).is_err());
    for bad in [0, 31, 33] {
        assert!(SealingKey::from_bytes(&vec![0; bad]).is_err());
    }
}

#[test]
fn a_format_change_is_noticed() {
    // Made by tests/vectors/sealed.py, which shares no code with this: they must open for as long
    // as version 2 is read.
    const TEMPORARY: &str = "trst_AkYO0tZ4OCWCKm-eYtohkOjy3iSBUttOz_httDnHCxA9O9qQ7mh5wOnTSqQ9Llw6YoNTDE_DNab3-zcTMEaKvu9rTqIshG3DD8IBmu_N9kO6SoD_7hHIVKpn8UTR6ga7fkFYmT6XJltMK8q90XOCtPDOi2YDeyX8RmZrLgYY92A3tkmbPYNF4bVS--vt-QcwhfutstMXCxWmNtgM9Bkmuknyx6S5eXV520EatQ15pwKO";
    const REFRESH: &str = "trsr_AkYO0tYTCaw_TkFRKCD78lnXkQZX4359cY0jwRt9cGZsLZ3SvvxwT3dOuA_-qdicczQ1WHR6aFlzff2zXA9g0mudJZabh1cJrV0SLT5Qxm2vLaecoNEemYwL5pS8J-6A-DmkXPJJsoUPrSWSX7MofO-ubtz4LEdts5hC_OhzDbQmN7LLggdaksHESn8Zwk_HtdEX1unF5z1YxecjPuDxDnySO5GcaHcXAJ-2QHhDJt46kHFkJY-zD34tP50lnKcvv86GU4rkookpG-FVytLCC936uPZyg9FqhYDvcK1Fh2pi2pwMt2mPa6rVp2b-08fdT4R-4ZhGZ4oj7CZ4h7hPB0twkT_r5PQkcOC7xE344prqZ8-DaanNx55DKstGJX984Hb5R6iOFu6TP9yf4A1ou5bn";
    const SESSION: &str = "trss_AkYO0tYrfr5sJjncGBrkK-Q3UN6meaWe-Fzz2q9y7DTQmtEVbpaq3fNBm5jZ35Ig4gWmDsgofotTyq9H5xBLMJjAAs3tUnKOXXhlbsItE4FGLuCf_An48CPfU3w_6oc2zwVe9rHGIyFyxgKzwJAe6TuguB-Qgm9jykiawjOZ3te4nlD56T8U6LreG_DDVe0GVVvTHkb04-YJQANLqZlbgbPv5OCC14Ob0_NaVjQErqI6BvVerWW4eDZipJNU6gsOF8e9C2jwZAdSF1ye-7s6m4txWQAce2dZg6IPaLOhCkfvIVqhsVFsdXzVK7LL4y8oqKp-nEkRMFKpyqS4siU1F6UtDRTCXglicIvhz5wAVo-MVQP-wh9oMOkUkTiP4l67vhxtmR84kJ7ZMFgYEoQYDFvqOjFwrgfio2OoGtICuTk2KpY9E";
    const DEFLATED: &str = "trst_AkYO0taGD9PWZyO8x4enTYNh6QYp-Lx0TyhWeFbi4aaRCWXnb8K9Ffi0PevcMq6YLA1YMN0R9XgwILrgmCDGexEdAsL1nXNqACFI-RmHun_-KeulQhwE7R1K017WtPMLocr4Bw-Aulfuwpxe-nDuckRceSr9E3raq8tVGFL2mrVvi-LM87Lz4b1Vv5JH25EDPLxO7JKi5GtLaWDSnSmUJgo7ZMq4-t4M2clD0vWeXlTq8lfDWylPg9QMU-eDjZ1UsEUthn5yDvxyXXxxTMKWyoJ4_0vktN4Zwtj2PZPKqLbOWzwTv1kVBsjP7Xv4AvFJxfCre3WSircECUdKpoDld9YznQ2XpwrT";
    const STORED: &str = "trsr_AkYO0tYsG5BoZ9MT6e4H_iI_V0GiMaFbZYZZIIUfwWUB6z2m1-m2ovD5JPux84mseJvK1TCG8w2dB5jvUYJOiOZ82943l9egGTjqyoYemBQ_-RiZhdIfqPB9HTb9QhzXcmjJfoL5D8ZEtjLu5yBYbj2mTZXhuYcyeCHzxdI5TL8X3_KbEAzpZiXoSR2uq-2tBvyl9BM9RtJmHhrCqqQ19vmV2hOeokZQrFbHhXmeuE1ji5AeEBAaEIFIcdkJJFr3kRZl55e-iZ_svd2f3qcn0P";
    const NARROWED: &str = "trst_AkYO0tb2FmIJUMQTnbZux7cEKtbnkiygPKQiPJoQoTXuzsqESwpvLsA2Elyx7E5l9aChL7D7CazweqeTl0qFKz16ZfVSTDSUO-OcM_3tAjCscZw5YHp1C6dbJXa-SBXMb2USnX9qUIkujn5ycAkSdjjwnkMbT8vaOUAN1ZdCJfi3dE29W1HFkFsqgnlQcDuy7ZeXf-YDm7lG7K8lJGi9s8iG-BQq4IpwAoeY5t7uShWdyaB_O-6qMvUUyZ95kud5bOFq-UM_lL_8LCN4cf7GlxRmJyGMYzATzA-hzhbRxVVN2KQODM";
    let sealer = sealer(SealingKey::from_bytes(&[7; 32]).unwrap());
    let of_role = Grant {
        principal: Principal::RoleSession(account(), role(), "ci-日本".to_owned()),
        dependencies: vec![
            (Dependency::Root(account()), 3),
            (Dependency::Role(role()), -1),
            (Dependency::User(user()), i64::MAX),
            (
                Dependency::LongTerm("vvvvvvvvvv0000000000".parse().unwrap()),
                0,
            ),
        ],
        username: Username::CrTempUser,
        session_policy: Some(written(POLICY)),
        ..grant()
    };
    let of_token = Grant {
        principal: Principal::RoleSession(account(), role(), "ci".to_owned()),
        dependencies: vec![
            (Dependency::Role(role()), 1),
            (subject("ci"), 1_735_787_045_123),
            (
                Dependency::Temporary("vvvvvvvvvv0000000000".parse().unwrap()),
                0,
            ),
        ],
        narrowing: narrowing("repository:team/app:pull,push registry:catalog:*"),
        ..grant()
    };
    // As zlib compresses it; other compressors may write the same text otherwise.
    let deflated = SessionPolicy::Deflated(hex::decode("ab560a4b2d2acecccf53b2523254d2510a2e492c49cd4dcd2b51b28aae56724d4b4b4d0632951c7372f2cb81d28ec92510b5c9455601a5393941a905f9c59925f9459540c9a0d4e2fcd2a2e454a0b496526d6c2d00").unwrap());
    assert_eq!(deflated.document().unwrap().unwrap(), POLICY);
    let with_policy = |policy| Grant {
        session_policy: Some(policy),
        ..grant()
    };
    for (kind, golden, grant, seed) in [
        (SecretKind::Temporary, TEMPORARY, grant(), 1),
        (SecretKind::Refresh, REFRESH, of_role, 2),
        (SecretKind::Temporary, DEFLATED, with_policy(deflated), 4),
        (
            SecretKind::Refresh,
            STORED,
            with_policy(SessionPolicy::Stored(PolicyDigest::of(POLICY))),
            5,
        ),
        (SecretKind::Temporary, NARROWED, of_token, 6),
    ] {
        assert_eq!(
            sealer
                .seal(kind, &grant, &Seeded::new(seed))
                .unwrap()
                .expose(),
            golden
        );
        assert_eq!(sealer.open(kind, golden), Some(grant));
    }
    assert_eq!(
        sealer
            .seal_session(&session(), &Seeded::new(3))
            .unwrap()
            .expose(),
        SESSION
    );
    assert!(same(&sealer.open_session(SESSION).unwrap(), &session()));
}

#[test]
fn what_version_1_sealed_does_not_open() {
    // Nothing of it was released, so nothing of it may be read as something else.
    const TEMPORARY: &str = "trst_AUYO0tZ4OCWCKm-eYtohkOjYkhkjDtSu_e1H7jDX1BGv6DpXP6jL57LFaQZrNtH6LNCEm6Wa5vmfXwfs38kkPI2M5eXHrEcT8SkNhyNbwdrAMgh8D5VQMoCRpAboEpVoaCcVMD0sFx74BLwsw99I1PLNlXdI5-gT9VChHfFZtEKmbS-JaLLaGzRHew8QIoOqAXnd5k_vI0yDECmNzDgYa0Q2BPfzE";
    let sealer = sealer(SealingKey::from_bytes(&[7; 32]).unwrap());
    assert!(SecretKind::Temporary.read(TEMPORARY).is_some());
    assert_eq!(sealer.open(SecretKind::Temporary, TEMPORARY), None);
}

#[test]
fn a_secret_has_the_published_shape_and_is_new_each_time() {
    let sealer = new_sealer();
    let seal = |kind| match kind {
        SecretKind::Session => sealer.seal_session(&session(), &SystemRandom).unwrap(),
        _ => sealer.seal(kind, &grant(), &SystemRandom).unwrap(),
    };
    for kind in [
        SecretKind::Temporary,
        SecretKind::Refresh,
        SecretKind::Session,
    ] {
        let (one, two) = (seal(kind), seal(kind));
        assert!(!one.matches(two.expose()));
        // `domain::credential::SECRET_PATTERN`: \btrs[tlrsoc]_[A-Za-z0-9_-]{48,}
        let body = one.expose().strip_prefix(kind.prefix()).unwrap();
        assert!(["trst_", "trsr_", "trss_"].contains(&kind.prefix()));
        // A registry's password of a usual grant stays short.
        assert!(
            body.len() >= 48
                && body.len()
                    < if kind == SecretKind::Session {
                        600
                    } else {
                        300
                    },
            "{}",
            body.len()
        );
        assert!(
            body.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        );
    }
}

#[test]
fn a_key_never_prints_its_secret() {
    let sealer = sealer(SealingKey::from_bytes(&[7; 32]).unwrap());
    let id = sealer.current.id();
    assert_eq!(
        format!("{sealer:?}"),
        format!("Sealer {{ current: SealingKey {{ id: {id:?}, .. }}, older: [] }}")
    );
}

#[test]
fn a_session_never_prints_its_secret() {
    let sealer = new_sealer();
    let token = sealer.seal_session(&session(), &SystemRandom).unwrap();
    let opened = sealer.open_session(token.expose()).unwrap();
    for printed in [
        format!("{:?}", session()),
        format!("{opened:?}"),
        format!("{opened:#?}"),
        format!("{token:?}"),
    ] {
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("[secret]"), "{printed}");
    }
    // Nor does the refusal of one.
    let long = Session {
        secret: Secret::new("hunter2".repeat(50)),
        ..session()
    };
    assert!(!format!("{:?}", sealer.seal_session(&long, &SystemRandom)).contains("hunter2"));
}
