//! Writes a state's file: every field, so that it says all that [`super::apply`] compares.

use std::fmt::Write as _;

use super::MAX_BYTES;
use super::present::{self, Present};
use crate::domain::allow_list::AllowEntry;
use crate::domain::identity::{Target, UserState};
use crate::domain::ids::AccountId;
use crate::domain::instance::{DefaultMark, Instance};
use crate::domain::namespace::Visibility;
use crate::domain::tag::Tag;
use crate::domain::{Error, Noun, Result};
use crate::service::{
    Account, Call, InstanceContents, RecordedNamespace, Service, ServiceAccountGrant,
};

/// Tells a reader what the file leaves out.
const HEAD: &str = "\
# The state of transire, as `transire export` wrote it. `transire apply` reads it.
#
# Not in here, because it is secret:
# - access keys, fixed passwords, long-term credentials, service accounts and imported passwords
# - the keys of the service: `transire backup` has them
#
# Not in here, because the form has no place for it:
# - the numeric ids of users and roles, which a policy or a trust policy may name
# - repositories, and the images in registries
# - refused subjects, prepared issuers and earlier revocations
# - whether an API made an instance, and times
";

/// Writes the state of one account or of all as a file, the same for the same state.
///
/// # Errors
/// `NotFound` for an unknown account; `OperatorDenied`, or `Unsupported` for no operator; those of
/// the store.
pub async fn export(
    service: &Service,
    call: &Call<'_>,
    account: Option<AccountId>,
) -> Result<String> {
    let mut accounts = present::accounts(service, call).await?;
    if let Some(only) = account {
        accounts.retain(|id, _| *id == only);
        if accounts.is_empty() {
            return Err(Error::not_found(Noun::Account, only));
        }
    }
    let mut file = File(HEAD.to_owned());
    for account in accounts.values() {
        let present = Present::read(service, call, account.id).await?;
        file.account(account, &present);
        if file.0.len() > MAX_BYTES {
            let why = format!("the file has more than {MAX_BYTES} bytes: export fewer accounts");
            return Err(Error::invalid_parameter("account", why));
        }
    }
    Ok(file.0)
}

/// The text so far.
struct File(String);

impl File {
    fn head(&mut self, table: &str) {
        self.line(&format!("\n{table}"));
    }

    fn line(&mut self, line: &str) {
        self.0 += line;
        self.0.push('\n');
    }

    fn text(&mut self, name: &str, value: &str) {
        self.line(&format!("{name} = {}", quoted(value)));
    }

    fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.line(&format!("{name} = {value}"));
    }

    fn names<'n>(&mut self, name: &str, values: impl Iterator<Item = &'n str>) {
        let values: Vec<String> = values.map(quoted).collect();
        self.line(&format!("{name} = [{}]", values.join(", ")));
    }

    fn tags(&mut self, tags: &[Tag]) {
        let pair = |tag: &Tag| format!("{} = {}", quoted(&tag.key), quoted(&tag.value));
        let pairs: Vec<String> = tags.iter().map(pair).collect();
        if pairs.is_empty() {
            self.line("tags = {}");
        } else {
            self.line(&format!("tags = {{ {} }}", pairs.join(", ")));
        }
    }

    /// Writes a text of several lines as it is, where TOML can.
    fn document(&mut self, name: &str, value: &str) {
        let is_literal = value.contains('\n')
            && !value.contains("'''")
            && !value.ends_with('\'')
            && !value
                .chars()
                .any(|letter| letter.is_control() && letter != '\n' && letter != '\t');
        if is_literal {
            // The line end behind the marks isn't part of the text.
            self.line(&format!("{name} = '''\n{value}'''"));
        } else {
            self.text(name, value);
        }
    }

    fn account(&mut self, account: &Account, present: &Present) {
        self.head("[[accounts]]");
        self.text("id", &account.id.to_string());
        self.text("name", &account.name);
        let grant = account.service_account_grant;
        let grant = grant.map_or("default", ServiceAccountGrant::name);
        self.text("service_account_grant", grant);
        for policy in present.policies.values() {
            self.head("[[accounts.policies]]");
            self.text("name", &policy.name);
            self.document("document", &policy.document);
        }
        for user in present.users.values() {
            self.head("[[accounts.users]]");
            self.text("name", &user.name);
            self.plain("disabled", user.state == UserState::Disabled);
            self.names(
                "policies",
                present.attached(&Target::User(user.name.clone())),
            );
        }
        for (name, members) in &present.groups {
            self.head("[[accounts.groups]]");
            self.text("name", name);
            self.names("members", members.iter().map(String::as_str));
            self.names("policies", present.attached(&Target::Group(name.clone())));
        }
        for provider in present.oidc_providers.values() {
            self.head("[[accounts.oidc_providers]]");
            self.text("name", &provider.name);
            self.text("issuer", &provider.issuer);
            self.names("audiences", provider.audiences.iter().map(String::as_str));
            if let Some(jwks) = &provider.jwks {
                self.document("jwks", jwks);
            }
            self.names(
                "algorithms",
                provider.algorithms.iter().map(|one| one.name()),
            );
        }
        for role in present.roles.values() {
            self.head("[[accounts.roles]]");
            self.text("name", &role.name);
            self.document("trust_policy", &role.trust_policy);
            self.plain("max_session_seconds", role.max_session_seconds);
            self.names(
                "policies",
                present.attached(&Target::Role(role.name.clone())),
            );
        }
        for contents in present.instances.values() {
            self.instance(&contents.instance, contents);
        }
    }

    fn instance(&mut self, instance: &Instance, contents: &InstanceContents) {
        self.head("[[accounts.instances]]");
        self.text("name", &instance.name);
        self.text("service", &instance.service);
        self.text("region", &instance.region);
        self.text("tcr_id", instance.id.as_str());
        self.text("cri_id", instance.cri_id.as_str());
        self.text("kind", instance.kind.name());
        if let Some(issuer) = &instance.issuer {
            self.text("issuer", issuer);
        }
        self.text("algorithm", instance.algorithm.name());
        self.text("kid_format", instance.kid_format.name());
        self.plain("token_ttl_seconds", instance.token_ttl_seconds);
        self.text(
            "registry_url",
            instance.registry_url.as_deref().unwrap_or_default(),
        );
        self.text("ecr_host", instance.ecr_host.as_deref().unwrap_or_default());
        self.text("specification", instance.specification.name());
        self.plain("default", instance.default == DefaultMark::Marked);
        self.plain("deletion_protection", instance.deletion_protection.is_on());
        self.plain("public_endpoint", instance.public_endpoint.is_on());
        self.plain("refresh_tokens", instance.refresh_tokens.is_on());
        self.plain("token_log_in", instance.token_log_in.is_on());
        self.text(
            "unrecorded_namespaces",
            instance.unrecorded_namespaces.name(),
        );
        self.tags(&contents.tags);
        self.head("[accounts.instances.allow_list]");
        self.plain("enabled", instance.allow_list.is_on());
        self.entries(&contents.allow_list);
        for one in &contents.namespaces {
            self.namespace(one);
        }
    }

    fn entries(&mut self, entries: &[AllowEntry]) {
        if entries.is_empty() {
            return self.line("entries = []");
        }
        self.line("entries = [");
        for entry in entries {
            let (cidr, comment) = (quoted(&entry.written), quoted(&entry.comment));
            self.line(&format!("  {{ cidr = {cidr}, comment = {comment} }},"));
        }
        self.line("]");
    }

    fn namespace(&mut self, one: &RecordedNamespace) {
        let namespace = &one.tagged.namespace;
        let is_public = |visibility: Visibility| visibility == Visibility::Public;
        self.head("[[accounts.instances.namespaces]]");
        self.text("name", &namespace.name);
        self.plain("public", is_public(namespace.visibility));
        self.plain(
            "auto_create_repository",
            namespace.auto_create_repository.is_on(),
        );
        self.plain("default_public", is_public(namespace.default_visibility));
        self.plain(
            "default_tag_immutability",
            namespace.default_tag_immutability.is_on(),
        );
        self.plain("auto_scan", namespace.auto_scan.is_on());
        self.plain("prevent_vulnerable", namespace.prevent_vulnerable.is_on());
        self.text("severity", namespace.severity.name());
        let cves = namespace.allowed_cves.iter().map(String::as_str);
        self.names("allowed_cves", cves);
        self.tags(&one.tagged.tags);
    }
}

/// Writes a text as a TOML string of one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            control if control.is_control() => {
                // A text never fails to take more.
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use proptest::prop_assert_eq;

    use super::*;

    fn read(text: &str) -> String {
        let table: toml::Table = text.parse().unwrap();
        let Some(toml::Value::String(value)) = table.get("value") else {
            panic!("{text} has no text");
        };
        value.clone()
    }

    fn written(value: &str) -> String {
        let mut file = File(String::new());
        file.document("value", value);
        file.0
    }

    #[test]
    fn a_document_of_several_lines_stays_legible() {
        let document = "{\n  \"version\": \"2.0\"\n}\n";
        let text = written(document);
        assert_eq!(text, format!("value = '''\n{document}'''\n"));
        assert_eq!(read(&text), document);
    }

    #[test]
    fn a_document_that_a_literal_cannot_hold_is_escaped() {
        for document in ["'''\n", "\n'", "a\r\nb", "\u{7f}\n", "\u{85}\n", "\n\u{0}"] {
            let text = written(document);
            assert!(!text.starts_with("value = '''"), "{text}");
            assert_eq!(read(&text), document);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in any::<String>()) {
            prop_assert_eq!(read(&written(&text)), text);
        }
    }
}
