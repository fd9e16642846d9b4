//! Users, roles, their policies and their keys, as the operator makes them.

use serde_json::Value;
use transire::domain::identity::Target;
use transire::domain::ids::AccountId;
use transire::service::{Attached, Save, ServiceAccountGrant};

use crate::harness::documents::trusting;
use crate::harness::operator::account;
use crate::harness::{ACCOUNT, App, Key, Session};

/// An app whose calls are signed by a user that has these policies, and no other right.
pub(crate) async fn app_of_user(policies: &[Value]) -> App {
    let mut app = App::new().await;
    app.sign_as_user(policies).await;
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

impl App {
    pub(crate) async fn allow_anything_in(&self, grant: Option<ServiceAccountGrant>) {
        self.service
            .identity
            .set_service_account_grant(&self.operator(), account(), grant)
            .await
            .unwrap();
    }

    /// Makes a policy, and attaches it.
    pub(crate) async fn grant(&self, name: &str, document: &Value, target: Target) {
        self.grant_in(account(), name, document, target).await;
    }

    async fn grant_in(&self, of: AccountId, name: &str, document: &Value, target: Target) {
        let (operator, identity) = (self.operator(), &self.service.identity);
        let text = document.to_string();
        identity
            .save_policy(&operator, of, name, &text, Save::Create)
            .await
            .unwrap();
        identity
            .set_attached(&operator, of, name, &target, Attached::Yes)
            .await
            .unwrap();
    }

    /// Makes another account, and a key of its root.
    pub(crate) async fn other_account(&self, id: AccountId) -> Key {
        let (operator, identity) = (self.operator(), &self.service.identity);
        identity
            .create_account(&operator, Some(id), &format!("of-{id}"), None)
            .await
            .unwrap();
        let made = identity.create_access_key(&operator, id, None).await;
        Key::permanent(made.unwrap())
    }

    /// Makes a user with these rights, and a key of it.
    pub(crate) async fn user(&self, name: &str, rights: &Value) -> Key {
        self.user_of(account(), name, rights).await
    }

    /// Makes a user of another account with these rights, and a key of it.
    pub(crate) async fn user_of(&self, of: AccountId, name: &str, rights: &Value) -> Key {
        let (operator, identity) = (self.operator(), &self.service.identity);
        identity.create_user(&operator, of, name).await.unwrap();
        let (policy, user) = (format!("of-user-{name}"), Target::User(name.to_owned()));
        self.grant_in(of, &policy, rights, user).await;
        let made = identity.create_access_key(&operator, of, Some(name)).await;
        Key::permanent(made.unwrap())
    }

    /// Makes a role with these rights whom everyone of the account may assume.
    pub(crate) async fn role(&self, name: &str, rights: &Value) {
        let trust = trusting(&format!("qcs::cam::uin/{ACCOUNT}:root"));
        self.role_trusting(name, &trust, rights).await;
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
            attach(self, &name, Attached::Yes).await;
        }
        self.key = Key::permanent(
            self.service
                .identity
                .create_access_key(&self.operator(), account(), Some("ci"))
                .await
                .unwrap(),
        );
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
}
