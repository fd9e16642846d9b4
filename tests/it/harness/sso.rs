//! Single sign-on for the console, with an issuer on loopback and a browser of requests.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::{Value, json};
use transire::domain::sso::RoleRules;
use transire::service::{self, Sso};

use crate::harness::issuer::{DESCRIPTION, Issuer, Reply, TestKey, outgoing_to_loopback};
use crate::harness::{Answer, App, HOST, Options, Peer};

/// The name of the service at the issuer.
pub(crate) const CLIENT: &str = "transire";
/// Where the issuer redeems codes.
pub(crate) const TOKEN: &str = "/token";
/// The form of the log-in, and the address to which the issuer leads back.
pub(crate) const PATH: &str = "/console/log-in/sso";
/// The person.
pub(crate) const SUBJECT: &str = "248289761001";

/// A service whose operators come by single sign-on.
pub(crate) struct SignOn {
    pub(crate) app: App,
    pub(crate) issuer: Issuer,
    key: TestKey,
    settings: service::Settings,
}

/// A log-in that a browser began.
pub(crate) struct Begun {
    /// The cookie, with its name.
    pub(crate) cookie: String,
    /// The parameters with which the issuer is asked.
    pub(crate) asked: BTreeMap<String, String>,
}

/// Returns the fields of a form or a query.
pub(crate) fn fields(encoded: &str) -> BTreeMap<String, String> {
    let url = url::Url::parse(&format!("http://x/?{encoded}")).unwrap();
    let pairs = url.query_pairs();
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// Returns the cookie of a name that an answer sets, as a browser sends it.
pub(crate) fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.get_all(header::SET_COOKIE).iter();
    let lines = lines.map(|line| line.to_str().unwrap());
    let found = lines.filter_map(|line| line.split(';').next());
    let mut found = found.filter(|pair| pair.split_once('=').is_some_and(|(own, _)| own == name));
    found.next().map(str::to_owned)
}

impl SignOn {
    /// Starts a service with these rules, and its issuer.
    pub(crate) async fn new(roles: &[&str]) -> Self {
        Self::with(roles, |_| {}).await
    }

    pub(crate) async fn with(roles: &[&str], change: impl FnOnce(&mut Options)) -> Self {
        let key = TestKey::generate("ES256", "one");
        let issuer = Issuer::start(&[&key]).await;
        let place = |path: &str| format!("{}{path}", issuer.url);
        let description = json!({
            "issuer": issuer.url,
            "jwks_uri": place("/keys"),
            "authorization_endpoint": place("/authorize"),
            "token_endpoint": place(TOKEN),
            "code_challenge_methods_supported": ["S256"],
        });
        issuer.reply(DESCRIPTION, Reply::json(&description));
        let mut settings = None;
        let app = App::administered(None, |options| {
            options.service.outgoing = outgoing_to_loopback();
            options.service.sso = Sso {
                issuer: Some(issuer.url.clone()),
                client_id: Some(CLIENT.to_owned()),
                roles: rules(roles),
                ..Sso::default()
            };
            change(options);
            settings = Some(options.service.clone());
        })
        .await;
        Self {
            app,
            issuer,
            key,
            settings: settings.unwrap(),
        }
    }

    /// Changes the settings of single sign-on, as a reload does.
    pub(crate) fn adjust(&mut self, change: impl FnOnce(&mut Sso)) {
        change(&mut self.settings.sso);
        self.app.service.adjust(&self.settings);
    }

    /// Asks for a page.
    pub(crate) async fn get(&self, path: &str, cookies: &str) -> Answer {
        self.request(Method::GET, path, cookies, "").await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, cookies: &str, form: &str) -> Answer {
        self.request(Method::POST, path, cookies, form).await
    }

    async fn request(&self, method: Method, path: &str, cookies: &str, form: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("cookie", cookies)
            .header("content-type", "application/x-www-form-urlencoded")
            .extension(Peer(([127, 0, 0, 1], 40000).into()));
        let body = Body::from(form.to_owned());
        self.app.send(request.body(body).unwrap()).await
    }

    /// Begins a log-in.
    pub(crate) async fn begin(&self) -> Begun {
        self.begin_with("", "").await
    }

    /// Begins a log-in with a form, as a browser that has these cookies.
    pub(crate) async fn begin_with(&self, cookies: &str, form: &str) -> Begun {
        let page = self.post(PATH, cookies, form).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let (_, place) = page.body.split_once("0; url=").unwrap();
        let (place, _) = place.split_once('"').unwrap();
        let place = place.replace("&#38;", "&").replace("&amp;", "&");
        let (endpoint, query) = place.split_once('?').unwrap();
        assert_eq!(endpoint, format!("{}/authorize", self.issuer.url));
        Begun {
            cookie: cookie(&page, "transire-console-flow").unwrap(),
            asked: fields(query),
        }
    }

    /// Returns the claims with which the issuer would answer a log-in of somebody in these groups.
    pub(crate) fn claims(&self, begun: &Begun, groups: &[&str]) -> Value {
        let mut claims = self.issuer.claims(SUBJECT, CLIENT, self.app.now());
        claims["nonce"] = json!(begun.asked["nonce"]);
        claims["groups"] = json!(groups);
        claims["name"] = json!("Alice");
        claims
    }

    /// Has the issuer redeem codes for a token of these claims.
    pub(crate) fn answer_with(&self, claims: &Value) {
        self.answer_with_token(&self.key.token(claims));
    }

    /// Has the issuer redeem codes for this token.
    pub(crate) fn answer_with_token(&self, token: &str) {
        let answer = json!({ "access_token": "EXAMPLE", "id_token": token });
        self.issuer.reply(TOKEN, Reply::json(&answer));
    }

    /// Leads back from the issuer with a code.
    pub(crate) async fn finish(&self, begun: &Begun) -> Answer {
        let state = &begun.asked["state"];
        let path = format!("{PATH}?code=EXAMPLE-code&state={state}");
        self.get(&path, &begun.cookie).await
    }

    /// Logs somebody in who is in these groups; returns the cookie of the session.
    pub(crate) async fn log_in(&self, groups: &[&str]) -> String {
        let begun = self.begin().await;
        self.answer_with(&self.claims(&begun, groups));
        let finished = self.finish(&begun).await;
        cookie(&finished, "transire-console").unwrap_or_else(|| panic!("{}", finished.body))
    }
}

/// Reads rules.
pub(crate) fn rules(roles: &[&str]) -> RoleRules {
    let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    RoleRules::parse(&roles).unwrap()
}
