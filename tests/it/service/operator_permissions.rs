//! The table of operators' permissions, walked: every use case that changes something asks for one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::credential::{CredentialId, CredentialState};
use transire::domain::identity::{OidcProviderChange, Target, UserState};
use transire::domain::ids::AccountId;
use transire::domain::instance::{
    Algorithm, AnyInstanceId, InstanceChange, OldRefreshTokens, RegistryKind, UnrecordedNamespaces,
};
use transire::domain::namespace::NamespaceChange;
use transire::domain::notice::NoticeId;
use transire::domain::operator::{OperatorPermission, OperatorRole, OperatorState, Reach};
use transire::domain::repository::RepositoryChange;
use transire::domain::service_account::ServiceAccountState;
use transire::domain::switch::Switch;
use transire::domain::{ErrorKind, Result};
use transire::service::{
    AccessKeyState, Attached, Call, Caller, ChangedServiceAccount, Contents, Images,
    InstanceChoice, KeyKind, Membership, NewNamespace, NewOidcProvider, NewRepository,
    NewServiceAccount, Permission, RepositoryChoice, RequestContext, RoleChange, Save, Service,
    TokenIssuer,
};

use crate::harness::App;
use crate::harness::documents::{allow, cam, trusting};
use crate::harness::operator::{account, an_instance};

/// A caller at a service, and the account and the instance that it tries to change.
struct Attempt<'a> {
    service: &'a Service,
    call: Call<'a>,
    account: AccountId,
    choice: InstanceChoice,
    outcomes: Vec<Result<()>>,
}

fn done<T>(outcome: Result<T>) -> Result<()> {
    outcome.map(drop)
}

