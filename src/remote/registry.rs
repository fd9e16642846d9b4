//! The contents of a registry, read by the distribution specification (OCI, 1.1) with a token of
//! our own.
//!
//! The operator says where the registry is, so it may be at a private address and without TLS. Its
//! answers are bounded all the same, and of its links to next pages only the query is taken: they
//! often name its public address, and the token goes to no other place than the operator's.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::{Client, Connections, Failure};

/// The most bytes of a page of names, a manifest (which registries bound so too) or a
/// configuration.
const ANSWER_BYTES: usize = 4 << 20;
/// How many names a page is asked to have: the most that Distribution gives without being told
/// otherwise.
const PAGE: &str = "n=1000";
/// The most pages of one list.
const PAGES: usize = 200;
/// The kinds of manifest that are understood.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
                        application/vnd.oci.image.index.v1+json, \
                        application/vnd.docker.distribution.manifest.v2+json, \
                        application/vnd.docker.distribution.manifest.list.v2+json";

/// A list of names, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The names.
    pub names: Vec<String>,
    /// Whether these are all; there may be more than were wanted.
    pub complete: bool,
}

/// A registry's headers of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its digest, if the registry says it.
    pub digest: Option<String>,
    /// Its media type.
    pub media_type: String,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// The manifest as it is.
    pub body: Bytes,
}

/// Whether a repository has a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HasBlob {
    /// It has, of this many bytes if that is known.
    Yes(Option<u64>),
    /// It hasn't.
    No,
}

/// The outcome of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// There is no such thing.
    Missing,
    /// The registry doesn't do that.
    Unsupported,
}

#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(alias = "repositories", alias = "tags")]
    pub(super) names: Option<Vec<String>>,
}

/// One registry, asked with one token.
pub struct RegistryClient {
    client: Arc<Client>,
    connections: Connections,
    base: Url,
    authorization: HeaderValue,
}

