//! The objects of Kubernetes' API, as far as a pull secret needs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::log_in::LogIn;
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::sign;

/// The type of a pull secret.
const TYPE: &str = "kubernetes.io/dockerconfigjson";
/// The entry of a pull secret's data.
const DATA: &str = ".dockerconfigjson";
/// The label by which an object's maker is known.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// This program's value of that label, and the beginning of its annotations.
const TRANSIRE: &str = "transire";
const EXPIRES_AT: &str = "transire/expires-at";
const RENEW_AT: &str = "transire/renew-at";
const DIGEST: &str = "transire/digest";
/// The most characters of an event's message.
const MAX_MESSAGE: usize = 1000;

/// The times of a Secret's log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it stops to log in; none where that isn't known.
    pub expires_at: Option<Timestamp>,
    /// When half of its life is over.
    pub renew_at: Timestamp,
}

/// A pull secret, as the API server has it.
pub(super) struct PullSecret(Value);

impl PullSecret {
    /// Takes a Secret that this program made.
    ///
    /// # Errors
    /// `Misconfigured` for one of another type, or of another maker.
    pub(super) fn take(object: Value) -> Result<Self> {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        let refuse = |why: String| {
            Error::misconfigured(format!(
                "the Secret {name} is there already, and {why}: it is left as it is. Delete it, \
                 or choose another --name"
            ))
        };
        if metadata["labels"][MANAGED_BY] != TRANSIRE {
            return Err(refuse(format!("has no label {MANAGED_BY}: {TRANSIRE}")));
        }
        if object["type"] != TYPE {
            return Err(refuse(format!("is not of the type {TYPE}")));
        }
        Ok(Self(object))
    }

    /// Makes a new one.
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": { MANAGED_BY: TRANSIRE },
                "annotations": {},
            },
            "type": TYPE,
            "data": {},
        }))
    }

    /// Returns the times of its log-in; none where it has none of these settings, or somebody
    /// changed it.
    pub(super) fn life(&self, settings: &str) -> Option<Life> {
        let annotation = |name: &str| self.0["metadata"]["annotations"][name].as_str();
        let data = self.0["data"][DATA].as_str()?;
        if annotation(DIGEST)? != digest(settings, data) {
            return None;
        }
        let time = |name| annotation(name).and_then(Timestamp::parse_rfc3339);
        Some(Life {
            expires_at: time(EXPIRES_AT),
            renew_at: time(RENEW_AT)?,
        })
    }

    /// Puts a log-in of a registry in the place of the one before.
    pub(super) fn put(&mut self, registry: &str, log_in: &LogIn, settings: &str, life: Life) {
        let (username, password) = (&log_in.username, log_in.secret.expose());
        let auth = STANDARD.encode(format!("{username}:{password}"));
        let entry = json!({ "username": username, "password": password, "auth": auth });
        let config = json!({ "auths": { registry: entry } });
        let data = STANDARD.encode(config.to_string());
        let annotations = &mut self.0["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations[DIGEST] = digest(settings, &data).into();
        annotations[RENEW_AT] = life.renew_at.rfc3339().into();
        annotations[EXPIRES_AT] = life
            .expires_at
            .map_or("unknown".to_owned(), Timestamp::rfc3339)
            .into();
        // All else that was in it is not this program's.
        self.0["data"] = json!({ DATA: data });
    }

    /// Returns the object, with the version that it replaces.
    pub(super) fn object(&self) -> &Value {
        &self.0
    }
}

/// Returns a digest of the settings that a log-in came from, and of the log-in.
fn digest(settings: &str, data: &str) -> String {
    let text = format!("{settings:?} {data:?}");
    hex::encode(sign::sha256(text.as_bytes()))
}

/// Returns the request for a token of a service account, for the registry's service alone.
pub(super) fn token_request(audience: &str) -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": { "audiences": [audience], "expirationSeconds": 3600 },
    })
}

/// Returns the patch that adds a pull secret to a service account; none where it has it.
pub(super) fn add_pull_secret(account: &Value, name: &str) -> Option<Value> {
    let has = account["imagePullSecrets"]
        .as_array()
        .is_some_and(|secrets| secrets.iter().any(|secret| secret["name"] == name));
    (!has).then(|| json!({ "imagePullSecrets": [{ "name": name }] }))
}

/// The object that an event is about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) uid: Option<String>,
}

impl Subject {
    pub(super) fn of(kind: &'static str, name: &str, object: Option<&Value>) -> Self {
        let uid = object.and_then(|object| object["metadata"]["uid"].as_str());
        Self {
            kind,
            name: name.to_owned(),
            uid: uid.map(str::to_owned),
        }
    }
}

