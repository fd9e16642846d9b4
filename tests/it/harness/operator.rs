//! The operator: calls of the use cases, and the objects that tests make by them.

use std::sync::LazyLock;
use std::time::Duration;

use transire::domain::Result;
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::ids::{AccountId, InstanceId};
use transire::domain::instance::{
    Algorithm, DefaultMark, Instance, KidFormat, OldRefreshTokens, RegistryKind, Specification,
};
use transire::domain::namespace::Visibility;
use transire::domain::switch::Switch;
use transire::service::{
    Call, Caller, Explained, InstanceChoice, NewInstance, NewNamespace, NewRepository, Question,
    RequestContext, Service,
};

use crate::harness::{ACCOUNT, App};

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
        ecr_host: None,
        specification: Specification::Premium,
        default,
        refresh_tokens: Switch::Off,
        token_log_in: Switch::On,
        ids: None,
    };
    service
        .registry
        .create_instance(&operator_call(service), new)
        .await
        .unwrap()
}

pub(crate) fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

/// Describes an instance of the account that tests sign for.
pub(crate) fn an_instance(name: &str, kind: RegistryKind, algorithm: Algorithm) -> NewInstance {
    NewInstance {
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
        ecr_host: None,
        specification: Specification::Premium,
        default: DefaultMark::Unmarked,
        refresh_tokens: transire::domain::switch::Switch::Off,
        token_log_in: transire::domain::switch::Switch::On,
        ids: None,
    }
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

    pub(crate) async fn new_instance(
        &self,
        name: &str,
        kind: RegistryKind,
        algorithm: Algorithm,
    ) -> Result<Instance> {
        let new = an_instance(name, kind, algorithm);
        self.service
            .registry
            .create_instance(&self.operator(), new)
            .await
    }

    /// Makes one with two instances in one region and, of the lowest specification, `bulk-00` to
    /// `bulk-21` in another: more than an API may make.
    pub(crate) async fn with_many_instances() -> Self {
        let app = Self::with_base_domain().await;
        for number in 0..22 {
            let new = NewInstance {
                account: ACCOUNT.parse().unwrap(),
                name: format!("bulk-{number:02}"),
                region: "ap-shanghai".to_owned(),
                service: format!("bulk-{number}.example.com"),
                kind: RegistryKind::Distribution,
                issuer: None,
                algorithm: Algorithm::Es256,
                kid_format: KidFormat::Thumbprint,
                token_ttl_seconds: None,
                registry_url: None,
                ecr_host: None,
                specification: Specification::Basic,
                default: DefaultMark::Unmarked,
                refresh_tokens: Switch::Off,
                token_log_in: Switch::On,
                ids: None,
            };
            app.wait(Duration::from_millis(1));
            app.service
                .registry
                .create_instance(&app.operator(), new)
                .await
                .unwrap();
        }
        app
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
            address: context.address,
            ..Question::new(action.parse().unwrap(), instance, path)
        };
        self.service
            .rights
            .explain(
                &self.service.call(&Caller::operator(), context),
                principal,
                &question,
            )
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

    /// Lets time pass, and the service notice it.
    pub(crate) async fn later(&self, time: Duration) {
        self.wait(time);
        self.service.memory.catch_up().await.unwrap();
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
            visibility,
            ..NewRepository::named(namespace, name)
        };
        self.service
            .registry
            .create_repository(&self.operator(), &self.choice(), new)
            .await
            .unwrap();
    }
}
