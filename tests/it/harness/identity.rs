//! Users, roles, their policies and their keys, as the operator makes them.

use serde_json::Value;
use transire::domain::identity::Target;
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
