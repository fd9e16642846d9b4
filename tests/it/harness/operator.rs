//! The operator: calls of the use cases, and the objects that tests make by them.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use transire::domain::Result;
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::clock::{SystemRandom, Timestamp};
use transire::domain::identity::Target;
use transire::domain::ids::{AccountId, InstanceId};
use transire::domain::instance::{
    Algorithm, DefaultMark, Instance, KidFormat, OldRefreshTokens, RegistryKind, Specification,
};
use transire::domain::namespace::Visibility;
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::service::{
    Attached, AuditFilter, AuditRow, Call, Caller, Explained, InstanceChoice, KeyInfo, KeyKind,
    KeyState, MasterKeySource, MasterKeys, NewInstance, NewNamespace, NewRepository, PrivatePart,
    Question, RequestContext, Save, Service, ServiceAccountGrant, WarningKind,
};
use transire::token::MasterKey;
use transire::token::certificates::read_certificate;

use crate::harness::{ACCOUNT, App, Key, Session};

/// Returns all lines of the audit that a filter lets through.
pub(crate) async fn listed(service: &Service, filter: &AuditFilter) -> Vec<AuditRow> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let batch = service
            .operations
            .audit_lines(&operator_call(service), filter, after.as_ref())
            .await
            .unwrap();
        lines.extend(batch.rows);
        match batch.next {
            Some(next) => after = Some(next),
            None => return lines,
        }
    }
}

/// Begins a call of the operator's at a service, now.
pub(crate) fn operator_call(service: &Service) -> Call<'static> {
    static OPERATOR: LazyLock<(Caller, RequestContext)> =
        LazyLock::new(|| (Caller::operator(), context()));
    let (caller, request) = &*OPERATOR;
    service.call(caller, request)
}

pub(crate) fn context() -> RequestContext {
    RequestContext::operator("test".to_owned())
}

pub(crate) async fn create_instance(
    service: &Service,
    account: AccountId,
    name: &str,
    registry: &str,
    default: DefaultMark,
) -> Instance {
    let new = NewInstance {
        account,
        name: name.to_owned(),
        region: "ap-guangzhou".to_owned(),
        service: registry.to_owned(),
        kind: RegistryKind::Distribution,
        issuer: None,
        algorithm: Algorithm::Es256,
        kid_format: KidFormat::Thumbprint,
        token_ttl_seconds: None,
        registry_url: None,
        specification: Specification::Premium,
        default,
        refresh_tokens: Switch::Off,
    };
    service
        .registry
        .create_instance(&operator_call(service), new)
        .await
        .unwrap()
}

