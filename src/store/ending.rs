//! The search for secrets whose end lies in a span of time, of all kinds, page by page.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::notice::{Subject, SubjectKind};

use super::part::Part;
use super::row::{Row, statements};
use super::{Store, account, meta};

/// Selects the active secrets of one table whose end lies in the span, with the key of their place
/// in the order. Each branch has the whole condition, so that its index leads to the rows.
macro_rules! branch {
    ($table:literal, $id:literal, $kind:literal, $name:literal, $end:literal, $older:literal,
     $active:literal) => {
        concat!(
            "SELECT ",
            $id,
            " AS id, '",
            $kind,
            "' AS kind, ",
            $name,
            " AS name, \
             instance.account_id, ",
            $table,
            ".instance_id, ",
            $end,
            " AS ends_at, CAST(",
            $older,
            " AS BIGINT) AS older_secret, '",
            $kind,
            "/",
            $older,
            "/' || ",
            $id,
            " AS place FROM ",
            $table,
            " JOIN instance ON instance.id = ",
            $table,
            ".instance_id WHERE ",
            $end,
            " >= $1 AND ",
            $end,
            " < $2 AND ",
            $active
        )
    };
}

statements! { "notice";
    PAGE = concat!(
        "SELECT * FROM (",
        branch!("credential", "credential.id", "credential", "credential.principal",
            "credential.expires_at", "0", "credential.state = 'active'"),
        " UNION ALL ",
        branch!("credential", "credential.id", "credential", "credential.principal",
            "credential.older_secret_ends_at", "1", "credential.state = 'active'"),
        " UNION ALL ",
        branch!("service_account", "service_account.id", "service-account",
            "'tcr$' || service_account.name", "service_account.expires_at", "0",
            "service_account.state = 'active'"),
        " UNION ALL ",
        branch!("service_account", "service_account.id", "service-account",
            "'tcr$' || service_account.name", "service_account.older_secret_ends_at", "1",
            "service_account.state = 'active'"),
        " UNION ALL ",
        branch!("fixed_password", "fixed_password.instance_id || '/' || fixed_password.principal",
            "fixed-password", "fixed_password.principal", "fixed_password.expires_at", "0",
            "fixed_password.hash IS NOT NULL"),
        ") AS ending WHERE ends_at > $1 OR place > $3 ORDER BY ends_at, place LIMIT $4"
    );
}

/// The name of the values that say how far the search has come, one for each time ahead of the end.
const SEARCHED: &str = "noticed:";

/// The place up to which was searched: all that ends before `at`, and at that moment those whose
/// key comes not after `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The time.
    pub at: Timestamp,
    /// The key of the last one at that time; empty where none was found there.
    pub key: String,
}

impl Searched {
    fn text(&self) -> String {
        format!("{} {}", self.at.unix_millis(), self.key)
    }

    fn read(text: &str) -> Option<Self> {
        let (at, key) = text.split_once(' ')?;
        Some(Self {
            at: Timestamp::from_unix_millis(at.parse().ok()?),
            key: key.to_owned(),
        })
    }
}

/// A secret whose end was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The credential, service account or fixed password.
    pub subject: Subject,
    /// When the secret ends.
    pub ends_at: Timestamp,
    /// Whether it is the secret before the last rotation.
    pub is_older_secret: bool,
    /// Its place in the order.
    pub place: Searched,
}

/// Lists the first `most` active secrets that end from `since` on and before `until`.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn page(
    store: &Store,
    since: &Searched,
    until: Timestamp,
    most: u32,
) -> Result<Vec<Ending>> {
    let parameters = vec![
        since.at.into(),
        until.into(),
        since.key.as_str().into(),
        i64::from(most).into(),
    ];
    let rows = store.query(PAGE, parameters).await?;
    rows.iter().map(ending).collect()
}

fn ending(row: &Row) -> Result<Ending> {
    let ends_at = row.time("ends_at")?;
    Ok(Ending {
        subject: Subject {
            kind: row.parsed::<SubjectKind>("kind")?,
            id: row.text("id")?,
            name: row.optional_text("name")?,
            account: Some(account::id_in(row, "account_id")?),
            instance: row.optional_parsed("instance_id")?,
        },
        ends_at,
        is_older_secret: row.switch("older_secret")?.is_on(),
        place: Searched {
            at: ends_at,
            key: row.text("place")?,
        },
    })
}

/// Returns how far the search of this name has come; `None` before it began.
///
/// # Errors
///
/// As [`page`]; `Internal` for a place that can't be read.
pub async fn searched(store: &Store, name: &str) -> Result<Option<Searched>> {
    let text = meta::find_text(store, &format!("{SEARCHED}{name}")).await?;
    // A text that can't be read is as good as none: the search begins at the present.
    Ok(text.and_then(|text| Searched::read(&text)))
}

/// Lets the search of this name go on from `to`; `PreconditionFailed`, and nothing else of the
/// write happens, where another replica searched meanwhile.
pub fn go_on(name: &str, from: Option<&Searched>, to: &Searched) -> Part {
    let name = format!("{SEARCHED}{name}");
    let to = to.text();
    match from {
        Some(from) => meta::replace_named(&name, from.text().as_bytes(), to.as_bytes()),
        None => meta::put(&name, to.as_bytes()),
    }
}