impl RegistryClient {
    /// Makes a client of the registry at `base`; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`Failure::Url`] when the address isn't taken, or the token can't be in a header.
    pub fn new(client: &Arc<Client>, base: &str, token: &str) -> Result<Self, Failure> {
        let base = check_base(client, base)?;
        let unwritable = || Failure::Url {
            url: base.to_string(),
            why: "its token can't stand in a request",
        };
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unwritable())?;
        authorization.set_sensitive(true);
        Ok(Self {
            client: Arc::clone(client),
            connections: Connections::new(Arc::clone(client)),
            base,
            authorization,
        })
    }

    /// Lists the repositories, at most `most`.
    ///
    /// # Errors
    ///
    /// Every [`Failure`] of the request; [`Failure::Refused`] when the registry doesn't accept the
    /// token.
    pub async fn repositories(&self, most: usize) -> Result<Names, Failure> {
        Ok(self.list("_catalog", most).await?.unwrap_or_default())
    }

    /// Lists the tags of a repository, at most `most`; nothing when there is no such repository.
    ///
    /// # Errors
    ///
    /// Every [`Failure`] of the request; [`Failure::Refused`] when the registry doesn't accept the
    /// token.
    pub async fn tags(&self, repository: &str, most: usize) -> Result<Option<Names>, Failure> {
        self.list(&format!("{repository}/tags/list"), most).await
    }

    /// Asks which manifest a tag or a digest names.
    ///
    /// # Errors
    ///
    /// Every [`Failure`] of the request; [`Failure::Refused`] when the registry doesn't accept the
    /// token.
    pub async fn head(&self, repository: &str, reference: &str) -> Result<Option<Head>, Failure> {
        let answer = self.manifests(&Method::HEAD, repository, reference).await?;
        Ok(answer.map(|answer| Head {
            digest: text(&answer, "docker-content-digest").map(str::to_owned),
            media_type: media_type(&answer),
        }))
    }

    /// Gets a manifest by a tag or a digest.
    ///
    /// # Errors
    ///
    /// Every [`Failure`] of the request; [`Failure::Refused`] when the registry doesn't accept the
    /// token.
    pub async fn manifest(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<Manifest>, Failure> {
        let answer = self.manifests(&Method::GET, repository, reference).await?;
        Ok(answer.map(|answer| Manifest {
            media_type: media_type(&answer),
            body: answer.into_body(),
        }))
    }

    /// Gets a small blob, such as an image's configuration.
    ///
    /// One redirect is followed, without the token: registries send their clients to their object
    /// stores.
    ///
    /// # Errors
    ///
    /// Every [`Failure`] of the request; [`Failure::Refused`] when the registry doesn't accept the
    /// token.
    pub async fn blob(&self, repository: &str, digest: &str) -> Result<Option<Bytes>, Failure> {
        let url = self.url(&format!("{repository}/blobs/{digest}"))?;
        let mut answer = self.send(&Method::GET, &url, HeaderMap::new()).await?;
        if answer.status().is_redirection() {
            let location = text(&answer, "location").and_then(|location| url.join(location).ok());
            let location = location
                .ok_or_else(|| unexpected(&url, "with a redirect to nowhere".to_owned()))?;
            answer = self
                .client
                .get(&location, HeaderMap::new(), ANSWER_BYTES)
                .await?;
        }
        found(&url, answer).map(|answer| answer.map(Response::into_body))
    }

    /// Asks whether a repository has a blob, and how large it is if the registry says it itself;
    /// one that sends its clients to an object store doesn't.
    ///
    /// # Errors
    ///
    /// Every [`Failure`] of the request; [`Failure::Refused`] when the registry doesn't accept the
    /// token.
    pub async fn has_blob(&self, repository: &str, digest: &str) -> Result<HasBlob, Failure> {
        let url = self.url(&format!("{repository}/blobs/{digest}"))?;
        let answer = self.send(&Method::HEAD, &url, HeaderMap::new()).await?;
        if answer.status().is_redirection() {
            return Ok(HasBlob::Yes(None));
        }
        let size = text(&answer, "content-length").and_then(|size| size.parse().ok());
        Ok(found(&url, answer)?.map_or(HasBlob::No, |_| HasBlob::Yes(size)))
    }

    /// Deletes a manifest by its digest, with all its tags; or a tag, where the registry can.
    ///
    /// # Errors
    ///
    /// Every [`Failure`] of the request; [`Failure::Refused`] when the registry doesn't accept the
    /// token.
    pub async fn delete(&self, repository: &str, reference: &str) -> Result<Deletion, Failure> {
        let url = self.url(&format!("{repository}/manifests/{reference}"))?;
        let answer = self.send(&Method::DELETE, &url, HeaderMap::new()).await?;
        match answer.status() {
            status if status.is_success() => Ok(Deletion::Done),
            StatusCode::NOT_FOUND => Ok(Deletion::Missing),
            StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Ok(Deletion::Unsupported),
            status => Err(unexpected(&url, status.to_string())),
        }
    }

    async fn manifests(
        &self,
        method: &Method,
        repository: &str,
        reference: &str,
    ) -> Result<Option<Response<Bytes>>, Failure> {
        let url = self.url(&format!("{repository}/manifests/{reference}"))?;
        let accepted = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(ACCEPTED))]);
        found(&url, self.send(method, &url, accepted).await?)
    }

    /// Reads a list page by page. Each page must bring something new, or a registry could keep us
    /// busy for ever.
    async fn list(&self, place: &str, most: usize) -> Result<Option<Names>, Failure> {
        let mut url = self.url(place)?;
        url.set_query(Some(PAGE));
        let mut names = BTreeSet::new();
        for page in 0..PAGES {
            let answer = self.send(&Method::GET, &url, HeaderMap::new()).await?;
            if page == 0 && answer.status() == StatusCode::BAD_REQUEST && url.query().is_some() {
                // The operator allows fewer a page.
                url.set_query(None);
                continue;
            }
            let Some(answer) = found(&url, answer)? else {
                return Ok(None);
            };
            let read: Page = serde_json::from_slice(answer.body())
                .map_err(|error| unexpected(&url, format!("with no list of names: {error}")))?;
            let known = names.len();
            names.extend(read.names.unwrap_or_default());
            if names.len() > most {
                return Ok(Some(Names {
                    names: names.into_iter().take(most).collect(),
                    complete: false,
                }));
            }
            match next_query(&url, answer.headers()) {
                None => {
                    return Ok(Some(Names {
                        names: names.into_iter().collect(),
                        complete: true,
                    }));
                }
                Some(_) if names.len() == known => {
                    return Err(unexpected(
                        &url,
                        "with a next page that leads nowhere".to_owned(),
                    ));
                }
                Some(query) => url.set_query(Some(&query)),
            }
        }
        Ok(Some(Names {
            names: names.into_iter().collect(),
            complete: false,
        }))
    }

    async fn send(
        &self,
        method: &Method,
        url: &Url,
        mut headers: HeaderMap,
    ) -> Result<Response<Bytes>, Failure> {
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let answer = self
            .connections
            .send(method, url, &headers, ANSWER_BYTES)
            .await?;
        match answer.status() {
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(Failure::Refused {
                url: url.to_string(),
                status,
            }),
            _ => Ok(answer),
        }
    }

    /// Returns the URL of a place in the registry; whoever asks knows that its parts are names.
    fn url(&self, place: &str) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        if place
            .split('/')
            .any(|segment| matches!(segment, "" | "." | ".."))
        {
            return Err(Failure::Url {
                url: url.to_string(),
                why: "what is asked for there is no name",
            });
        }
        url.set_path(&format!(
            "{}/v2/{place}",
            self.base.path().trim_end_matches('/')
        ));
        Ok(url)
    }
}

