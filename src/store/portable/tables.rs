//! The list of all tables. A migration that makes or changes a table changes the list with it.

use std::sync::Arc;

use crate::domain::{Error, Result};

use super::super::row::Value;

/// Every table but those about the schema itself: `NAME key=… columns=NAME:KIND,…`, in an order in which what is
/// referred to comes first. `?` marks what may be null; `seeded`, rows that a migration itself puts there.
///
/// The columns are in the order of the schema. The key is the primary key, and of a table without one whatever
/// puts its rows into an order that is always the same.
const ALL: &[&str] = &[
    "meta key=name columns=name:text,value:bytes",
    "operation key=id columns=id:text,applied_at:integer",
    "change_counter key=id columns=id:integer,position:integer seeded",
    "change key=position columns=position:integer,noun:text,thing_id:text,changed_at:integer",
    "account key=id columns=id:integer,name:text,generation:integer,created_at:integer,service_account_grant:text?",
    "access_key key=id columns=id:text,account_id:integer,principal:text,sealed_secret:bytes,state:text,generation:integer,\
     created_at:integer",
    "instance key=id columns=id:text,cri_id:text,account_id:integer,name:text,region:text,service:text,algorithm:text,\
     kid_format:text,token_ttl_seconds:integer,registry_url:text?,default_mark:integer,created_at:integer,deleted_at:integer?,\
     specification:text,deletion_protection:integer,public_endpoint:integer,allow_list:integer,allow_list_version:integer,origin:text,\
     modified_at:integer?,unrecorded_namespaces:text,kind:text,issuer:text?,next_issuer:text?,refresh_tokens:integer,\
     refresh_generation:integer",
    "credential key=id columns=id:text,instance_id:text,principal:text,username:text,description:text,secret_hash:bytes,\
     state:text,generation:integer,created_at:integer,expires_at:integer,disabled_by:text?",
    "sealing_key key=id columns=id:text,wrapped:bytes,created_at:integer",
    "signing_key key=id columns=id:text,algorithm:text,wrapped_private:bytes,leaf_der:bytes,leaf_expires_at:integer,\
     created_at:integer,next_leaf_der:bytes?,certified_at:integer?",
    "instance_key key=id columns=id:text,instance_id:text,algorithm:text,wrapped_private:bytes,state:text,created_at:integer",
    "authority key=id columns=id:text,wrapped_private:bytes,certificate_der:bytes,created_at:integer,state:text,changed_at:integer",
    "audit key=id columns=id:text,happened_at:integer,request_id:text,action:text,principal:text?,account_id:integer?,\
     credential_id:text?,address:text?,service:text?,detail:text,outcome:text",
    "audit_page key=id columns=id:text,first_at:integer,last_at:integer,lines:text,bytes:integer,contents:text",
    "principal_id key=id columns=id:integer",
    "account_user key=id columns=id:integer,account_id:integer,name:text,state:text,generation:integer,created_at:integer",
    "account_group key=account_id,name columns=account_id:integer,name:text,created_at:integer",
    "group_member key=account_id,group_name,user_id columns=account_id:integer,group_name:text,user_id:integer",
    "role key=id columns=id:integer,account_id:integer,name:text,trust_policy:text,max_session_seconds:integer,state:text,\
     generation:integer,created_at:integer",
    "policy key=account_id,name columns=account_id:integer,name:text,document:text,changed_at:integer",
    "policy_attachment key=account_id,policy_name,policy_kind,user_id,group_name,role_id \
     columns=account_id:integer,policy_name:text,policy_kind:text,user_id:integer?,group_name:text?,role_id:integer?",
    "oidc_provider key=account_id,name columns=account_id:integer,name:text,issuer:text,jwks:text?,algorithms:text,created_at:integer",
    "oidc_audience key=account_id,provider_name,place \
     columns=account_id:integer,provider_name:text,place:integer,audience:text",
    "revocation key=credential_id columns=credential_id:text,revoked_at:integer",
    "namespace key=id columns=id:text,number:integer,instance_id:text,name:text,visibility:text,auto_create_repository:integer,\
     default_visibility:text,default_tag_immutability:integer,auto_scan:integer,prevent_vulnerable:integer,severity:text,\
     allowed_cves:text,created_at:integer,modified_at:integer",
    "repository key=id columns=id:text,instance_id:text,namespace_id:text,name:text,visibility:text,summary:text,detail:text,\
     tag_immutability:integer,created_at:integer,modified_at:integer",
    "service_account key=id columns=id:text,instance_id:text,name:text,description:text,made_hash:bytes?,chosen_hash:text?,state:text,\
     generation:integer,created_at:integer,modified_at:integer,expires_at:integer,maker:text?,maker_ids:text,revision:integer,\
     disabled_by:text?",
    "service_account_permission key=service_account_id,namespace columns=service_account_id:text,namespace:text,actions:text",
    "fixed_password key=instance_id,principal columns=instance_id:text,principal:text,hash:text?,generation:integer,changed_at:integer",
    "allow_entry key=instance_id,cidr columns=instance_id:text,cidr:text,written:text,comment:text,place:integer",
    "resource_tag key=thing_id,tag_key columns=thing_id:text,instance_id:text,tag_key:text,tag_value:text",
    "session_policy key=account_id,digest columns=account_id:integer,digest:text,charged_to:text,created_at:integer,ends_at:integer,\
     document:text",
    "signed_change key=digest columns=digest:text,request_id:text,made:text?,ends_at:integer",
];

