//! A browser without a window: it logs in, asks for pages and follows their links.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{Read, Write};
use std::net::TcpStream;

/// How many pages of one shape are timed, such as those of two accounts.
const PAGES_OF_SHAPE: usize = 2;
/// The beginning of the paths of pages.
const CONSOLE: &str = "/console";
/// The beginning of the paths of the API.
const API: &str = "/admin/v1";

/// The first pages: the whole console follows from their links, and the searches of long lists.
const FIRST: [&str; 12] = [
    CONSOLE,
    "/console/instances?name=instance-0",
    "/console/instances?sort=-name",
    "/console/instances?account_id=100000000101",
    "/console/reports/unused",
    "/console/reports/expiring",
    "/console/audit?request_id=request-5000",
    "/console/audit?request_id=nobody",
    "/console/audit?principal=100000000001:user%237",
    "/console/audit?address=10.1.7.7",
    "/console/audit?outcome=denied",
    "/console/audit?action=user.create",
];

/// A browser at a service, with what it has not opened yet.
pub(crate) struct Browser {
    address: String,
    /// The head that proves the operator: the session's cookie, and the token for the API.
    proof: String,
    left: VecDeque<String>,
    seen: HashMap<String, HashSet<String>>,
}

impl Browser {
    /// Logs in.
    pub(crate) fn new(address: &str, token: &str) -> Self {
        let mut browser = Self {
            address: address.to_owned(),
            proof: String::new(),
            left: FIRST.map(str::to_owned).into(),
            seen: HashMap::new(),
        };
        let form = format!("operator_token={token}");
        let head = format!(
            "POST /console/log-in HTTP/1.1\r\nOrigin: http://{address}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        );
        let answer = browser.exchange(&head, &form);
        let cookie = answer
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .unwrap_or_else(|| panic!("no session: {answer}"));
        let pair = cookie.split(';').next().unwrap();
        browser.proof = format!("Cookie: {pair}\r\nAuthorization: Bearer {token}\r\n");
        browser
    }

    /// Returns the next page or list, if one is left.
    pub(crate) fn next_path(&mut self) -> Option<String> {
        let path = self.left.pop_front()?;
        let answer = self.get(&path);
        if path.starts_with(CONSOLE) {
            self.follow(&answer);
            let list = path.replacen(CONSOLE, API, 1);
            if self.get(&list).starts_with("HTTP/1.1 200") {
                self.left.push_front(list);
            }
        }
        Some(path)
    }

    /// Returns the answer for a page that must be there.
    pub(crate) fn open(&mut self, path: &str) -> String {
        let answer = self.get(path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }

    fn get(&self, path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\n{}", self.proof);
        self.exchange(&head, "")
    }

    /// Remembers the links of a page whose shape was not seen often enough.
    fn follow(&mut self, page: &str) {
        for part in page.split("href=\"").skip(1) {
            let link = part.split('"').next().unwrap().replace("&#38;", "&");
            if !link.starts_with(CONSOLE) || link.contains("/assets/") || link.contains("backup") {
                continue;
            }
            let seen = self.seen.entry(shape(&link)).or_default();
            if seen.len() < PAGES_OF_SHAPE && seen.insert(link.clone()) {
                self.left.push_back(link);
            }
        }
    }

    fn exchange(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            stream,
            "{head}Host: {host}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Returns a path without the names of things and the values of fields.
fn shape(link: &str) -> String {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    let is_form = path.starts_with("/console/do/");
    let mut shape = String::new();
    for (place, part) in path.split('/').skip(2).enumerate() {
        let is_name = place % 2 == 1 && part != "requests" || path.contains("/requests/");
        shape += if is_name && !is_form { "*" } else { part };
        shape.push('/');
    }
    for pair in query.split('&') {
        shape += pair.split('=').next().unwrap_or_default();
        shape.push('&');
    }
    shape
}
