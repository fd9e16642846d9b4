//! The part of an instance's page that can be copied: a registry's files, and its clients' log-ins.

use serde_json::Value;

use super::Visit;
use crate::http::operators::operations::named;

/// The folder for which a registry's files are written.
const FOLDER: &str = "/etc/registry";

/// Lines to copy.
pub(super) struct Paste {
    pub(super) title: String,
    pub(super) text: String,
}

impl Paste {
    fn new(title: impl Into<String>, text: String) -> Self {
        Self {
            title: title.into(),
            text,
        }
    }
}

/// Returns the lines of the instance whose page is shown; none on other pages.
pub(super) async fn of(visit: &Visit<'_>, page: &str, answer: &Value) -> Vec<Paste> {
    if page != "ShowInstance" {
        return Vec::new();
    }
    let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let (id, account, kind) = (field("tcr_id"), field("account_id"), field("kind"));
    let url = field("registry_url");
    let registry = match url.split_once("://") {
        Some((_, rest)) => rest.trim_end_matches('/'),
        None => field("service"),
    };
    let password = format!("transire get-login-password --instance {id}");
    let mut pastes = registry_files(visit, id, kind).await;
    pastes.push(Paste::new(
        "docker login",
        format!("{password} |\n  docker login -u {account} --password-stdin {registry}\n"),
    ));
    pastes.push(Paste::new("GitHub Actions", github(registry)));
    pastes.push(Paste::new("GitLab CI", gitlab(registry)));
    pastes.push(Paste::new(
        "Kubernetes",
        format!(
            "kubectl create secret docker-registry registry-log-in \\\n  \
             --docker-server={registry} \\\n  --docker-username='tcr$NAME' \\\n  \
             --docker-password=\"$PASSWORD\"\nkubectl patch serviceaccount default \\\n  \
             -p '{{\"imagePullSecrets\":[{{\"name\":\"registry-log-in\"}}]}}'\n"
        ),
    ));
    pastes
}

/// Returns the files of a registry; none where they can't be written for now.
async fn registry_files(visit: &Visit<'_>, id: &str, kind: &str) -> Vec<Paste> {
    let Some((route, _)) = named("ShowRegistryConfig") else {
        return Vec::new();
    };
    let pairs = [("instance", id), ("kind", kind), ("directory", FOLDER)];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let Ok(files) = visit.read(route, pairs.to_vec()).await else {
        return Vec::new();
    };
    let file = |name: &str| {
        let file = files.get(name)?;
        let path = file.get("path")?.as_str()?;
        Some(Paste::new(path, file.get("text")?.as_str()?.to_owned()))
    };
    ["config", "trusted"].into_iter().filter_map(file).collect()
}

fn github(registry: &str) -> String {
    format!(
        "permissions:\n  id-token: write\n  contents: read\njobs:\n  push:\n    runs-on: \
         ubuntu-latest\n    steps:\n      - name: Log in\n        run: |\n          curl -fsS -H \
         \"Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN\" \\\n            \
         \"$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.example.com\" |\n            jq -er .value \
         |\n            docker login -u role/ci --password-stdin {registry}\n"
    )
}

fn gitlab(registry: &str) -> String {
    format!(
        "push:\n  id_tokens:\n    TRANSIRE_ID_TOKEN:\n      aud: sts.example.com\n  script:\n    - \
         echo \"$TRANSIRE_ID_TOKEN\" | docker login -u role/ci --password-stdin {registry}\n"
    )
}