/// Reads where a registry is: an address without a query, with a path before `/v2/` or none.
///
/// # Errors
///
/// [`Failure::Url`] when the address isn't taken.
pub fn check_base(client: &Client, base: &str) -> Result<Url, Failure> {
    let url = client.read_url(base)?;
    if url.query().is_some() {
        Err(Failure::Url {
            url: base.to_owned(),
            why: "it has a query",
        })
    } else {
        Ok(url)
    }
}

fn unexpected(url: &Url, what: String) -> Failure {
    Failure::Unexpected {
        url: url.to_string(),
        what,
    }
}

fn found(url: &Url, answer: Response<Bytes>) -> Result<Option<Response<Bytes>>, Failure> {
    match answer.status() {
        StatusCode::OK => Ok(Some(answer)),
        StatusCode::NOT_FOUND => Ok(None),
        status => Err(unexpected(url, status.to_string())),
    }
}

fn text<'a>(answer: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

fn media_type(answer: &Response<Bytes>) -> String {
    let line = text(answer, "content-type").unwrap_or_default();
    line.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Returns the query of the next page (RFC 8288: `</v2/_catalog?n=100&last=x>; rel="next"`).
pub(super) fn next_query(url: &Url, headers: &HeaderMap) -> Option<String> {
    let lines = headers
        .get_all(header::LINK)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let links = lines
        .flat_map(|line| line.split('<').skip(1))
        .filter_map(|link| link.split_once('>'));
    let is_next = |parameters: &str| {
        let mut parameters = parameters
            .split([';', ','])
            .map(|parameter| parameter.trim().to_ascii_lowercase());
        parameters.any(|parameter| matches!(parameter.as_str(), "rel=next" | "rel=\"next\""))
    };
    let (target, _) = links
        .into_iter()
        .find(|(_, parameters)| is_next(parameters))?;
    url.join(target).ok()?.query().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Settings;

    fn registry(base: &str) -> Result<RegistryClient, Failure> {
        let settings = Settings {
            allow_http: true,
            allow_private_addresses: true,
            ..Settings::default()
        };
        RegistryClient::new(&Arc::new(Client::new(settings)), base, "token")
    }

    #[test]
    fn a_place_is_below_the_operators_address_whatever_is_asked_for() {
        let plain = registry("http://10.0.0.1:5000").unwrap();
        assert_eq!(
            plain.url("team/app/tags/list").unwrap().as_str(),
            "http://10.0.0.1:5000/v2/team/app/tags/list"
        );
        let below = registry("https://registry.example.com/mirror/").unwrap();
        assert_eq!(
            below.url("a/manifests/v1").unwrap().as_str(),
            "https://registry.example.com/mirror/v2/a/manifests/v1"
        );
        assert_eq!(
            below.url("a/manifests/v?1#2").unwrap().as_str(),
            "https://registry.example.com/mirror/v2/a/manifests/v%3F1%232"
        );
        for bad in ["", "a//b", "../a", "a/..", "a/manifests/."] {
            assert!(below.url(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "ftp://registry.example.com",
            "https://u:p@registry.example.com",
            "https://registry.example.com?a=b",
            "registry",
        ] {
            assert!(registry(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn of_a_link_only_the_query_is_taken() {
        let url = Url::parse("http://10.0.0.1:5000/v2/_catalog").unwrap();
        for (lines, expected) in [
            (
                &[r#"</v2/_catalog?last=b&n=1>; rel="next""#][..],
                Some("last=b&n=1"),
            ),
            (
                &[r#"<https://evil.example.com/v2/_catalog?last=b>; rel="next""#],
                Some("last=b"),
            ),
            (&[r"<?last=a,b>;rel=next"], Some("last=a,b")),
            (
                &[r#"</a?x=1>; rel="prev", </a?x=2>; rel="next""#],
                Some("x=2"),
            ),
            (
                &[
                    r#"</a?x=1>; rel="prev""#,
                    r#"</a?x=3>; title="t"; REL="Next""#,
                ],
                Some("x=3"),
            ),
            (&[r#"</a>; rel="next""#], None),
            (&["rubbish"], None),
            (&[], None),
        ] {
            let headers = lines
                .iter()
                .map(|line| (header::LINK, HeaderValue::from_static(line)))
                .collect();
            assert_eq!(next_query(&url, &headers).as_deref(), expected, "{lines:?}");
        }
    }
}