/// Returns every line once `expected` of them are stored: the queue's writer is asynchronous.
pub(crate) async fn lines(app: &App, expected: usize) -> Vec<AuditRow> {
    let everything = AuditFilter::between(
        Timestamp::from_unix_millis(0),
        Timestamp::from_unix_millis(i64::MAX),
    );
    let mut lines = Vec::new();
    for _ in 0..1000 {
        lines = listed(&app.service, &everything).await;
        if lines.len() >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    lines
}

/// Where master keys are kept: what a file is on a disk.
#[derive(Clone, Default)]
pub(crate) struct Place {
    keys: Arc<Mutex<Vec<Secret>>>,
    /// Whether the operator alone changes it, as on several replicas.
    by_hand: bool,
}

impl Place {
    /// Holds these keys.
    pub(crate) fn of(keys: [&str; 2]) -> Self {
        Self {
            keys: Arc::new(Mutex::new(keys.map(Secret::new).into())),
            by_hand: false,
        }
    }

    pub(crate) fn with_one() -> Self {
        let place = Self::default();
        place.put(&MasterKey::generate(&SystemRandom));
        place
    }

    pub(crate) fn by_hand(self) -> Self {
        Self {
            by_hand: true,
            ..self
        }
    }

    /// A file of the same keys on another machine.
    pub(crate) fn copy(&self) -> Self {
        Self {
            keys: Arc::new(Mutex::new(self.keys.lock().unwrap().clone())),
            by_hand: self.by_hand,
        }
    }

    pub(crate) fn put(&self, key: &MasterKey) {
        self.keys.lock().unwrap().push(key.to_text());
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.read()
            .unwrap()
            .iter()
            .map(|key| key.id().to_owned())
            .collect()
    }

    pub(crate) fn read_keys(&self) -> MasterKeys {
        MasterKeys::read(Box::new(self.clone())).unwrap()
    }
}

impl MasterKeySource for Place {
    fn read(&self) -> Result<Vec<MasterKey>> {
        self.keys
            .lock()
            .unwrap()
            .iter()
            .map(|text| MasterKey::parse(text.expose()))
            .collect()
    }

    fn place(&self) -> String {
        "the test".to_owned()
    }

    fn is_ours(&self) -> bool {
        !self.by_hand
    }

    fn add(&self, make: &mut dyn FnMut(&[MasterKey]) -> Option<MasterKey>) -> Result<()> {
        let mut keys = self.keys.lock().unwrap();
        let there: Vec<_> = keys
            .iter()
            .map(|text| MasterKey::parse(text.expose()).unwrap())
            .collect();
        keys.extend(make(&there).map(|key| key.to_text()));
        Ok(())
    }

    fn remove(&self, id: &str) -> Result<bool> {
        let mut keys = self.keys.lock().unwrap();
        let before = keys.len();
        keys.retain(|text| MasterKey::parse(text.expose()).unwrap().id() != id);
        Ok(keys.len() < before)
    }
}

pub(crate) fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

/// An app whose calls are signed by a user that has these policies, and no other right.
pub(crate) async fn app_of_user(policies: &[Value]) -> App {
    let mut app = App::new().await;
    app.service
        .identity
        .create_user(&app.operator(), account(), "ci")
        .await
        .unwrap();
    for (number, document) in policies.iter().enumerate() {
        let name = format!("policy-{number}");
        let document = document
            .to_string()
            .replace("INSTANCE-TCR", app.instance.id.as_str())
            .replace("INSTANCE-CRI", app.instance.cri_id.as_str());
        app.service
            .identity
            .save_policy(&app.operator(), account(), &name, &document, Save::Create)
            .await
            .unwrap();
        attach(&app, &name, Attached::Yes).await;
    }
    let key = app
        .service
        .identity
        .create_access_key(&app.operator(), account(), Some("ci"))
        .await
        .unwrap();
    app.key = Key::permanent(key);
    app
}

pub(crate) async fn attach(app: &App, policy: &str, attached: Attached) {
    let user = Target::User("ci".to_owned());
    app.service
        .identity
        .set_attached(&app.operator(), account(), policy, &user, attached)
        .await
        .unwrap();
}

pub(crate) fn cam(statements: &Value) -> Value {
    json!({ "version": "2.0", "statement": statements })
}

pub(crate) fn ram(statements: &Value) -> Value {
    json!({ "Version": "1", "Statement": statements })
}

/// Returns a policy of 2000 to 2048 characters that lets pull from everywhere, and push to places
/// that say nothing twice.
pub(crate) fn long_policy(seed: u64) -> String {
    let mut state = seed;
    let mut word = || {
        let letter = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(
                b"abcdefghijklmnopqrstuvwxyz0123456789"[usize::try_from(state >> 33).unwrap() % 36],
            )
        };
        std::iter::repeat_with(letter).take(30).collect::<String>()
    };
    let places: Vec<_> = (0..30)
        .map(|_| format!("qcs::tcr:::repository/*/{}", word()))
        .collect();
    let policy = cam(&json!([
        allow(
            ["tcr:CreateInstanceToken", "tcr:PullRepository", "sts:*"],
            "*"
        ),
        allow("tcr:PushRepository", places),
    ]))
    .to_string();
    assert!((1700..=2048).contains(&policy.len()), "{}", policy.len());
    policy
}

