//! A registry client: log-in, push and pull as the distribution specification has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use url::Url;

use super::image::{Image, MANIFEST_TYPE, digest_of};
use super::wire::Http;
use crate::client::cloud::Credential;
use crate::client::headers::Challenge;
use crate::domain::{Error, Result};

pub(super) struct Registry {
    http: Http,
    /// Host and port; nothing when there is no registry, and only the token exchange can be asked.
    host: Option<String>,
    known: Option<Challenge>,
}

impl Registry {
    pub(super) fn new(host: &str) -> Self {
        Self {
            http: Http::new(),
            host: Some(host.to_owned()),
            known: None,
        }
    }

    /// Makes a client for the token exchange alone.
    pub(super) fn without_registry(realm: &str, service: &str) -> Self {
        Self {
            http: Http::new(),
            host: None,
            known: Some(Challenge {
                realm: realm.to_owned(),
                service: service.to_owned(),
            }),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host.as_deref().unwrap_or_default())
    }

    async fn challenge(&self) -> Result<Challenge> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let answer = self
            .http
            .send(
                Request::get(self.url("/v2/"))
                    .body(Vec::new())
                    .map_err(Error::internal)?,
            )
            .await?;
        Challenge::read(answer.headers())
            .filter(|challenge| !challenge.service.is_empty())
            .ok_or_else(|| {
                let header = answer.headers().get(WWW_AUTHENTICATE);
                let header = header.and_then(|value| value.to_str().ok());
                Error::misconfigured(format!(
                    "the registry does not ask for a token: {} {}",
                    answer.status(),
                    header.unwrap_or_default()
                ))
            })
    }

    /// Exchanges a credential for a token, as `docker login` and every pull and push do.
    async fn token(&self, credential: &Credential, scope: Option<&str>) -> Result<String> {
        let Challenge { realm, service } = self.challenge().await?;
        let mut url = Url::parse(&realm).map_err(Error::internal)?;
        url.query_pairs_mut()
            .append_pair("service", &service)
            .append_pair("account", &credential.username);
        if let Some(scope) = scope {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        let basic = STANDARD.encode(format!(
            "{}:{}",
            credential.username,
            credential.secret.expose()
        ));
        let request = Request::get(url.as_str())
            .header(AUTHORIZATION, format!("Basic {basic}"))
            .body(Vec::new())
            .map_err(Error::internal)?;
        let answer = expect(
            self.http.send(request).await?,
            StatusCode::OK,
            "the token exchange",
        )?;
        let answer: serde_json::Value =
            serde_json::from_slice(answer.body()).map_err(Error::internal)?;
        answer["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Error::misconfigured("the token exchange gave no token"))
    }

    /// Logs in: a credential is good when its token opens the registry's root.
    pub(super) async fn log_in(&self, credential: &Credential) -> Result<()> {
        let token = self.token(credential, None).await?;
        if self.host.is_some() {
            let request = bearer(Request::get(self.url("/v2/")), &token)
                .body(Vec::new())
                .map_err(Error::internal)?;
            expect(
                self.http.send(request).await?,
                StatusCode::OK,
                "the registry",
            )?;
        }
        Ok(())
    }

    /// Pushes the image as `repository:v1`; returns its manifest's digest.
    pub(super) async fn push(&self, credential: &Credential, repository: &str) -> Result<String> {
        let token = self
            .token(
                credential,
                Some(&format!("repository:{repository}:pull,push")),
            )
            .await?;
        let image = Image::hello();
        for blob in &image.blobs {
            let start = bearer(
                Request::post(self.url(&format!("/v2/{repository}/blobs/uploads/"))),
                &token,
            )
            .body(Vec::new());
            let started = expect(
                self.http.send(start.map_err(Error::internal)?).await?,
                StatusCode::ACCEPTED,
                "an upload",
            )?;
            let location = started
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let base = Url::parse(&self.url("/")).map_err(Error::internal)?;
            let mut target = base.join(location).map_err(Error::internal)?;
            target
                .query_pairs_mut()
                .append_pair("digest", &digest_of(blob));
            let upload = bearer(Request::put(target.as_str()), &token)
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(blob.clone());
            expect(
                self.http.send(upload.map_err(Error::internal)?).await?,
                StatusCode::CREATED,
                "a layer's upload",
            )?;
        }
        let manifest = self
            .manifest(
                Method::PUT,
                repository,
                "v1",
                &token,
                image.manifest.clone(),
            )
            .await?;
        expect(manifest, StatusCode::CREATED, "the manifest's upload")?;
        Ok(digest_of(&image.manifest))
    }

    /// Pulls the image back with a token that can do no more, and compares every byte.
    pub(super) async fn pull(
        &self,
        credential: &Credential,
        repository: &str,
        digest: &str,
    ) -> Result<()> {
        let token = self
            .token(credential, Some(&format!("repository:{repository}:pull")))
            .await?;
        let image = Image::hello();
        let manifest = expect(
            self.manifest(Method::GET, repository, digest, &token, Vec::new())
                .await?,
            StatusCode::OK,
            "the manifest",
        )?;
        let mut same = *manifest.body() == image.manifest;
        for blob in &image.blobs {
            let get = bearer(
                Request::get(self.url(&format!("/v2/{repository}/blobs/{}", digest_of(blob)))),
                &token,
            )
            .body(Vec::new());
            let answer = expect(
                self.http.send(get.map_err(Error::internal)?).await?,
                StatusCode::OK,
                "a layer",
            )?;
            same &= answer.body() == blob;
        }
        if same {
            Ok(())
        } else {
            Err(Error::misconfigured(
                "the registry gave back another image than was pushed",
            ))
        }
    }

    async fn manifest(
        &self,
        method: Method,
        repository: &str,
        reference: &str,
        token: &str,
        body: Vec<u8>,
    ) -> Result<Response<Bytes>> {
        let request = Request::builder()
            .method(method)
            .uri(self.url(&format!("/v2/{repository}/manifests/{reference}")));
        let request = bearer(request, token)
            .header(ACCEPT, MANIFEST_TYPE)
            .header(CONTENT_TYPE, MANIFEST_TYPE);
        self.http
            .send(request.body(body).map_err(Error::internal)?)
            .await
    }
}

fn bearer(request: http::request::Builder, token: &str) -> http::request::Builder {
    request.header(AUTHORIZATION, format!("Bearer {token}"))
}

fn expect(answer: Response<Bytes>, status: StatusCode, who: &str) -> Result<Response<Bytes>> {
    if answer.status() == status {
        return Ok(answer);
    }
    Err(Error::misconfigured(format!(
        "{who} answered {}: {}",
        answer.status(),
        String::from_utf8_lossy(answer.body()).trim()
    )))
}