/// Returns the event of a renewal, or of its failure, in the Secret's namespace.
pub(super) fn event(
    namespace: &str,
    subject: &Subject,
    renewed: std::result::Result<&str, &str>,
    now: Timestamp,
) -> Value {
    let (kind, reason, message) = match renewed {
        Ok(message) => ("Normal", "PullSecretRenewed", message),
        Err(message) => ("Warning", "PullSecretRenewalFailed", message),
    };
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    let mut about = json!({
        "apiVersion": "v1",
        "kind": subject.kind,
        "namespace": namespace,
        "name": subject.name,
    });
    if let Some(uid) = &subject.uid {
        about["uid"] = uid.as_str().into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "generateName": format!("{}.", subject.name), "namespace": namespace },
        "involvedObject": about,
        "type": kind,
        "reason": reason,
        "message": message,
        "source": { "component": TRANSIRE },
        "reportingComponent": TRANSIRE,
        "firstTimestamp": now.rfc3339(),
        "lastTimestamp": now.rfc3339(),
        "count": 1,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::secret::Secret;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);
    const LIFE: Life = Life {
        expires_at: Some(Timestamp::from_unix_seconds(1_735_880_657)),
        renew_at: Timestamp::from_unix_seconds(1_735_878_857),
    };

    fn log_in() -> LogIn {
        LogIn {
            username: "role/builder".to_owned(),
            secret: Secret::new("trst_EXAMPLE"),
            expires_at: LIFE.expires_at,
            source: String::new(),
        }
    }

    fn written() -> Value {
        let mut secret = PullSecret::new("team", "pull");
        secret.put("registry.example.com:5000", &log_in(), "settings", LIFE);
        secret.object().clone()
    }

    #[test]
    fn a_pull_secret_has_what_the_kubelet_reads() {
        let object = written();
        assert_eq!(object["type"], "kubernetes.io/dockerconfigjson");
        let data = object["data"][".dockerconfigjson"].as_str().unwrap();
        let config: Value = serde_json::from_slice(&STANDARD.decode(data).unwrap()).unwrap();
        assert_eq!(
            config["auths"]["registry.example.com:5000"],
            json!({
                "username": "role/builder",
                "password": "trst_EXAMPLE",
                "auth": STANDARD.encode("role/builder:trst_EXAMPLE"),
            })
        );
    }

    #[test]
    fn what_was_written_is_known_again_unless_settings_or_data_changed() {
        let taken = |object| PullSecret::take(object).unwrap();
        assert_eq!(taken(written()).life("settings"), Some(LIFE));
        assert_eq!(taken(written()).life("other settings"), None);
        let mut edited = written();
        edited["data"][".dockerconfigjson"] = "e30=".into();
        assert_eq!(taken(edited).life("settings"), None);
        let mut bare = written();
        bare["metadata"]["annotations"] = Value::Null;
        assert_eq!(taken(bare).life("settings"), None);
    }

    #[test]
    fn labels_and_annotations_of_others_stay() {
        let mut object = written();
        object["metadata"]["annotations"]["example.com/owner"] = "team".into();
        object["metadata"]["labels"]["tier"] = "one".into();
        object["metadata"]["resourceVersion"] = "7".into();
        let mut secret = PullSecret::take(object).unwrap();
        secret.put("registry.example.com", &log_in(), "settings", LIFE);
        let metadata = &secret.object()["metadata"];
        assert_eq!(metadata["annotations"]["example.com/owner"], "team");
        assert_eq!(metadata["labels"]["tier"], "one");
        assert_eq!(metadata["resourceVersion"], "7");
    }

    #[test]
    fn a_secret_of_another_maker_or_type_is_refused() {
        for change in [
            |object: &mut Value| object["type"] = "Opaque".into(),
            |object: &mut Value| object["metadata"]["labels"] = Value::Null,
            |object: &mut Value| object["metadata"]["labels"][MANAGED_BY] = "Helm".into(),
        ] {
            let mut object = written();
            change(&mut object);
            let refused = PullSecret::take(object).map(|_| ());
            assert_eq!(refused.unwrap_err().kind(), &ErrorKind::Misconfigured);
        }
    }

    #[test]
    fn a_service_account_is_patched_only_when_it_lacks_the_secret() {
        let account = |names: &[&str]| {
            let secrets: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({ "imagePullSecrets": secrets })
        };
        assert!(add_pull_secret(&account(&["other", "pull"]), "pull").is_none());
        for account in [account(&["other"]), json!({})] {
            assert!(add_pull_secret(&account, "pull").is_some());
        }
    }

    #[test]
    fn an_event_is_about_its_subject_and_short() {
        let object = json!({ "metadata": { "uid": "1234" } });
        let subject = Subject::of("ServiceAccount", "builder", Some(&object));
        let event = event("team", &subject, Err(&"x".repeat(5000)), NOW);
        assert_eq!(event["involvedObject"]["uid"], "1234");
        assert_eq!(event["type"], "Warning");
        assert_eq!(event["message"].as_str().unwrap().len(), MAX_MESSAGE);
        assert_eq!(LIFE.renew_at, NOW.plus(Duration::from_secs(1800)));
    }
}