impl Attempt<'_> {
    async fn all(mut self) -> Vec<Result<()>> {
        self.accounts_and_operators().await;
        self.users_and_groups().await;
        self.roles_and_policies().await;
        self.providers_and_principals().await;
        self.instances().await;
        self.contents_of_instances().await;
        self.credentials().await;
        self.keys().await;
        self.outcomes
    }

    async fn accounts_and_operators(&mut self) {
        let (of, call, account) = (&self.service.identity, &self.call, self.account);
        let (role, notice) = (OperatorRole::Admin, NoticeId::of_digest(&[0; 32]));
        self.outcomes.extend([
            done(of.create_account(call, None, "new", None).await),
            of.set_service_account_grant(call, account, None).await,
            done(of.create_operator(call, "bob", role).await),
            of.set_operator_state(call, "alice", OperatorState::Disabled)
                .await,
            done(of.rotate_operator(call, "alice", Duration::ZERO).await),
            of.delete_operator(call, "alice").await,
            done(self.service.notices.test(call).await),
            done(self.service.notices.retry(call, &notice).await),
            self.service
                .operations
                .set_command_state(call, "test", "{}")
                .await,
        ]);
    }

    async fn users_and_groups(&mut self) {
        let (of, call, account) = (&self.service.identity, &self.call, self.account);
        let place = AnyInstanceId::Tcr(match &self.choice {
            InstanceChoice::Tcr(id) => id.clone(),
            other => panic!("{other:?}"),
        });
        let key = "AKID0123456789abcdefghijABCDEFGHIJ00";
        self.outcomes.extend([
            done(of.create_user(call, account, "ann").await),
            of.set_user_state(call, account, "ann", UserState::Disabled)
                .await,
            done(of.delete_user(call, account, "ann").await),
            done(of.import_place(call, account, &place.clone().into()).await),
            done(of.create_access_key(call, account, None).await),
            of.set_access_key_state(call, key, AccessKeyState::Disabled)
                .await,
            of.set_access_key_state(call, key, AccessKeyState::Deleted)
                .await,
            done(of.create_group(call, account, "builders").await),
            of.set_member(call, account, "builders", "ann", Membership::In)
                .await,
            of.delete_group(call, account, "builders").await,
        ]);
    }

    async fn roles_and_policies(&mut self) {
        let (of, call, account) = (&self.service.identity, &self.call, self.account);
        let trust = trusting("qcs::cam::uin/100000000001:root").to_string();
        let document = cam(&json!([allow("tcr:*", "*")])).to_string();
        let change = RoleChange {
            trust_policy: Some(&trust),
            max_session_seconds: None,
        };
        let target = Target::User("ann".to_owned());
        self.outcomes.extend([
            done(of.create_role(call, account, "puller", &trust, 3600).await),
            done(of.update_role(call, account, "puller", change).await),
            done(of.delete_role(call, account, "puller").await),
            done(
                of.save_policy(call, account, "pull", &document, Save::Create)
                    .await,
            ),
            done(
                of.save_policy(call, account, "pull", &document, Save::Update)
                    .await,
            ),
            of.set_attached(call, account, "pull", &target, Attached::Yes)
                .await,
            of.delete_policy(call, account, "pull").await,
        ]);
    }

    async fn providers_and_principals(&mut self) {
        let (of, call, account) = (&self.service.identity, &self.call, self.account);
        let new = NewOidcProvider {
            account,
            name: "ci".to_owned(),
            issuer: "https://issuer.example.com".to_owned(),
            audiences: vec!["a".to_owned()],
            jwks: None,
            algorithms: Vec::new(),
        };
        let change = OidcProviderChange {
            jwks: None,
            audiences: None,
            algorithms: None,
        };
        let issuer = || TokenIssuer::Url("https://issuer.example.com".to_owned());
        let root = AnyPrincipal::Root(account);
        let id: CredentialId = "0123456789abcdefghij".parse().unwrap();
        self.outcomes.extend([
            done(of.create_oidc_provider(call, new).await),
            done(of.update_oidc_provider(call, account, "ci", change).await),
            of.delete_oidc_provider(call, account, "ci").await,
            done(
                of.create_refused_subject(call, account, issuer(), "job")
                    .await,
            ),
            done(
                of.delete_refused_subject(call, account, issuer(), "job")
                    .await,
            ),
            done(of.revoke(call, &root).await),
            of.revoke_credential(call, &root, &id).await,
        ]);
    }

    async fn instances(&mut self) {
        let (of, call, choice) = (&self.service.registry, &self.call, &self.choice);
        let old = OldRefreshTokens::Keep;
        self.outcomes.extend([
            of.modify_instance(call, choice, InstanceChange::default())
                .await,
            of.set_refresh_tokens(call, choice, Switch::On, old).await,
            of.set_unrecorded_namespaces(call, choice, UnrecordedNamespaces::Open)
                .await,
            of.set_allow_list(call, choice, Switch::On).await,
            of.set_registry_url(call, choice, None).await,
            of.set_ecr_host(call, choice, None).await,
            of.prepare_issuer(call, choice, "https://issuer.example.com")
                .await,
            of.activate_issuer(call, choice).await,
            of.cancel_issuer(call, choice).await,
            of.delete_instance(call, choice, Contents::MustBeGone).await,
            done(of.import_repositories(call, choice).await),
        ]);
    }

    async fn contents_of_instances(&mut self) {
        let (of, call, choice) = (&self.service.registry, &self.call, &self.choice);
        let repository = NewRepository::named("team", "app");
        let which = RepositoryChoice::Named {
            namespace: "team".to_owned(),
            name: "app".to_owned(),
        };
        let change = NamespaceChange::default();
        self.outcomes.extend([
            done(
                of.create_namespace(call, choice, NewNamespace::named("team"))
                    .await,
            ),
            of.modify_namespace(call, choice, "team", &change, None)
                .await,
            of.delete_namespace(call, choice, "team", Contents::MustBeGone)
                .await,
            done(of.create_repository(call, choice, repository).await),
            of.modify_repository(
                call,
                choice,
                &which,
                (Permission::ModifyRepository, &RepositoryChange::default()),
            )
            .await,
            of.delete_repository(call, choice, &which, Images::MustBeGone)
                .await,
        ]);
    }

    async fn credentials(&mut self) {
        let (of, call, choice) = (&self.service.credentials, &self.call, &self.choice);
        let id: CredentialId = "0123456789abcdefghij".parse().unwrap();
        let disabled = ChangedServiceAccount {
            state: Some(ServiceAccountState::Disabled),
            ..ChangedServiceAccount::default()
        };
        let robot = NewServiceAccount {
            name: "robot".to_owned(),
            description: String::new(),
            permissions: BTreeMap::new(),
            validity: None,
            state: ServiceAccountState::Active,
        };
        self.outcomes.extend([
            of.set_credential_state(call, choice, &id, CredentialState::Disabled)
                .await,
            of.set_credential_description(call, choice, &id, "new")
                .await,
            of.delete_credential(call, choice, &id).await,
            done(of.create_credential(call, choice, None, "").await),
            done(
                of.rotate_credential(call, choice, &id, Duration::ZERO)
                    .await,
            ),
            done(of.create_service_account(call, choice, robot).await),
            done(
                of.rotate_service_account(call, choice, "robot", Duration::ZERO)
                    .await,
            ),
            of.modify_service_account(call, choice, "robot", disabled)
                .await,
            of.delete_service_account(call, choice, "robot").await,
            of.delete_fixed_password(call, choice, &AnyPrincipal::Root(self.account))
                .await,
        ]);
    }

    async fn keys(&mut self) {
        let (of, call) = (&self.service.keys, &self.call);
        self.outcomes.extend([
            done(of.rotate_key(call, KeyKind::Sealing).await),
            done(of.rotate_instance_key(call, &self.choice).await),
            done(of.import_leaf(call, b"").await),
            done(of.import_ca(call, b"").await),
            done(of.export_ca(call).await),
            of.forget_ca_key(call, "k", b"").await,
            done(of.rotate_ca(call).await),
            done(of.activate_ca(call).await),
            done(of.retire_cas(call).await),
            done(of.cancel_ca(call).await),
            done(of.rotate_master_key(call, None).await),
            done(of.finish_master_key(call).await),
            done(self.service.operations.backup(call).await),
        ]);
    }
}