/// Returns all tables of this binary's schema.
pub(in crate::store) fn all() -> Arc<[Table]> {
    // A test reads each line.
    ALL.iter().filter_map(|line| Table::parse(line)).collect()
}

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// A 64-bit number.
    Integer,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Column {
    pub(in crate::store) name: String,
    pub(in crate::store) kind: Kind,
    pub(in crate::store) nullable: bool,
}

/// A table, its columns, and what orders its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(in crate::store) name: String,
    pub(in crate::store) key: Vec<String>,
    pub(in crate::store) columns: Vec<Column>,
    pub(in crate::store) seeded: bool,
}

impl Table {
    /// Reads a line of the list, or of a backup; its names are safe to write into SQL.
    pub(in crate::store) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let name = identifier(words.next()?)?;
        let key = words.next()?.strip_prefix("key=")?.split(',').map(identifier).collect::<Option<Vec<_>>>()?;
        let columns = words.next()?.strip_prefix("columns=")?.split(',').map(Column::parse).collect::<Option<Vec<_>>>()?;
        let seeded = match words.next() {
            None => false,
            Some("seeded") => true,
            Some(_) => return None,
        };
        let known = key.iter().all(|name| columns.iter().any(|column| &column.name == name));
        (known && words.next().is_none()).then_some(Self { name, key, columns, seeded })
    }

    /// Writes the line that [`Self::parse`] reads.
    pub(super) fn to_line(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(Column::to_text).collect();
        let seeded = if self.seeded { " seeded" } else { "" };
        format!("{} key={} columns={}{seeded}", self.name, self.key.join(","), columns.join(","))
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Returns the query for all rows in their order; `sortable` makes of a column what sorts by its bytes.
    pub(in crate::store) fn select(&self, sortable: impl Fn(&str, Kind) -> String) -> String {
        let key = self.columns_of_key().map(|column| {
            let sorted = sortable(&column.name, column.kind);
            // Where nothing goes, the databases disagree.
            if column.nullable { format!("{} IS NULL, {sorted}", column.name) } else { sorted }
        });
        format!("SELECT {} FROM {} ORDER BY {}", self.names(), self.name, key.collect::<Vec<_>>().join(", "))
    }

    fn columns_of_key(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|name| self.columns.iter().find(|column| &column.name == name))
    }

    /// Returns the statement that adds a row.
    pub(super) fn insert(&self) -> String {
        let places: Vec<String> = (1..=self.columns.len()).map(|number| format!("${number}")).collect();
        format!("INSERT INTO {} ({}) VALUES ({})", self.name, self.names(), places.join(", "))
    }

    /// Returns the statement that takes all rows away.
    pub(super) fn delete(&self) -> String {
        format!("DELETE FROM {}", self.name)
    }

    /// Fails unless the row's values are of its columns' kinds.
    pub(super) fn check(&self, row: &[Value]) -> Result<()> {
        let fits = |(column, value): (&Column, &Value)| match value {
            Value::Null => column.nullable,
            Value::Integer(_) => column.kind == Kind::Integer,
            Value::Text(_) => column.kind == Kind::Text,
            Value::Bytes(_) => column.kind == Kind::Bytes,
        };
        match self.columns.iter().zip(row).find(|pair| !fits(*pair)) {
            Some((column, value)) => {
                Err(Error::internal(format!("table {}, column {}: {value:?} is no {:?}", self.name, column.name, column.kind)))
            }
            None if row.len() != self.columns.len() => {
                Err(Error::internal(format!("table {}: a row has {} columns", self.name, row.len())))
            }
            None => Ok(()),
        }
    }
}

impl Column {
    fn parse(text: &str) -> Option<Self> {
        let (name, kind) = text.split_once(':')?;
        let (kind, nullable) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
        let kind = match kind {
            "integer" => Kind::Integer,
            "text" => Kind::Text,
            "bytes" => Kind::Bytes,
            _ => return None,
        };
        Some(Self { name: identifier(name)?, kind, nullable })
    }

    fn to_text(&self) -> String {
        let kind = match self.kind {
            Kind::Integer => "integer",
            Kind::Text => "text",
            Kind::Bytes => "bytes",
        };
        format!("{}:{kind}{}", self.name, if self.nullable { "?" } else { "" })
    }
}

fn identifier(text: &str) -> Option<String> {
    let fits = text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && text.len() < 64;
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_reads_as_it_is_written() {
        assert_eq!(all().len(), ALL.len());
        for (table, line) in all().iter().zip(ALL) {
            assert_eq!(table.to_line(), *line);
        }
        for bad in [
            "a",
            "a key=b columns=c:text",
            "a key=b columns=b:float",
            "a; key=b columns=b:text",
            "a key=b columns=b:text;x",
            "A key=b columns=b:text",
            "a key=b columns=b:text seeded more",
        ] {
            assert_eq!(Table::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_named() {
        let table = Table::parse("t key=a columns=a:integer,b:text?").unwrap();
        assert!(table.check(&[1.into(), Value::Null]).is_ok());
        for (row, expected) in [
            (vec![Value::Null, Value::Null], "table t, column a: null is no Integer"),
            (vec![1.into(), 2.into()], "table t, column b: 2 is no Text"),
            (vec![1.into()], "table t: a row has 1 columns"),
        ] {
            assert_eq!(table.check(&row).unwrap_err().cause().unwrap(), expected);
        }
    }
}