/// What a role lets its sessions do unless a test says otherwise.
pub(crate) fn everything() -> Value {
    cam(&json!([allow(["tcr:*", "sts:*"], "*")]))
}

impl App {
    /// Begins a call of the operator's, now.
    pub(crate) fn operator(&self) -> Call<'static> {
        operator_call(&self.service)
    }

    /// Says whether an instance gives out refresh tokens, and keeps or refuses those that it gave
    /// out.
    pub(crate) async fn set_refresh_tokens(
        &self,
        id: &InstanceId,
        switch: Switch,
        old: OldRefreshTokens,
    ) {
        let choice = InstanceChoice::Tcr(id.clone());
        self.service
            .registry
            .set_refresh_tokens(&self.operator(), &choice, switch, old)
            .await
            .unwrap();
    }

    /// Lets the first instance give out refresh tokens.
    pub(crate) async fn give_refresh_tokens(&self) {
        self.set_refresh_tokens(&self.instance.id, Switch::On, OldRefreshTokens::Keep)
            .await;
    }

    pub(crate) async fn authorities(&self) -> Vec<(KeyState, PrivatePart)> {
        let keys = self.service.keys.keys(&self.operator()).await.unwrap();
        keys.into_iter()
            .filter(|key| key.kind == KeyKind::Ca)
            .map(|key| (key.state, key.private))
            .collect()
    }

    pub(crate) async fn signing(&self) -> Vec<KeyInfo> {
        let mut keys = self.service.keys.keys(&self.operator()).await.unwrap();
        keys.retain(|key| matches!(key.kind, KeyKind::Signing(_)));
        keys
    }

    /// Lets time pass, and the service do what it does once a minute.
    pub(crate) async fn later_and_renewed(&self, time: Duration) {
        self.wait(time);
        self.service.memory.catch_up().await.unwrap();
        self.service.keys.renew_leaf_certificates().await.unwrap();
    }

    pub(crate) fn bundled(&self) -> Vec<Vec<u8>> {
        let bundle = self.service.exchange.bundle_pem();
        bundle
            .split_inclusive("-----END CERTIFICATE-----\n")
            .map(|pem| read_certificate(pem.as_bytes()).unwrap())
            .collect()
    }

    pub(crate) async fn warned(&self) -> Vec<WarningKind> {
        self.service.keys.refresh_warnings().await.unwrap();
        self.service
            .keys
            .warnings()
            .iter()
            .map(|warning| warning.kind)
            .collect()
    }

    pub(crate) async fn take_offline(&self) -> Secret {
        let exported = self.service.keys.export_ca(&self.operator()).await.unwrap();
        let pem = exported.pem.expose().as_bytes();
        self.service
            .keys
            .forget_ca_key(&self.operator(), &exported.id, pem)
            .await
            .unwrap();
        exported.pem
    }

    pub(crate) async fn new_instance(
        &self,
        name: &str,
        kind: RegistryKind,
        algorithm: Algorithm,
    ) -> Result<Instance> {
        let new = NewInstance {
            account: ACCOUNT.parse().unwrap(),
            name: name.to_owned(),
            region: "ap-guangzhou".to_owned(),
            service: format!("{name}.example.com"),
            kind,
            issuer: None,
            algorithm,
            kid_format: KidFormat::Thumbprint,
            token_ttl_seconds: None,
            registry_url: None,
            specification: Specification::Premium,
            default: DefaultMark::Unmarked,
            refresh_tokens: transire::domain::switch::Switch::Off,
        };
        self.service
            .registry
            .create_instance(&self.operator(), new)
            .await
    }

    pub(crate) async fn zot(&self, name: &str) -> Instance {
        self.new_instance(name, RegistryKind::Zot, Algorithm::Es256)
            .await
            .unwrap()
    }

    /// Says why somebody may or may not do something.
    pub(crate) async fn explain(
        &self,
        principal: &AnyPrincipal,
        action: &str,
        instance: &Instance,
        path: &str,
        context: &RequestContext,
    ) -> Result<Explained> {
        let instance = InstanceChoice::Tcr(instance.id.clone());
        let question = Question {
            principal,
            permission: action.parse().unwrap(),
            instance,
            path,
            session_policy: None,
            owner: None,
        };
        self.service
            .rights
            .explain(&self.service.call(&Caller::operator(), context), &question)
            .await
    }

    pub(crate) async fn record_namespace(
        &self,
        name: &str,
        visibility: Visibility,
        auto_create_repository: Switch,
    ) {
        self.make_namespace(NewNamespace {
            visibility,
            auto_create_repository,
            ..NewNamespace::named(name)
        })
        .await;
    }

    /// Signs what follows as a user that has these policies, and no other right.
    pub(crate) async fn sign_as_user(&mut self, policies: &[Value]) {
        self.service
            .identity
            .create_user(&self.operator(), account(), "ci")
            .await
            .unwrap();
        for (number, document) in policies.iter().enumerate() {
            let name = format!("policy-{number}");
            let document = document
                .to_string()
                .replace("INSTANCE-TCR", self.instance.id.as_str())
                .replace("INSTANCE-CRI", self.instance.cri_id.as_str());
            self.service
                .identity
                .save_policy(&self.operator(), account(), &name, &document, Save::Create)
                .await
                .unwrap();
            let user = transire::domain::identity::Target::User("ci".to_owned());
            self.service
                .identity
                .set_attached(&self.operator(), account(), &name, &user, Attached::Yes)
                .await
                .unwrap();
        }
        self.key = Key::permanent(
            self.service
                .identity
                .create_access_key(&self.operator(), account(), Some("ci"))
                .await
                .unwrap(),
        );
    }

    pub(crate) async fn keys(&self, kind: KeyKind) -> Vec<KeyInfo> {
        let mut keys = self.service.keys.keys(&self.operator()).await.unwrap();
        keys.retain(|key| key.kind == kind);
        keys
    }

    pub(crate) async fn states(&self, kind: KeyKind) -> Vec<KeyState> {
        self.keys(kind)
            .await
            .into_iter()
            .map(|key| key.state)
            .collect()
    }

    pub(crate) async fn rotate(&self, kind: KeyKind) -> String {
        self.service
            .keys
            .rotate_key(&self.operator(), kind)
            .await
            .unwrap()
    }

    /// Lets time pass, and the service notice it.
    pub(crate) async fn later(&self, time: Duration) {
        self.wait(time);
        self.service.memory.catch_up().await.unwrap();
    }

    pub(crate) fn published(&self) -> Vec<String> {
        let jwks: Value = serde_json::from_str(&self.service.exchange.jwks()).unwrap();
        jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Makes access keys of the account.
    pub(crate) async fn more_keys(&self, count: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        for _ in 0..count {
            let made = self
                .service
                .identity
                .create_access_key(&self.operator(), ACCOUNT.parse().unwrap(), None)
                .await
                .unwrap();
            keys.push(Key::permanent(made));
        }
        keys
    }

    /// Returns the ids of the master keys that wrap anything in the data.
    pub(crate) fn wrapping_ids(&self) -> Vec<String> {
        let database = Connection::open(self.database()).unwrap();
        let mut rows = database
            .prepare(
                "SELECT DISTINCT lower(hex(substr(wrapped, 2, 8))) FROM (SELECT wrapped FROM sealing_key UNION ALL
                 SELECT wrapped_private FROM signing_key UNION ALL SELECT wrapped_private FROM authority UNION ALL
                 SELECT wrapped_private FROM instance_key UNION ALL
                 SELECT value FROM meta WHERE name = 'master_key_check' UNION ALL
                 SELECT sealed_secret FROM access_key WHERE state <> 'deleted') ORDER BY 1",
            )
            .unwrap();
        rows.query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap()
    }

    /// Lists what the audit has of master keys.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let (since, until) = (
            self.now().minus(Duration::from_hours(1)),
            self.now().plus(Duration::from_hours(1)),
        );
        let lines = listed(&self.service, &AuditFilter::between(since, until)).await;
        lines
            .into_iter()
            .map(|line| line.action)
            .filter(|action| action.starts_with("master-key."))
            .collect()
    }

    pub(crate) fn choice(&self) -> InstanceChoice {
        InstanceChoice::Tcr(self.instance.id.clone())
    }

    pub(crate) async fn make_namespace(&self, new: NewNamespace) {
        self.service
            .registry
            .create_namespace(&self.operator(), &self.choice(), new)
            .await
            .unwrap();
    }

    pub(crate) async fn make_repository(
        &self,
        namespace: &str,
        name: &str,
        visibility: Option<Visibility>,
    ) {
        let new = NewRepository {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            visibility,
            summary: String::new(),
            detail: String::new(),
            tag_immutability: None,
        };
        self.service
            .registry
            .create_repository(&self.operator(), &self.choice(), new)
            .await
            .unwrap();
    }

    pub(crate) async fn allow_anything_in(&self, grant: Option<ServiceAccountGrant>) {
        self.service
            .identity
            .set_service_account_grant(&self.operator(), account(), grant)
            .await
            .unwrap();
    }

    /// Makes a policy, and attaches it.
    pub(crate) async fn grant(&self, name: &str, document: &Value, target: Target) {
        self.service
            .identity
            .save_policy(
                &self.operator(),
                account(),
                name,
                &document.to_string(),
                Save::Create,
            )
            .await
            .unwrap();
        self.service
            .identity
            .set_attached(&self.operator(), account(), name, &target, Attached::Yes)
            .await
            .unwrap();
    }

    /// Makes a user with these rights, and a key of it.
    pub(crate) async fn user(&self, name: &str, rights: &Value) -> Key {
        self.service
            .identity
            .create_user(&self.operator(), account(), name)
            .await
            .unwrap();
        self.grant(
            &format!("of-user-{name}"),
            rights,
            Target::User(name.to_owned()),
        )
        .await;
        Key::permanent(
            self.service
                .identity
                .create_access_key(&self.operator(), account(), Some(name))
                .await
                .unwrap(),
        )
    }

    /// Makes a role with these rights whom everyone of the account may assume.
    pub(crate) async fn role(&self, name: &str, rights: &Value) {
        let trust = json!([{
            "effect": "allow",
            "action": "name/sts:AssumeRole",
            "principal": { "qcs": format!("qcs::cam::uin/{ACCOUNT}:root") },
        }]);
        self.role_trusting(name, &cam(&trust), rights).await;
    }

    pub(crate) async fn role_trusting(&self, name: &str, trust: &Value, rights: &Value) {
        self.service
            .identity
            .create_role(
                &self.operator(),
                account(),
                name,
                &trust.to_string(),
                43_200,
            )
            .await
            .unwrap();
        self.grant(
            &format!("of-role-{name}"),
            rights,
            Target::Role(name.to_owned()),
        )
        .await;
    }

    /// Returns the audit's line about the opening of a session, once the queue's writer has written
    /// it.
    pub(crate) async fn line_about(&self, text: &str) -> AuditRow {
        for expected in 0..1000 {
            let found = lines(self, expected)
                .await
                .into_iter()
                .find(|line| line.action.starts_with("session.") && line.detail.contains(text));
            if let Some(line) = found {
                return line;
            }
        }
        panic!("nothing about {text} is in the audit");
    }

    /// Revokes one session by its id, which the audit has beside its access key.
    pub(crate) async fn revoke_session(&self, session: &Session) {
        let id = self
            .line_about(&session.id)
            .await
            .credential_id
            .unwrap()
            .parse()
            .unwrap();
        let principal = format!("{ACCOUNT}:root").parse().unwrap();
        self.service
            .identity
            .revoke_credential(&self.operator(), &principal, &id)
            .await
            .unwrap();
    }
}