async fn operator(app: &App, role: OperatorRole) -> Caller {
    let made = app
        .service
        .identity
        .create_operator(&app.operator(), "alice", role)
        .await;
    let request = RequestContext::operator("test".to_owned());
    app.service
        .access
        .authenticate_operator(&made.unwrap().1, &request)
        .await
        .unwrap()
}

/// Tries all that changes in the first account, and returns the permissions that were lacking and
/// how many outcomes were others.
async fn lacking(app: &App, caller: &Caller) -> (BTreeSet<OperatorPermission>, usize) {
    let request = RequestContext::operator("test".to_owned());
    let attempt = Attempt {
        service: &app.service,
        call: app.service.call(caller, &request),
        account: account(),
        choice: app.choice(),
        outcomes: Vec::new(),
    };
    let (mut lacking, mut others) = (BTreeSet::new(), 0);
    for outcome in attempt.all().await {
        match outcome.map_err(|error| error.kind().clone()) {
            Err(ErrorKind::OperatorDenied { permission }) => {
                lacking.insert(permission);
            }
            _ => others += 1,
        }
    }
    (lacking, others)
}

fn changes(are_lacking: impl Fn(OperatorPermission) -> bool) -> BTreeSet<OperatorPermission> {
    OperatorPermission::ALL
        .iter()
        .copied()
        .filter(|permission| permission.reach() == Reach::Change)
        .filter(|permission| are_lacking(*permission))
        .collect()
}

#[tokio::test]
async fn an_auditor_is_denied_every_change() {
    let app = App::new().await;
    let auditor = operator(&app, OperatorRole::Auditor).await;
    // Making an instance has its own test: it needs more arguments.
    let asked = changes(|permission| permission != OperatorPermission::InstanceCreate);
    assert_eq!(lacking(&app, &auditor).await, (asked, 0));
}

#[tokio::test]
async fn an_auditor_makes_no_instance() {
    let app = App::new().await;
    let auditor = operator(&app, OperatorRole::Auditor).await;
    let request = RequestContext::operator("test".to_owned());
    let call = app.service.call(&auditor, &request);
    let refused = app.service.registry.create_instance(
        &call,
        an_instance("more", RegistryKind::Distribution, Algorithm::Es256),
    );
    assert_eq!(
        refused.await.map(drop).unwrap_err().kind(),
        &ErrorKind::OperatorDenied {
            permission: OperatorPermission::InstanceCreate
        }
    );
}

#[tokio::test]
async fn an_account_admin_lacks_in_its_account_what_is_the_services_alone() {
    let app = App::new().await;
    let own = operator(&app, OperatorRole::AccountAdmin(account())).await;
    let (lacking, others) = lacking(&app, &own).await;
    let asked = changes(|permission| {
        permission != OperatorPermission::InstanceCreate && !permission.is_of_accounts()
    });
    assert_eq!(lacking, asked);
    assert!(others > 20, "{others}");
}

#[tokio::test]
async fn an_account_admin_changes_nothing_of_another_account() {
    // An instance of another account doesn't exist for it, and everything else is denied.
    let app = App::new().await;
    let stranger = operator(
        &app,
        OperatorRole::AccountAdmin(app.foreign_instance.account),
    )
    .await;
    let request = RequestContext::operator("test".to_owned());
    let attempt = Attempt {
        service: &app.service,
        call: app.service.call(&stranger, &request),
        account: account(),
        choice: app.choice(),
        outcomes: Vec::new(),
    };
    for outcome in attempt.all().await {
        let error = outcome.unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::OperatorDenied { .. }
                    | ErrorKind::InstanceNotFound
                    | ErrorKind::NotFound { .. }
            ),
            "{error}"
        );
    }
}
