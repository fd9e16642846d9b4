//! Operations that import the users of another registry's log-in.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::import_plan::{Choices, Imported, Plan, carry_out, planned};
use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{AccountText, InstanceText};
use crate::domain::Result;
use crate::domain::instance::Instance;
use crate::import::docker_auth::translate::{self, Rights};
use crate::import::{docker_auth, htpasswd, rights};
use crate::service::{Call, Service};
use crate::views::ImportLine;

// No `Debug`: the text has the hashes of passwords.
macro_rules! imports {
    ($(#[$doc:meta])* $name:ident { $($more:tt)* }) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The id of the account that gets the users.
            pub account: AccountText,
            /// The instance's tcr- or cri- id: the old names log in there alone.
            pub instance: InstanceText,
            /// The text of the file.
            pub text: String,
            /// Change nothing, and say what would be made and what isn't carried.
            #[serde(default)]
            pub dry_run: bool,
            /// Import the others where some users are refused.
            #[serde(default)]
            pub skip_refused: bool,
            /// Give old names and passwords also to users that the account has already. An old
            /// password then gives all that the user may do at the instance.
            #[serde(default)]
            pub existing_users: bool,
            /// The names here, by the names there, of users that are named otherwise. They log in
            /// with the old name.
            #[serde(default)]
            pub rename: BTreeMap<String, String>,
            /// The days after which the old passwords stop, unless their users choose others.
            pub expires_in_days: Option<u32>,
            $($more)*
        }

        impl $name {
            async fn place(&self, service: &Service, call: &Call<'_>) -> Result<Arc<Instance>> {
                let account = self.account.id(service, call).await?;
                let choice = self.instance.0.clone().into();
                service.identity.import_place(call, account, &choice).await
            }

            fn choices(&self) -> Choices {
                Choices {
                    dry_run: self.dry_run,
                    skip_refused: self.skip_refused,
                    existing_users: self.existing_users,
                    expires_in_days: self.expires_in_days,
                }
            }
        }
    };
}

imports! {
    /// Import the users of an htpasswd file. They have no rights but those that `pull` and `push`
    /// give, and policies that are attached.
    ImportHtpasswd {
        /// The namespaces that each user may pull from; `*` is all of the instance.
        #[serde(default)]
        pub pull: Vec<String>,
        /// The namespaces that each user may pull from and push to; `*` is all of the instance.
        #[serde(default)]
        pub push: Vec<String>,
    }
}

imports! {
    /// Import the static users of a docker_auth configuration, with the rights that its list of
    /// access rules gives them.
    ImportDockerAuth {}
}

impl Operation for ImportHtpasswd {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/imports/htpasswd";
    const EFFECT: Effect = Effect::Changes;
    const TAKES_DOCUMENT: bool = true;

    type Answer = Imported;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<Imported> {
        let instance = self.place(service, call).await?;
        for namespace in self.pull.iter().chain(&self.push) {
            rights::namespace(namespace)?;
        }
        let document = rights::of_namespaces(&instance.cri_id, &self.pull, &self.push);
        let mut plan = Plan::default();
        let mut policies = Vec::new();
        match document {
            Some(document) => {
                let name = format!("htpasswd-{}", instance.id);
                policies.push(name.clone());
                plan.policies.insert(name, document);
            }
            None => plan.warnings.push(
                "the users get no rights: give --pull and --push, or attach policies to them"
                    .to_owned(),
            ),
        }
        plan.users = planned(&htpasswd::read(&self.text), &self.rename)?;
        for user in &mut plan.users {
            user.policies.clone_from(&policies);
        }
        carry_out(service, call, &self.choices(), &instance, plan).await
    }
}

impl Operation for ImportDockerAuth {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/imports/docker-auth";
    const EFFECT: Effect = Effect::Changes;
    const TAKES_DOCUMENT: bool = true;

    type Answer = Imported;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<Imported> {
        let instance = self.place(service, call).await?;
        let config = docker_auth::read(&self.text)?;
        let rights: BTreeMap<String, Rights> = config
            .users
            .iter()
            .map(|user| {
                let name = user.name.as_str();
                let rights =
                    translate::rights(&config.acl, name, &instance.service, &instance.cri_id);
                (user.name.clone(), rights)
            })
            .collect();
        let mut users = planned(&config.users, &self.rename)?;
        let mut policies = BTreeMap::new();
        for user in &mut users {
            let documents = rights
                .get(&user.old_name)
                .map(|rights| &rights.documents[..]);
            for (index, document) in documents.unwrap_or_default().iter().enumerate() {
                let name = match index {
                    0 => format!("docker-auth-{}-{}", instance.id, user.user),
                    more => format!("docker-auth-{}-{}_{}", instance.id, user.user, more + 1),
                };
                user.policies.push(name.clone());
                if user.hash.is_ok() {
                    policies.insert(name, document.clone());
                }
            }
        }
        let of_users = rights.iter().map(|(user, rights)| (user.as_str(), rights));
        let mut left_out = config.left_out;
        left_out.extend(translate::left_out(of_users));
        let left_out = left_out.into_iter().map(|part| ImportLine {
            line: Some(part.line),
            kind: part.kind.to_owned(),
            name: part.name,
            result: "left-out".to_owned(),
            detail: part.why,
        });
        let plan = Plan {
            policies,
            users,
            left_out: left_out.collect(),
            warnings: Vec::new(),
        };
        let choices = self.choices();
        carry_out(service, call, &choices, &instance, plan).await
    }
}
